"""Schedules as doors show them."""

from typing import Any

from cluster.core.errors import ScheduleUnknown
from cluster.models import Schedule, Task
from loomsite.access.ids import uuid_of
from loomsite.access.paging import page_by_time


def schedule_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of schedules, newest first, and the cursor of the next."""
    rows = Schedule.objects.filter(workspace_id=workspace_id)
    return page_by_time(rows, "created_at", _shown, cursor=cursor, limit=limit)


def schedule_detail(*, workspace_id: str, schedule_id: str) -> dict[str, Any]:
    """Return a schedule with the ids of the tasks it submitted last.

    Raises:
        ScheduleUnknown: There is none with this id here.
    """
    row = Schedule.objects.filter(workspace_id=workspace_id, id=uuid_of(schedule_id)).first()
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
