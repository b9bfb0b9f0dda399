"""Goals by the clock: what is taken, when it is due, what happens when it fires."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.models import Agent
from cluster.core.errors import RequestInvalid, ScheduleUnknown, TaskInvalid
from cluster.models import Schedule, Task
from cluster.selectors.schedules import schedule_detail, schedule_list
from cluster.selectors.spine import database_now
from cluster.services.journal import ClockTimestamp
from cluster.services.schedules import (
    schedule_create,
    schedule_delete,
    schedule_run,
    schedule_update,
    schedules_fire,
)
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
GOAL = {"goal": "Write the report."}


def create(workspace_id: str, **fields: Any) -> str:
    values = {"kind": "interval", "every_s": 3600, "submission": GOAL, **fields}
    given = {name: value for name, value in values.items() if value is not None}
    return schedule_create(workspace_id=workspace_id, actor="ada", **given)


def shown(workspace_id: str, schedule_id: str) -> dict[str, Any]:
    return schedule_detail(workspace_id=workspace_id, schedule_id=schedule_id)


def due(schedule_id: str) -> None:
    Schedule.objects.filter(id=schedule_id).update(next_at=ClockTimestamp())


def test_an_interval_is_due_one_interval_from_now(workspace_id: str) -> None:
    now = database_now()

    row = Schedule.objects.get(id=create(workspace_id, every_s=60))

    assert row.next_at is not None
    assert timedelta(seconds=59) < row.next_at - now < timedelta(seconds=62)
    assert (row.name, row.enabled, row.run_count) == ("Write the report.", True, 0)


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 7), ("Asia/Tokyo", 22), ("America/St_Johns", None)]
)
def test_a_cron_is_due_by_its_own_clock(workspace_id: str, zone: str, hour: int | None) -> None:
    schedule_id = create(workspace_id, kind="cron", every_s=None, cron="0  7 * * *", timezone=zone)

    row = Schedule.objects.get(id=schedule_id)

    assert row.cron == "0 7 * * *"
    assert row.next_at is not None
    assert database_now() < row.next_at <= database_now() + timedelta(days=1)
    if hour is not None:
        assert (row.next_at.astimezone(UTC).hour, row.next_at.minute) == (hour, 0)


def test_a_time_without_a_zone_is_meant_in_the_schedules(workspace_id: str) -> None:
    schedule_id = create(
        workspace_id, kind="once", every_s=None, at="2040-01-01T09:00", timezone="Asia/Tokyo"
    )

    row = Schedule.objects.get(id=schedule_id)

    assert row.next_at == datetime(2040, 1, 1, 0, 0, tzinfo=UTC)


@requirement("bad_days.bad_input")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "sometimes"}, "kind"),
        ({"kind": None}, "kind"),
        ({"every_s": 0}, "every_s"),
        ({"every_s": -1}, "every_s"),
        ({"every_s": 1.5}, "every_s"),
        ({"every_s": True}, "every_s"),
        ({"every_s": 10**10}, "every_s"),
        ({"every_s": "60"}, "every_s"),
        ({"cron": "* * * * *"}, "cron"),
        ({"at": "2040-01-01"}, "at"),
        *[
            ({"kind": "cron", "every_s": None, "cron": cron}, "cron")
            for cron in (
                None, "", "* * * *", "* * * * * *", "61 * * * *", "* 25 * * *", "* * 0 * *",
                "* * * 13 *", "* * * * 8", "*/0 * * * *", "a b c d e", 7, ["*"], "0 0 30 2 *",
                "0 0 31 4,6 *", "\0 * * * *",
            )
        ],
        *[
            ({"kind": "once", "every_s": None, "at": at}, "at")
            for at in (
                None, "", "tomorrow", 7, "2040-13-01", "0001-01-01T00:00+14:00",
                "9999-12-31T23:59:59-14:00", ["2040-01-01"],
            )
        ],
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "\0"}, "timezone"),
        ({"timezone": 7}, "timezone"),
        ({"enabled": "yes"}, "enabled"),
        ({"name": "a" * 201}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": 7}, "name"),
        ({"submission": None}, "submission"),
        ({"submission": "Go."}, "submission"),
        ({"submission": {"goal": "Go.", "idempotency_key": "k"}}, "submission"),
        ({"colour": "red"}, "colour"),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_a_field_that_cannot_be_used_is_named(
    workspace_id: str, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestInvalid) as caught:
        create(workspace_id, **fields)

    assert caught.value.field == field
    assert len(str(caught.value)) < 500
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("submission", [{}, {"goal": ""}, {"goal": "Go.", "max_cycles": 0}])
def test_a_submission_that_cannot_become_a_task_is_refused_at_once(
    workspace_id: str, submission: dict[str, Any]
) -> None:
    with pytest.raises(TaskInvalid):
        create(workspace_id, submission=submission)


# ---------------------------------------------------------------- firing


def test_a_schedule_that_is_due_becomes_a_task_that_runs(workspace_id: str) -> None:
    schedule_id = create(workspace_id)
    due(schedule_id)

    assert (schedules_fire(), schedules_fire()) == (1, 0)
    work(FakeWorld())

    task = Task.objects.get()
    assert (task.goal, task.status, task.door, task.actor) == (
        "Write the report.",
        "succeeded",
        "schedule",
        "ada",
    )
    detail = shown(workspace_id, schedule_id)
    assert (detail["run_count"], detail["last_error"], detail["task_ids"]) == (
        1,
        "",
        [str(task.id)],
    )


def test_times_that_passed_are_made_up_for_once(workspace_id: str) -> None:
    schedule_id = create(workspace_id, every_s=60)
    Schedule.objects.update(next_at=ClockTimestamp() - timedelta(days=3))

    assert (schedules_fire(), schedules_fire()) == (1, 0)

    row = Schedule.objects.get(id=schedule_id)
    assert row.next_at is not None
    assert row.next_at > database_now()


def test_a_schedule_that_is_off_or_not_due_is_left_alone(workspace_id: str) -> None:
    create(workspace_id)
    off = create(workspace_id, enabled=False)
    due(off)

    assert schedules_fire() == 0


def test_once_is_once_also_when_its_name_is_changed_later(workspace_id: str) -> None:
    schedule_id = create(workspace_id, kind="once", every_s=None, at="2020-01-01T00:00Z")
    assert schedules_fire() == 1
    assert shown(workspace_id, schedule_id)["next_at"] is None

    schedule_update(workspace_id=workspace_id, schedule_id=schedule_id, name="Another name")

    assert schedules_fire() == 0
    assert Task.objects.count() == 1


def test_once_can_be_set_anew(workspace_id: str) -> None:
    schedule_id = create(workspace_id, kind="once", every_s=None, at="2020-01-01T00:00Z")
    schedules_fire()

    schedule_update(workspace_id=workspace_id, schedule_id=schedule_id, at="2021-01-01T00:00Z")

    assert schedules_fire() == 1
    assert Task.objects.count() == 2


def test_another_name_does_not_put_the_next_time_off(workspace_id: str) -> None:
    schedule_id = create(workspace_id, every_s=3600)
    soon = database_now() + timedelta(seconds=5)
    Schedule.objects.update(next_at=soon)

    schedule_update(workspace_id=workspace_id, schedule_id=schedule_id, name="Another name")

    assert Schedule.objects.get().next_at == soon


def test_a_submission_that_no_longer_fits_is_told_and_the_next_time_stays(
    workspace_id: str,
) -> None:
    make_agent(workspace_id, slug="ada")
    broken = create(workspace_id, submission={**GOAL, "agent": "ada"})
    fine = create(workspace_id)
    Agent.objects.update(enabled=False)
    due(broken)
    due(fine)

    assert schedules_fire() == 2

    assert Task.objects.count() == 1
    detail = shown(workspace_id, broken)
    assert (detail["last_error"], detail["run_count"]) == (
        "There is no agent 'ada' in service here.",
        0,
    )
    assert detail["next_at"] is not None


def test_a_schedule_can_be_run_besides_its_times(workspace_id: str) -> None:
    schedule_id = create(workspace_id)

    ids = {
        schedule_run(workspace_id=workspace_id, schedule_id=schedule_id, actor="bob")
        for _ in range(2)
    }

    assert {str(t.id) for t in Task.objects.all()} == ids
    assert len(ids) == 2


@requirement("http.tenancy")
def test_a_strangers_schedule_is_a_missing_one(workspace_id: str) -> None:
    schedule_id = create(workspace_id)
    other = make_tenant().workspace_id

    for wrong in (schedule_id, "00000000-0000-4000-8000-000000000000", "x", "\0"):
        for attempt in (
            lambda wrong=wrong: shown(other, wrong),
            lambda wrong=wrong: schedule_update(
                workspace_id=other, schedule_id=wrong, enabled=False
            ),
            lambda wrong=wrong: schedule_delete(workspace_id=other, schedule_id=wrong),
            lambda wrong=wrong: schedule_run(workspace_id=other, schedule_id=wrong, actor="eve"),
        ):
            with pytest.raises(ScheduleUnknown):
                attempt()

    assert schedule_list(workspace_id=other) == ([], None)
    assert len(schedule_list(workspace_id=workspace_id)[0]) == 1
    assert Schedule.objects.get().enabled
    schedule_delete(workspace_id=workspace_id, schedule_id=schedule_id)
    assert not Schedule.objects.exists()
