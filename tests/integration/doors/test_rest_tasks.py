"""Tasks over REST: submit, follow, steer, judge; every mistake a clear problem."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone
from rest_framework.test import APIClient

from agents import wiring
from agents.services.approvals import approval_open
from cluster.models import Event, Task
from cluster.selectors.tasks import task_detail
from cluster.services.tasks import task_submit
from loomsite.access.bridge import db
from tests.factories.access import client_with, make_key, make_tenant
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
TASKS = "/api/v1/tasks"
TASK_KEYS = {
    "id", "workspace", "goal", "status", "phase", "cycle", "outcome", "answer", "score", "verified",
    "citations", "error", "cost_usd", "tokens", "phases", "progress", "parent_id", "children",
    "request", "metadata", "created_at", "finished_at",
}  # fmt: skip
NOBODY = "00000000-0000-4000-8000-000000000000"


def problem_of(response):
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert "Traceback" not in response.content.decode()
    return response.status_code, body["code"]


def submitted(tenant, goal="Name the moons of Mars.", **fields):
    task_id, _ = task_submit(
        workspace_id=tenant.workspace_id, actor="test", door="test", goal=goal, **fields
    )
    return task_id


def ended(tenant, status="succeeded", **fields):
    task_id = submitted(tenant)
    values = {"status": status, "outcome": status, "finished_at": timezone.now(), "due_at": None}
    Task.objects.filter(id=task_id).update(**values | fields)
    return task_id


@requirement("http.submit")
def test_a_submitted_task_is_created_and_shown_whole():
    tenant = make_tenant()

    response = tenant.client().post(
        TASKS, {"goal": "Name the moons of Mars.", "metadata": {"ref": 7}}, format="json"
    )

    task = response.json()
    assert response.status_code == 201
    assert response["Location"].endswith(f"{TASKS}/{task['id']}")
    assert set(task) >= TASK_KEYS
    assert (task["workspace"], task["status"], task["metadata"]) == (
        tenant.slug,
        "queued",
        {"ref": 7},
    )
    assert task["cost_usd"] == "0.000000"
    assert task["tokens"] == {"prompt": 0, "completion": 0, "total": 0}


def test_detail_is_what_submission_returned():
    tenant = make_tenant()
    created = tenant.client().post(TASKS, {"goal": "One."}, format="json").json()

    assert tenant.client().get(f"{TASKS}/{created['id']}/").json() == created


@requirement("http.idempotency")
def test_the_same_idempotency_key_returns_the_same_task():
    client = make_tenant().client()
    body = {"goal": "Once."}

    first = client.post(TASKS, body, format="json", headers={"Idempotency-Key": "k"})
    again = client.post(TASKS, body | {"idempotency_key": "k"}, format="json")
    other = client.post(TASKS, {"goal": "Other."}, format="json", headers={"Idempotency-Key": "k"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert problem_of(other) == (409, "cluster.idempotency_conflict")
    assert Task.objects.count() == 1


def test_a_key_in_header_and_field_that_differ_is_refused():
    response = make_tenant().client().post(
        TASKS,
        {"goal": "x", "idempotency_key": "a"},
        format="json",
        headers={"Idempotency-Key": "b"},
    )  # fmt: skip

    assert problem_of(response) == (400, "access.input_invalid")


def test_two_workspaces_may_use_the_same_idempotency_key():
    ids = {
        make_tenant().client()
        .post(TASKS, {"goal": "x", "idempotency_key": "same"}, format="json").json()["id"]
        for _ in range(2)
    }  # fmt: skip

    assert len(ids) == 2


@pytest.mark.django_db(transaction=True)
def test_twenty_threads_with_the_same_idempotency_key_create_one_task():
    tenant = make_tenant()

    def submit(_):
        try:
            response = tenant.client().post(
                TASKS, {"goal": "Once.", "idempotency_key": "k"}, format="json"
            )
            return response.status_code, response.json()["id"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(submit, range(20)))

    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    assert len({task_id for _, task_id in answers}) == 1
    assert Task.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "access.input_invalid"),
        ({"goal": ""}, "cluster.goal_invalid"),
        ({"goal": " \n "}, "cluster.goal_invalid"),
        ({"goal": None}, "cluster.goal_invalid"),
        ({"goal": 5}, "cluster.goal_invalid"),
        ({"goal": ["a"]}, "cluster.goal_invalid"),
        ({"goal": {"a": 1}}, "cluster.goal_invalid"),
        ({"goal": True}, "cluster.goal_invalid"),
        ({"goal": "x" * 100_001}, "cluster.goal_invalid"),
        ({"goal": "x" * 1_000_000}, "cluster.goal_invalid"),
        ({"goal": "a\x00b"}, "access.input_invalid"),
        ({"goal": "\x1b[31m"}, "cluster.goal_invalid"),
        ({"goal": "x", "surplus": 1}, "access.input_invalid"),
        ({"goal": "x", "workspace_id": NOBODY}, "access.input_invalid"),
        ({"goal": "x", "schedule_id": NOBODY}, "access.input_invalid"),
        ({"goal": "x", "actor": "root"}, "access.input_invalid"),
        ({"goal": "x", "agent": "nobody"}, "cluster.agent_unknown"),
        ({"goal": "x", "checks": [{"kind": "nonsense"}]}, "cluster.check_invalid"),
        ({"goal": "x", "checks": "contains"}, "cluster.check_invalid"),
        ({"goal": "x", "budget_usd": -1}, "cluster.task_invalid"),
        ({"goal": "x", "budget_usd": "much"}, "cluster.task_invalid"),
        ({"goal": "x", "max_cycles": 0}, "cluster.task_invalid"),
        ({"goal": "x", "max_cycles": 1.5}, "cluster.task_invalid"),
        ({"goal": "x", "min_score": 2}, "cluster.task_invalid"),
        ({"goal": "x", "deadline_s": 0}, "cluster.task_invalid"),
        ({"goal": "x", "priority": "high"}, "cluster.task_invalid"),
        ({"goal": "x", "collections": ["none"]}, "cluster.task_invalid"),
        ({"goal": "x", "metadata": []}, "cluster.task_invalid"),
        ({"goal": "x", "metadata": {"a": "b\x00"}}, "access.input_invalid"),
        ({"goal": "x", "metadata": {"a": "y" * 100_000}}, "cluster.task_invalid"),
        ({"goal": "x", "idempotency_key": "k" * 201}, "cluster.task_invalid"),
        ([], "access.input_invalid"),
        ("goal", "access.input_invalid"),
    ],
)
def test_a_submission_that_makes_no_sense_is_400_and_writes_nothing(body, code):
    response = make_tenant().client().post(TASKS, body, format="json")

    assert problem_of(response) == (400, code)
    assert (Task.objects.count(), Event.objects.count()) == (0, 0)


def test_the_wrong_field_of_a_submission_is_named():
    response = make_tenant().client().post(TASKS, {"goal": "x", "min_score": 2}, format="json")

    assert [error["field"] for error in response.json()["errors"]] == ["min_score"]


@requirement("http.lists")
def test_a_list_shows_summaries_newest_first():
    tenant = make_tenant()
    ids = [submitted(tenant, goal) for goal in ("one", "two", "three")]

    page = tenant.client().get(TASKS).json()

    assert [row["id"] for row in page["results"]] == ids[::-1]
    assert page["next"] is None
    assert "answer" not in page["results"][0]


@requirement("http.lists")
def test_following_next_visits_each_task_once():
    tenant = make_tenant()
    ids = {submitted(tenant, f"goal {number}") for number in range(5)}
    client, seen, url = tenant.client(), [], f"{TASKS}?limit=2"

    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert (len(seen), set(seen)) == (5, ids)


def test_a_list_can_be_narrowed_to_a_status():
    tenant = make_tenant()
    submitted(tenant)
    done = ended(tenant)

    page = tenant.client().get(TASKS, {"status": "succeeded"}).json()

    assert [row["id"] for row in page["results"]] == [done]


@pytest.mark.parametrize(
    "query",
    [{"status": "nonsense"}, {"cursor": "x"}, {"cursor": "\x00"}, {"limit": "0"}, {"limit": "101"},
     {"limit": "x"}],
)  # fmt: skip
@requirement("http.lists")
def test_a_list_query_that_makes_no_sense_is_400(query):
    assert problem_of(make_tenant().client().get(TASKS, query))[0] == 400


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_of_tasks_costs_the_same_for_one_and_for_many(rows, django_assert_num_queries):
    tenant = make_tenant()
    for number in range(rows):
        submitted(tenant, f"goal {number}")
    client = tenant.client()
    client.get(TASKS)  # notes the use of the key

    with django_assert_num_queries(2):
        client.get(TASKS)


def test_cancel_ends_a_task_that_nobody_works_on_and_again_changes_nothing():
    tenant = make_tenant()
    path = f"{TASKS}/{submitted(tenant)}/cancel"

    first, second = (tenant.client().post(path, {}, format="json") for _ in range(2))

    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert second.json() == first.json()


def test_cancel_works_without_a_body():
    tenant = make_tenant()

    response = tenant.client().post(f"{TASKS}/{submitted(tenant)}/cancel")

    assert response.json()["status"] == "cancelled"


def test_a_cancelled_task_can_be_retried():
    tenant = make_tenant()
    task_id = ended(tenant, "cancelled")

    response = tenant.client().post(f"{TASKS}/{task_id}/retry", {}, format="json")

    assert (response.status_code, response.json()["status"]) == (200, "queued")


@pytest.mark.parametrize(
    ("action", "body"),
    [("retry", {}), ("reply", {"request_id": NOBODY, "text": "yes"}),
     ("feedback", {"score": 1, "comment": "good"})],
)  # fmt: skip
def test_what_the_state_of_a_task_does_not_allow_is_409(action, body):
    tenant = make_tenant()

    response = tenant.client().post(f"{TASKS}/{submitted(tenant)}/{action}", body, format="json")

    assert problem_of(response) == (409, "cluster.task_conflict")


@pytest.mark.parametrize(
    ("action", "body"),
    [("cancel", {"surplus": 1}), ("cancel", {"reason": 5}), ("cancel", {"reason": "x" * 501}),
     ("retry", {"a": 1}), ("reply", {"request_id": NOBODY}),
     ("reply", {"surplus": 1}), ("feedback", {"score": 2}), ("feedback", {"score": "good"}),
     ("feedback", {"score": True}), ("feedback", {"score": None}),
     ("feedback", {"score": 1, "comment": 7}), ("feedback", [])],
)  # fmt: skip
def test_an_action_that_makes_no_sense_is_400(action, body):
    tenant = make_tenant()
    task_id = ended(tenant, "failed")

    response = tenant.client().post(f"{TASKS}/{task_id}/{action}", body, format="json")

    assert problem_of(response)[0] == 400


def test_a_tool_call_is_changed_and_approved_and_a_change_that_does_not_fit_is_400():
    tenant = make_tenant()
    wiring.workspace_prepare(tenant.workspace_id)
    task_id = submitted(tenant)
    Task.objects.filter(id=task_id).update(status="input_required", due_at=None)
    asked = approval_open(
        workspace_id=tenant.workspace_id, task_id=task_id, run_id=None, key="k", kind="approval",
        question="May it?", options=("approve", "deny"),
        detail={"tool": "calculator", "arguments": '{"expression": "1"}'},
    )  # fmt: skip
    body = {"request_id": asked.id, "decision": "approve", "text": "too small"}
    url = f"{TASKS}/{task_id}/reply"

    wrong = tenant.client().post(url, body | {"arguments": {"sum": 1}}, format="json")
    right = tenant.client().post(url, body | {"arguments": {"expression": "2"}}, format="json")
    listed = tenant.client().get("/api/v1/approvals?status=answered").json()["results"]

    assert problem_of(wrong)[0] == 400
    assert [error["field"] for error in wrong.json()["errors"]] == ["arguments"]
    assert (right.status_code, right.json()["status"]) == (200, "queued")
    assert [(row["edited"], row["text"]) for row in listed] == [({"expression": "2"}, "too small")]


@pytest.mark.parametrize("action", ["reply", "feedback"])
def test_an_action_without_its_required_fields_is_400(action):
    tenant = make_tenant()

    response = tenant.client().post(f"{TASKS}/{ended(tenant)}/{action}", {}, format="json")

    assert problem_of(response)[0] == 400


READS = ["", "/events", "/tree", "/auction"]
WRITES = [
    ("/cancel", {}),
    ("/retry", {}),
    ("/reply", {"request_id": NOBODY, "text": "yes"}),
    ("/feedback", {"score": 1, "comment": ""}),
]


@pytest.mark.parametrize("path", READS)
def test_a_foreign_task_reads_like_a_missing_one(path):
    ours, stranger = make_tenant(), make_tenant()
    task_id = submitted(ours)
    assert ours.client().get(f"{TASKS}/{task_id}{path}").status_code == 200

    foreign = stranger.client().get(f"{TASKS}/{task_id}{path}")
    missing = stranger.client().get(f"{TASKS}/{NOBODY}{path}")

    assert problem_of(foreign) == problem_of(missing) == (404, "cluster.task_unknown")
    assert foreign.content.replace(task_id.encode(), b"") == missing.content.replace(
        NOBODY.encode(), b""
    )


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_a_foreign_task_cannot_be_changed(path, body):
    ours, stranger = make_tenant(), make_tenant()
    task_id = submitted(ours)
    before = task_detail(workspace_id=ours.workspace_id, task_id=task_id)

    foreign = stranger.client().post(f"{TASKS}/{task_id}{path}", body, format="json")

    assert problem_of(foreign) == (404, "cluster.task_unknown")
    assert task_detail(workspace_id=ours.workspace_id, task_id=task_id) == before


def test_a_stranger_lists_none_of_our_tasks():
    ours, stranger = make_tenant(), make_tenant()
    submitted(ours)

    assert stranger.client().get(TASKS).json()["results"] == []


@pytest.mark.parametrize("task_id", ["x", "1", "..", "%00", "null", NOBODY[:-1]])
def test_an_id_that_is_none_is_404(task_id):
    assert problem_of(make_tenant().client().get(f"{TASKS}/{task_id}"))[0] == 404


@pytest.mark.parametrize("path", READS)
@requirement("http.scopes")
def test_reading_needs_its_scope(path):
    tenant = make_tenant()
    task_id = submitted(tenant)
    client = client_with(make_key(tenant.slug, ["tasks:write", "agents:read"]))

    assert problem_of(client.get(f"{TASKS}/{task_id}{path}")) == (403, "access.scope_missing")


@pytest.mark.parametrize(("path", "body"), [("", {"goal": "x"}), *WRITES])
@requirement("http.scopes")
def test_writing_needs_its_scope(path, body):
    tenant = make_tenant()
    task_id = submitted(tenant)
    client = client_with(make_key(tenant.slug, ["tasks:read", "agents:write"]))
    target = f"{TASKS}/{task_id}{path}" if path else TASKS

    assert problem_of(client.post(target, body, format="json")) == (403, "access.scope_missing")


@pytest.mark.parametrize("path", [TASKS, *(f"{TASKS}/{NOBODY}{path}" for path in READS)])
@requirement("http.scopes")
def test_nobody_reads_without_a_key(path):
    assert problem_of(APIClient().get(path)) == (401, "access.not_authenticated")


@requirement("http.events")
def test_events_are_numbered_without_gaps_and_can_be_continued():
    tenant = make_tenant()
    task_id = submitted(tenant)
    tenant.client().post(f"{TASKS}/{task_id}/cancel")

    whole = tenant.client().get(f"{TASKS}/{task_id}/events").json()["results"]
    rest = tenant.client().get(f"{TASKS}/{task_id}/events", {"after": 1}).json()["results"]
    first = tenant.client().get(f"{TASKS}/{task_id}/events", {"limit": 1}).json()

    assert [event["seq"] for event in whole] == list(range(1, len(whole) + 1))
    assert set(whole[0]) == {"seq", "type", "at", "data"}
    assert rest == whole[1:]
    assert first["results"] == whole[:1]
    assert tenant.client().get(first["next"]).json()["results"] == whole[1:2]


@pytest.mark.parametrize(
    "query", [{"after": "-1"}, {"after": "x"}, {"limit": "0"}, {"after": "9" * 30}]
)
def test_an_events_query_that_makes_no_sense_is_400(query):
    tenant = make_tenant()

    response = tenant.client().get(f"{TASKS}/{submitted(tenant)}/events", query)

    assert problem_of(response) == (400, "access.input_invalid")


@pytest.mark.django_db(transaction=True)
@requirement("http.events")
async def test_events_are_a_stream_for_who_accepts_one(http):
    tenant = await db(make_tenant)
    task_id = await db(submitted, tenant)
    await db(lambda: tenant.client().post(f"{TASKS}/{task_id}/cancel"))

    async with http(tenant.key, Accept="text/event-stream") as client:
        whole = await client.get(f"{TASKS}/{task_id}/events")
        rest = await client.get(f"{TASKS}/{task_id}/events/", headers={"Last-Event-ID": "1"})
        missing = await client.get(f"{TASKS}/{NOBODY}/events")

    assert whole.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert whole.text.index("id: 1\n") < whole.text.index("id: 2\n")
    assert ("id: 1\n" in rest.text, "id: 2\n" in rest.text) == (False, True)
    assert (missing.status_code, missing.json()["code"]) == (404, "cluster.task_unknown")
