"""Goals that are submitted by the clock."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from celery.schedules import ParseException, crontab
from django.db import transaction

from cluster.core.errors import ClusterError, RequestInvalid, ScheduleUnknown
from cluster.core.submission import submission_read, text_problem
from cluster.models import Schedule
from cluster.selectors.spine import database_now
from cluster.services.journal import ClockTimestamp
from cluster.services.tasks import task_submit
from loomsite.access.ids import uuid_of

NAME_MAX = 200
INTERVAL_LEAST_S, INTERVAL_MOST_S = 1, 366 * 24 * 3600
AT_ONCE = 100
YEARS = (2000, 2999)
_TIMES = ("kind", "cron", "every_s", "at", "timezone")
_FIELDS = frozenset({"name", "kind", "cron", "every_s", "at", "timezone", "enabled", "submission"})


def schedule_create(*, workspace_id: str, actor: str, **raw: Any) -> str:  # noqa: ANN401
    """Create a schedule and return its id.

    The fields are `name`, `kind` (cron, interval, once), `cron` (five fields), `every_s`, `at`
    (ISO 8601), `timezone`, `enabled`, and `submission`: the body of a task's submission.

    Raises:
        RequestInvalid: A field cannot be used.
        TaskInvalid: The submission cannot become a task.
    """
    now = database_now()
    fields = _read(raw, now)
    row = Schedule.objects.create(workspace_id=workspace_id, actor=actor, **fields)
    return str(row.pk)


def schedule_update(*, workspace_id: str, schedule_id: str, **raw: Any) -> None:  # noqa: ANN401
    """Change a schedule; fields that are not given stay.

    Raises:
        ScheduleUnknown: There is none with this id here.
        RequestInvalid: A field cannot be used.
        TaskInvalid: The submission cannot become a task.
    """
    with transaction.atomic():
        row = _own(workspace_id, schedule_id)
        now = database_now()
        before = {
            "name": row.name,
            "kind": row.kind,
            "cron": row.cron or None,
            "every_s": row.every_s,
            "at": row.at,
            "timezone": row.timezone,
            "enabled": row.enabled,
            "submission": row.submission,
        }
        fields = _read({**before, **raw}, now)
        if all(fields[name] == getattr(row, name) for name in _TIMES):
            del fields["next_at"]  # nothing about the time was changed, so it stays
        for name, value in fields.items():
            setattr(row, name, value)
        row.save(update_fields=list(fields))


def schedule_delete(*, workspace_id: str, schedule_id: str) -> None:
    """Delete a schedule; the tasks it submitted stay.

    Raises:
        ScheduleUnknown: There is none with this id here.
    """
    with transaction.atomic():
        _own(workspace_id, schedule_id).delete()


def schedule_run(*, workspace_id: str, schedule_id: str, actor: str) -> str:
    """Submit a schedule's goal now, besides its times, and return the task's id.

    Raises:
        ScheduleUnknown: There is none with this id here.
        TaskInvalid: Its submission can no longer become a task.
    """
    with transaction.atomic():
        row = _own(workspace_id, schedule_id)
        task_id, _ = task_submit(
            workspace_id=workspace_id,
            actor=actor,
            door="schedule",
            schedule_id=schedule_id,
            **row.submission,
        )
    return task_id


def schedules_fire() -> int:
    """Submit the goals of all schedules that are due and return how many.

    A schedule's time is submitted once, whoever calls this how often: the row is locked, and the
    submission has an idempotency key made of the schedule and the time. Times that passed while
    nothing ran are made up for once, not each.
    """
    fired = 0
    for _ in range(AT_ONCE):
        with transaction.atomic():
            row = (
                Schedule.objects.select_for_update(skip_locked=True)
                .filter(enabled=True, next_at__lte=ClockTimestamp())
                .order_by("next_at", "id")
                .first()
            )
            if row is None:
                return fired
            _fire(row)
            fired += 1
    return fired


def _fire(row: Schedule) -> None:
    assert row.next_at is not None  # the query asked for it
    now = database_now()
    due = row.next_at
    try:
        with transaction.atomic():
            task_submit(
                workspace_id=str(row.workspace_id),
                actor=row.actor or "schedule",
                door="schedule",
                schedule_id=str(row.pk),
                **{
                    **row.submission,
                    "idempotency_key": f"schedule:{row.pk}:{due.isoformat()}",
                },
            )
    except ClusterError as error:
        row.last_error = str(error)
    else:
        row.last_error = ""
        row.run_count += 1
    row.last_at = now
    row.next_at = _next_at(
        row.kind, cron=row.cron, every_s=row.every_s, at=None, zone=row.timezone, now=now, last=due
    )
    row.save(update_fields=["last_error", "run_count", "last_at", "next_at"])


def _read(raw: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    unknown = sorted(set(raw) - _FIELDS)
    if unknown:
        raise RequestInvalid(
            f"Unknown field {unknown[0]!r}. Known are: {', '.join(sorted(_FIELDS))}.",
            field=unknown[0],
        )
    kind = str(raw.get("kind"))
    if kind not in Schedule.Kind.values:
        raise RequestInvalid(f"kind must be cron, interval or once, not {kind!r}.", field="kind")
    enabled = raw.get("enabled", True)
    if not isinstance(enabled, bool):
        raise RequestInvalid("enabled must be true or false.", field="enabled")
    zone = _zone(raw.get("timezone") or "UTC")
    submission = _submission(raw.get("submission"))
    cron = _cron(raw.get("cron"), kind)
    every_s = _every_s(raw.get("every_s"), kind)
    at = _at(raw.get("at"), kind, zone)
    return {
        "name": _name(raw.get("name"), submission["goal"]),
        "kind": kind,
        "cron": cron,
        "every_s": every_s,
        "at": at,
        "timezone": zone,
        "enabled": enabled,
        "submission": submission,
        "next_at": _next_at(kind, cron=cron, every_s=every_s, at=at, zone=zone, now=now, last=now),
    }


def _submission(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestInvalid(
            "submission must be an object with at least a `goal`.", field="submission"
        )
    submission_read(value)
    if value.get("idempotency_key"):
        raise RequestInvalid(
            "A schedule's submission takes no idempotency_key: each time has one of its own.",
            field="submission",
        )
    return dict(value)


def _name(value: object, goal: str) -> str:
    name = goal.strip()[:80] if value in (None, "") else value
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_MAX or text_problem(name):
        raise RequestInvalid(f"name must be a line of at most {NAME_MAX} characters.", field="name")
    return name.strip()


def _zone(value: object) -> str:
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RequestInvalid(
            f"timezone {value!r} is not known: use a name such as Europe/Berlin or UTC.",
            field="timezone",
        ) from None
    return str(value)


def _cron(value: object, kind: str) -> str:
    if kind != Schedule.Kind.CRON:
        if value:
            raise RequestInvalid("cron goes with kind cron only.", field="cron")
        return ""
    if not isinstance(value, str) or len(value.split()) != 5:  # noqa: PLR2004 -- cron's fields
        raise RequestInvalid(
            "cron must have five fields, minute hour day month weekday, such as '0 7 * * 1'.",
            field="cron",
        )
    try:
        _crontab(value)
    except (ParseException, ValueError) as error:
        raise RequestInvalid(f"cron {value!r} cannot be read: {error}.", field="cron") from None
    return " ".join(value.split())


def _every_s(value: object, kind: str) -> int | None:
    if kind != Schedule.Kind.INTERVAL:
        if value is not None:
            raise RequestInvalid("every_s goes with kind interval only.", field="every_s")
        return None
    seconds = value if isinstance(value, int) and not isinstance(value, bool) else 0
    if not INTERVAL_LEAST_S <= seconds <= INTERVAL_MOST_S:
        raise RequestInvalid(
            f"every_s must be a whole number of seconds from {INTERVAL_LEAST_S} to "
            f"{INTERVAL_MOST_S}, not {value!r}.",
            field="every_s",
        )
    return seconds


def _at(value: object, kind: str, zone: str) -> datetime | None:
    if kind != Schedule.Kind.ONCE:
        if value is not None:
            raise RequestInvalid("at goes with kind once only.", field="at")
        return None
    problem = "at must be a time such as 2030-01-31T07:00:00+00:00"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise RequestInvalid(f"{problem}, not {value!r}.", field="at") from None
    if not isinstance(value, datetime):
        raise RequestInvalid(f"{problem}.", field="at")
    if not YEARS[0] <= value.year <= YEARS[1]:
        raise RequestInvalid(f"{problem}, in a year from {YEARS[0]} to {YEARS[1]}.", field="at")
    return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))


def _next_at(
    kind: str,
    *,
    cron: str,
    every_s: int | None,
    at: datetime | None,
    zone: str,
    now: datetime,
    last: datetime,
) -> datetime | None:
    """Return when a schedule is due next; None when it never is again."""
    if kind == Schedule.Kind.ONCE:
        return at
    if kind == Schedule.Kind.INTERVAL:
        assert every_s is not None  # the kind has one
        following = last + timedelta(seconds=every_s)
        return following if following > now else now + timedelta(seconds=every_s)
    return _next_cron(cron, ZoneInfo(zone), now)


def schedule_times(row: Schedule, *, count: int = 5) -> list[datetime]:
    """Return when a schedule fires next, `count` times at most; none while it is off."""
    if not row.enabled or row.next_at is None:
        return []
    times = [row.next_at]
    while row.kind != Schedule.Kind.ONCE and len(times) < count:
        following = _next_at(
            row.kind,
            cron=row.cron,
            every_s=row.every_s,
            at=row.at,
            zone=row.timezone,
            now=times[-1],
            last=times[-1],
        )
        if following is None or following <= times[-1]:
            break
        times.append(following)
    return times


def _next_cron(cron: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Return when a cron is due next by the clock of a zone.

    Where that clock is put back, the time after 02:59 may be one that is over: look an hour on.
    """
    here = now.astimezone(zone)
    while True:
        start, step, _ = _crontab(cron, here).remaining_delta(here, tz=zone)
        following = (start + step).astimezone(UTC)
        if following > now:
            return following
        here = (here.astimezone(UTC) + timedelta(hours=1)).astimezone(zone)


def _crontab(cron: str, now: datetime | None = None) -> crontab:
    minute, hour, day, month, weekday = cron.split()
    return crontab(
        minute=minute,
        hour=hour,
        day_of_month=day,
        month_of_year=month,
        day_of_week=weekday,
        nowfun=(lambda: now) if now else None,
    )


def _own(workspace_id: str, schedule_id: str) -> Schedule:
    row = (
        Schedule.objects.select_for_update()
        .filter(workspace_id=workspace_id, id=uuid_of(schedule_id))
        .first()
    )
    if row is None:
        raise ScheduleUnknown(f"There is no schedule {schedule_id!r}.", field="schedule_id")
    return row
