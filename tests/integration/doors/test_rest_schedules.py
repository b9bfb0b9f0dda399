"""Schedules over REST."""

import pytest

from cluster.models import Schedule, Task
from tests.factories.access import client_with, make_key, make_tenant
from tests.integration.doors.test_rest_tasks import NOBODY, problem_of

pytestmark = pytest.mark.django_db
SCHEDULES = "/api/v1/schedules"
NIGHTLY = {"kind": "cron", "cron": "0 3 * * *", "submission": {"goal": "Sum up the day."}}


def made(tenant, **changes):
    response = tenant.client().post(SCHEDULES, NIGHTLY | changes, format="json")
    assert response.status_code == 201, response.content
    return response.json()


@pytest.mark.parametrize(
    "times",
    [{"kind": "cron", "cron": "*/5 8-18 * * mon-fri", "timezone": "Europe/Berlin"},
     {"kind": "interval", "cron": None, "every_s": 3600},
     {"kind": "once", "cron": None, "at": "2100-01-01T00:00:00+00:00"}],
)  # fmt: skip
def test_a_schedule_of_each_kind_says_when_it_is_due(times):
    tenant = make_tenant()

    schedule = made(tenant, **times)

    assert schedule["next_at"] is not None
    assert tenant.client().get(f"{SCHEDULES}/{schedule['id']}").json() == schedule


def test_running_a_schedule_submits_its_goal_and_shows_the_task():
    tenant = make_tenant()
    schedule = made(tenant)

    task = tenant.client().post(f"{SCHEDULES}/{schedule['id']}/run")

    shown = tenant.client().get(f"{SCHEDULES}/{schedule['id']}").json()
    assert (task.status_code, task.json()["goal"]) == (201, "Sum up the day.")
    assert shown["task_ids"] == [task.json()["id"]]


def test_a_schedule_is_changed_and_deleted():
    tenant = make_tenant()
    path = f"{SCHEDULES}/{made(tenant)['id']}"

    changed = tenant.client().patch(path, {"enabled": False, "name": "Night"}, format="json")
    deleted = tenant.client().delete(path)

    assert (changed.json()["enabled"], changed.json()["name"]) == (False, "Night")
    assert (deleted.status_code, tenant.client().get(path).status_code) == (204, 404)


@pytest.mark.parametrize(
    "body",
    [{}, {"kind": "cron"}, {**NIGHTLY, "kind": "monthly"}, {**NIGHTLY, "cron": "daily"},
     {**NIGHTLY, "cron": "61 * * * *"}, {**NIGHTLY, "surplus": 1}, {**NIGHTLY, "actor": "root"},
     {**NIGHTLY, "timezone": "Mars/Phobos"}, {**NIGHTLY, "submission": {"goal": ""}},
     {**NIGHTLY, "submission": {"goal": "x", "schedule_id": NOBODY}},
     {**NIGHTLY, "submission": []}, {**NIGHTLY, "enabled": "yes"}, {**NIGHTLY, "every_s": 5},
     {"kind": "interval", "every_s": 0, "submission": {"goal": "x"}},
     {"kind": "once", "at": "tomorrow", "submission": {"goal": "x"}}, []],
)  # fmt: skip
def test_a_schedule_that_makes_no_sense_is_400_and_writes_nothing(body):
    response = make_tenant().client().post(SCHEDULES, body, format="json")

    assert problem_of(response)[0] == 400
    assert Schedule.objects.count() == 0


@pytest.mark.parametrize(
    ("method", "path"), [("get", ""), ("patch", ""), ("delete", ""), ("post", "/run")]
)
def test_a_foreign_schedule_is_like_a_missing_one(method, path):
    ours, stranger = make_tenant(), make_tenant()
    schedule_id = made(ours)["id"]

    foreign, missing = (
        getattr(stranger.client(), method)(f"{SCHEDULES}/{each}{path}", {}, format="json")
        for each in (schedule_id, NOBODY)
    )

    assert problem_of(foreign) == problem_of(missing) == (404, "cluster.schedule_unknown")
    assert foreign.content.replace(schedule_id.encode(), b"") == missing.content.replace(
        NOBODY.encode(), b""
    )
    assert (Schedule.objects.count(), Task.objects.count()) == (1, 0)
    assert stranger.client().get(SCHEDULES).json()["results"] == []


def test_following_next_visits_each_schedule_once():
    tenant = make_tenant()
    ids = {made(tenant, name=f"s{number}")["id"] for number in range(3)}
    seen, url = [], f"{SCHEDULES}?limit=2"

    while url:
        page = tenant.client().get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert (len(seen), set(seen)) == (3, ids)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_of_schedules_costs_the_same_for_one_and_for_many(rows, django_assert_num_queries):
    tenant = make_tenant()
    for number in range(rows):
        made(tenant, name=f"s{number}")
    client = tenant.client()

    with django_assert_num_queries(2):
        client.get(SCHEDULES)


@pytest.mark.parametrize("method", ["post", "get"])
def test_schedules_need_the_scopes_of_tasks(method):
    tenant = make_tenant()
    client = client_with(make_key(tenant.slug, ["agents:read"]))

    response = getattr(client, method)(SCHEDULES, {}, format="json")

    assert problem_of(response) == (403, "access.scope_missing")
