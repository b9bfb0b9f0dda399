"""Schedules as doors show them."""

from typing import Any
from uuid import UUID

from cluster.core.errors import ScheduleUnknown
from cluster.models import Schedule, Task


def schedule_list(
    *, workspace_id: str, after: str | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Return schedules by id; `after` is the last id of the page before."""
    rows = Schedule.objects.filter(workspace_id=workspace_id).order_by("id")
    if after:
        rows = rows.filter(id__gt=after)
    return [_shown(row) for row in rows[:limit]]


def schedule_detail(*, workspace_id: str, schedule_id: str) -> dict[str, Any]:
    """Return a schedule with the ids of the tasks it submitted last.

    Raises:
        ScheduleUnknown: There is none with this id here.
    """
    try:
        wanted = UUID(str(schedule_id))
    except ValueError:
        wanted = None
    row = Schedule.objects.filter(workspace_id=workspace_id, id=wanted).first()
    if row is None:
        raise ScheduleUnknown(f"There is no schedule {schedule_id!r}.", field="schedule_id")
    recent = (
        Task.objects.filter(schedule=row).order_by("-created_at").values_list("id", flat=True)[:20]
    )
    return {**_shown(row), "task_ids": [str(pk) for pk in recent]}


def _shown(row: Schedule) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "kind": row.kind,
        "cron": row.cron or None,
        "every_s": row.every_s,
        "at": row.at.isoformat() if row.at else None,
        "timezone": row.timezone,
        "enabled": row.enabled,
        "submission": row.submission,
        "next_at": row.next_at.isoformat() if row.next_at else None,
        "last_at": row.last_at.isoformat() if row.last_at else None,
        "last_error": row.last_error,
        "run_count": row.run_count,
        "created_at": row.created_at.isoformat(),
    }
