"""What people do in the admin goes through the services, once, and is written to the audit."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from agents.models import Agent, AgentVersion, Approval, Budget, Endpoint
from agents.services.agents import agent_create
from agents.services.approvals import approval_open
from cluster.models import Blueprint, Schedule, Task
from cluster.services.tasks import task_submit
from knowledge.models import Document
from loomsite.access.models import ApiKey, AuditEntry, Workspace
from loomsite.access.services import apikey_authenticate
from tests.integration.admin.seeding import EVIL, member, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(home: Workspace) -> Client:
    return signed_in(member(home.pk, "owner", "olga"))


def _url(model: str, page: str, *args: object) -> str:
    return reverse(f"admin:{model}_{page}", args=args)


def _task_form(home: Workspace, **fields: Any) -> dict[str, Any]:
    form = {
        "workspace": home.pk, "goal": "Say hello.", "idempotency_key": "admin:1", "agent": "",
        "collections": "", "budget_usd": "", "deadline_s": "", "max_cycles": "2", "min_score": "",
        "priority": "0", "checks": "[]", "context": "", "metadata": "{}",
    }  # fmt: skip
    return {**form, **fields}


def _audit() -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.order_by("id")
    return [(row.actor, row.door, row.action) for row in rows]


# ---------------------------------------------------------------- tasks


def test_a_task_is_submitted_followed_and_audited(client, home) -> None:
    answer = client.post(
        _url("cluster_task", "add"),
        _task_form(home, goal=EVIL, budget_usd="0.5", min_score="0.7",
                   checks='[{"kind": "contains", "value": "hello"}]'),
    )  # fmt: skip

    task = Task.objects.get()
    page = client.get(answer.url)
    assert answer.url == _url("cluster_task", "change", task.pk)
    assert (task.goal, task.door, task.actor, str(task.budget_usd), task.min_score) == (
        EVIL, "admin", "user:olga", "0.500000", 0.7,
    )  # fmt: skip
    assert EVIL not in page.content.decode()
    assert _audit() == [("user:olga", "admin", "task.create")]


def test_the_same_form_sent_twice_is_one_task(client, home) -> None:
    for _ in range(2):
        client.post(_url("cluster_task", "add"), _task_form(home))

    assert Task.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"goal": "  "}, "The goal is empty"),
        ({"goal": ""}, "This field is required"),
        ({"goal": "a\x00b"}, "Null characters are not allowed"),
        ({"goal": "a\x01b"}, "control character"),
        ({"checks": "[{"}, "Enter a valid JSON"),
        ({"checks": '{"kind": "contains"}'}, "checks must be a list"),
        ({"checks": '[{"kind": "magic"}]'}, "Check 1"),
        ({"metadata": "[1]"}, "metadata must be an object"),
        ({"max_cycles": "99"}, "max_cycles must be a whole number"),
        ({"min_score": "2"}, "min_score must be a number"),
        ({"budget_usd": "-1"}, "budget_usd must be an amount"),
        ({"collections": "nowhere"}, "There is no collection"),
    ],
)
def test_a_submission_that_cannot_be_a_task_says_why_and_writes_nothing(
    fields, sentence, client, home
) -> None:
    answer = client.post(_url("cluster_task", "add"), _task_form(home, **fields))

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert Task.objects.count() == 0
    assert AuditEntry.objects.count() == 0


def test_a_task_is_cancelled_with_a_reason_and_retried(client, home) -> None:
    task_id, _ = task_submit(workspace_id=str(home.pk), actor="x", door="rest", goal="g")

    client.post(_url("cluster_task", "do", task_id, "cancel"), {"reason": "not needed"})
    cancelled = Task.objects.get().status
    client.post(_url("cluster_task", "do", task_id, "retry"))

    entries = AuditEntry.objects.order_by("id").values_list("action", "reason", "target")
    assert (cancelled, Task.objects.get().status) == ("cancelled", "queued")
    assert list(entries) == [
        ("task.cancel", "not needed", task_id),
        ("task.retry", "", task_id),
    ]


def test_a_stale_button_changes_nothing_and_says_so(client, home) -> None:
    task_id, _ = task_submit(workspace_id=str(home.pk), actor="x", door="rest", goal="g")
    why = {"reason": "not needed"}
    client.post(_url("cluster_task", "do", task_id, "cancel"), why)

    again = client.post(_url("cluster_task", "do", task_id, "cancel"), why, follow=True)

    assert "is not possible any more" in again.content.decode()
    assert AuditEntry.objects.count() == 1


def test_a_button_is_not_a_link(client, home) -> None:
    task_id, _ = task_submit(workspace_id=str(home.pk), actor="x", door="rest", goal="g")

    answer = client.get(_url("cluster_task", "do", task_id, "cancel"))

    assert answer.status_code == 405
    assert Task.objects.get().status == "queued"


def test_selected_tasks_are_cancelled_and_ended_ones_left(client, home) -> None:
    first, _ = task_submit(workspace_id=str(home.pk), actor="x", door="rest", goal="one")
    second, _ = task_submit(workspace_id=str(home.pk), actor="x", door="rest", goal="two")
    client.post(_url("cluster_task", "do", first, "cancel"), {"reason": "not needed"})

    chosen = {"action": "cancel_tasks", "_selected_action": [first, second]}
    asked = client.post(_url("cluster_task", "changelist"), chosen)
    answer = client.post(
        _url("cluster_task", "changelist"),
        {**chosen, "confirmed": "yes", "reason": "a mistake"},
        follow=True,
    )

    assert "Cancel 1 of 2 selected" in asked.content.decode()
    assert "1 done, 1 left" in answer.content.decode()
    assert set(Task.objects.values_list("status", flat=True)) == {"cancelled"}


@pytest.mark.parametrize("door", ["task", "approval"])
def test_a_question_is_answered_once_from_either_page(door, client, home) -> None:
    task_id, _ = task_submit(workspace_id=str(home.pk), actor="x", door="rest", goal="g")
    Task.objects.update(status="input_required", due_at=None)
    asked = approval_open(
        workspace_id=str(home.pk), task_id=task_id, run_id=None, key="k", kind="approval",
        question=EVIL, options=["approve", "deny"],
    )  # fmt: skip
    row, name = (
        (f"cluster_task {task_id} reply", task_id)
        if door == "task"
        else (f"agents_approval {asked.id} answer", asked.id)
    )
    model, pk, action = row.split()
    shown = client.get(_url(model, "change", name)).content.decode()
    wrong = client.post(_url(model, "do", pk, action), {"decision": "maybe"}, follow=True)

    client.post(_url(model, "do", pk, action), {"decision": "deny", "text": "too dear"})
    late = client.post(_url(model, "do", pk, action), {"decision": "approve"}, follow=True)

    approval = Approval.objects.get()
    assert 'value="approve"' in shown
    assert EVIL not in shown
    assert "Choose one of" in wrong.content.decode()
    assert (approval.decision, approval.text, approval.answered_by) == (
        "deny", "too dear", "user:olga",
    )  # fmt: skip
    assert Task.objects.get().status == "queued"
    assert "not possible any more" in late.content.decode()


def test_feedback_on_a_task_nobody_answered_is_refused_in_words(client, home) -> None:
    task_id, _ = task_submit(workspace_id=str(home.pk), actor="x", door="rest", goal="g")
    client.post(_url("cluster_task", "do", task_id, "cancel"), {"reason": "not needed"})

    for score in ("1", "much", "nan"):
        answer = client.post(
            _url("cluster_task", "do", task_id, "feedback"), {"score": score}, follow=True
        )

        assert answer.status_code == 200
        assert b"alert" in answer.content or b"error" in answer.content
    assert AuditEntry.objects.filter(action="task.feedback").count() == 0


def test_the_live_part_follows_and_asks_for_a_new_page_when_the_status_moves(client, home) -> None:
    task_id, _ = task_submit(workspace_id=str(home.pk), actor="x", door="rest", goal="g")
    url = _url("cluster_task", "change", task_id)

    same = client.get(url + "?was=queued", headers={"HX-Request": "true"})
    moved = client.get(url + "?was=running", headers={"HX-Request": "true"})

    assert b'id="task-live"' in same.content
    assert b"<html" not in same.content
    assert moved.headers["HX-Refresh"] == "true"


# ---------------------------------------------------------------- agents and endpoints


def _agent_form(home: Workspace, **fields: Any) -> dict[str, Any]:
    form = {
        "workspace": home.pk, "slug": "ada", "name": "Ada", "description": "", "model": "",
        "instructions": "Be brief.", "endpoint": "", "tools": "calculator, done", "scenes": "",
        "skills": "", "collections": "", "domains": "", "max_steps": 5, "timeout_s": 60,
        "max_tokens": "", "budget_usd": "", "temperature": "", "enabled": "on",
    }  # fmt: skip
    return {**form, **fields}


def test_an_agent_is_made_and_each_change_is_a_version(client, home) -> None:
    client.post(_url("agents_agent", "add"), _agent_form(home))
    agent = Agent.objects.get()
    client.post(_url("agents_agent", "change", agent.pk), _agent_form(home, instructions="Long."))
    client.post(_url("agents_agent", "change", agent.pk), _agent_form(home, instructions="Long."))

    versions = AgentVersion.objects.order_by("number")
    assert [(row.number, row.spec["instructions"], row.created_by) for row in versions] == [
        (1, "Be brief.", "user:olga"),
        (2, "Long.", "user:olga"),
    ]
    assert agent.tools == ["calculator", "done"]


def test_an_agent_that_cannot_be_says_why_on_the_form(client, home) -> None:
    agent_create(workspace_id=str(home.pk), slug="ada", name="Ada")

    taken = client.post(_url("agents_agent", "add"), _agent_form(home))
    scene = client.post(_url("agents_agent", "add"), _agent_form(home, slug="b", scenes="none"))
    steps = client.post(_url("agents_agent", "add"), _agent_form(home, slug="b", max_steps=0))

    assert "The agent 'ada' exists already" in taken.content.decode().replace("&#x27;", "'")
    assert "There is no scene" in scene.content.decode()
    assert steps.status_code == 200
    assert Agent.objects.count() == 1


def test_an_endpoint_takes_a_secret_and_never_shows_it(client, home) -> None:
    form = {
        "workspace": home.pk, "slug": "main", "name": "", "base_url": "https://m.example.com/v1",
        "model": "m", "new_secret": "sk-very-secret", "profile": "{}", "enabled": "on",
        "usd_per_million_prompt": "", "usd_per_million_completion": "", "fallback": "",
    }  # fmt: skip

    client.post(_url("agents_endpoint", "add"), form)
    row = Endpoint.objects.get()
    page = client.get(_url("agents_endpoint", "change", row.pk)).content.decode()
    kept = client.post(
        _url("agents_endpoint", "change", row.pk), {**form, "new_secret": "", "model": "n"}
    )
    moved = client.post(
        _url("agents_endpoint", "change", row.pk),
        {**form, "new_secret": "", "base_url": "https://evil.example.com/v1"},
    )

    after = Endpoint.objects.get()
    assert row.secret.startswith("sealed:")
    assert "sk-very-secret" not in page + row.secret
    assert row.secret not in page
    assert (kept.status_code, after.secret, after.model) == (302, row.secret, "n")
    assert "give the secret again" in moved.content.decode()
    assert after.base_url == "https://m.example.com/v1"
    detail = str(list(AuditEntry.objects.values_list("detail", flat=True)))
    assert "sk-very-secret" not in detail


def test_a_budget_is_set_changed_and_removed(client, home) -> None:
    form = {"workspace": home.pk, "scope": "workspace", "scope_id": "", "period": "day",
            "limit_usd": "5", "enabled": "on"}  # fmt: skip
    client.post(_url("agents_budget", "add"), form)
    row = Budget.objects.get()
    client.post(_url("agents_budget", "change", row.pk), {"limit_usd": "7", "enabled": "on"})
    changed = Budget.objects.get().limit_usd

    wrong = client.post(_url("agents_budget", "add"), {**form, "scope": "user"})
    client.post(_url("agents_budget", "delete", row.pk), {"post": "yes", "reason": "not needed"})

    assert changed == 7
    assert "the user, agent or root task" in wrong.content.decode()
    assert Budget.objects.count() == 0
    assert [action for _, _, action in _audit()] == [
        "budget.create", "budget.change", "budget.delete",
    ]  # fmt: skip


# ---------------------------------------------------------------- keys


def test_a_key_is_shown_once_and_revoked(client, home) -> None:
    made = client.post(
        _url("access_apikey", "add"),
        {"workspace": home.pk, "user": "robot", "name": "ci", "scopes": ["tasks:read"],
         "expires_days": "30"},
    )  # fmt: skip
    key = made.context["key"]
    row = ApiKey.objects.get()
    later = client.get(_url("access_apikey", "change", row.pk)).content.decode()
    works = apikey_authenticate(key)

    client.post(_url("access_apikey", "do", row.pk, "revoke"), {"reason": "leaked"})

    assert made.status_code == 200
    assert made.content.decode().count(key) >= 1
    assert key not in later
    assert row.secret_sha256 not in later
    assert works is not None
    assert works.workspace_slug == "home"
    assert apikey_authenticate(key) is None
    assert key not in str(dict(client.session))
    (revoked,) = AuditEntry.objects.filter(action="apikey.revoke")
    assert (revoked.reason, revoked.door) == ("leaked", "admin")


def test_a_key_with_nothing_to_do_is_refused(client, home) -> None:
    answer = client.post(
        _url("access_apikey", "add"), {"workspace": home.pk, "user": "a b", "scopes": ["admin"]}
    )

    assert "letters, digits" in answer.content.decode()
    assert ApiKey.objects.count() == 0


# ---------------------------------------------------------------- schedules


def _schedule_form(home: Workspace, **fields: Any) -> dict[str, Any]:
    form = _task_form(home, kind="cron", cron="0 7 * * 1-5", every_s="", at_0="", at_1="",
                      timezone="Europe/Berlin", enabled="on", name="Morning")  # fmt: skip
    return {**form, **fields}


def test_a_schedule_is_made_changed_run_and_deleted(client, home) -> None:
    client.post(_url("cluster_schedule", "add"), _schedule_form(home))
    row = Schedule.objects.get()
    shown = client.get(_url("cluster_schedule", "change", row.pk)).content.decode()
    client.post(
        _url("cluster_schedule", "change", row.pk),
        _schedule_form(home, kind="interval", cron="", every_s="60", goal="Say bye."),
    )
    changed = Schedule.objects.get()
    client.post(_url("cluster_schedule", "do", row.pk, "run"))
    task = Task.objects.get()
    client.post(_url("cluster_schedule", "delete", row.pk), {"post": "yes", "reason": "not needed"})

    assert (row.kind, row.submission["goal"], row.next_at is not None) == (
        "cron", "Say hello.", True,
    )  # fmt: skip
    assert "Say hello." in shown
    assert (changed.kind, changed.every_s, changed.submission["goal"]) == (
        "interval", 60, "Say bye.",
    )  # fmt: skip
    assert (task.goal, task.door, task.actor) == ("Say bye.", "schedule", "user:olga")
    assert Schedule.objects.count() == 0


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"cron": "often"}, "five fields"),
        ({"timezone": "Mars/Base"}, "is not known"),
        ({"goal": " "}, "The goal is empty"),
        ({"kind": "interval", "cron": "", "every_s": "0"}, "every_s must be"),
        ({"kind": "once", "cron": ""}, "at must be a time"),
    ],
)
def test_a_schedule_that_cannot_be_says_why(fields, sentence, client, home) -> None:
    answer = client.post(_url("cluster_schedule", "add"), _schedule_form(home, **fields))

    assert sentence in answer.content.decode()
    assert Schedule.objects.count() == 0


# ---------------------------------------------------------------- knowledge, blueprints


def test_a_document_is_uploaded_as_text_or_file(client, home) -> None:
    client.post(
        _url("knowledge_collection", "add"),
        {"workspace": home.pk, "slug": "docs", "name": "", "description": "",
         "language": "english"},
    )  # fmt: skip
    collection = home.collections.get()
    form = {"collection": collection.pk, "title": EVIL, "tags": "a, b"}

    text = client.post(_url("knowledge_document", "add"), {**form, "body": "Some text."})
    file = SimpleUploadedFile("notes.md", b"# Notes")
    client.post(_url("knowledge_document", "add"), {**form, "title": "", "file": file})
    nothing = client.post(_url("knowledge_document", "add"), form)

    assert text.status_code == 302
    assert sorted(Document.objects.values_list("external_id", "status", "tags")) == [
        (EVIL, "pending", ["a", "b"]),
        ("notes.md", "pending", ["a", "b"]),
    ]
    assert "Give either a file or a text" in nothing.content.decode()


def test_a_changed_blueprint_is_the_next_version(client, home) -> None:
    first = Blueprint.objects.create(
        workspace=home, slug="writer", spec={"name": "One", "instructions": "Write."}
    )
    form = {"spec": '{"name": "Two", "instructions": "Write."}', "reason": "better"}

    client.post(_url("cluster_blueprint", "change", first.pk), form)
    wrong = client.post(
        _url("cluster_blueprint", "change", first.pk), {**form, "spec": '{"tools": "all"}'}
    )

    rows = Blueprint.objects.order_by("version").values_list(
        "version", "spec__name", "state", "parent__version", "reason"
    )
    assert list(rows) == [
        (1, "One", "active", None, ""),
        (2, "Two", "challenger", 1, "better"),
    ]
    assert "tools" in wrong.content.decode()
