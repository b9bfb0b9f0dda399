"""How the cluster is: what waits, what runs, who works."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, Sum

from cluster.core.types import Status
from cluster.models import Task, Worker
from cluster.selectors.spine import database_now

VANISHED_AFTER = timedelta(minutes=1)


def cluster_status(*, workspace_id: str | None = None) -> dict[str, Any]:
    """Return tasks by status, of one workspace or of all, and the workers that live."""
    tasks = Task.objects.all()
    if workspace_id is not None:
        tasks = tasks.filter(workspace_id=workspace_id)
    counted = dict(tasks.values_list("status").annotate(n=Count("id")).order_by())
    living = Worker.objects.filter(
        stopped_at__isnull=True, seen_at__gte=database_now() - VANISHED_AFTER
    )
    workers = living.aggregate(n=Count("id"), slots=Sum("slots"), running=Sum("running"))
    return {
        "tasks": {status.value: counted.get(status.value, 0) for status in Status},
        "workers": workers["n"],
        "slots": workers["slots"] or 0,
        "running": workers["running"] or 0,
    }
