"""Workers: those that live, with what they do, and those that are gone."""

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin
from cluster.models import Task, Worker
from cluster.selectors.pulse import WORKER_GONE_AFTER
from loomsite.access.admin.display import ago, span
from loomsite.access.admin.reach import VIEWER, reach_of

_TASKS_SHOWN: Final = 100


@admin.register(Worker)
class WorkerAdmin(ClusterAdmin):
    """Workers serve all workspaces, so every member may see that they live."""

    workspace_path = None
    shared = True
    live_s = 3
    list_display = (
        "name", "health", "in_flight", ago("seen_at", "heartbeat"), "lived", ago("started_at"),
        ago("stopped_at"),
    )  # fmt: skip
    search_fields = ("name",)
    change_form_template = "loom/admin/worker.html"
    empty = "No worker has ever been seen. Start one with `make up`."

    @display(description="health", label={"alive": "success", "stopped": "", "gone": "danger"})
    def health(self, worker: Worker) -> str:
        if worker.stopped_at is not None:
            return "stopped"
        return "gone" if timezone.now() - worker.seen_at > WORKER_GONE_AFTER else "alive"

    @display(description="in flight")
    def in_flight(self, worker: Worker) -> str:
        return f"{worker.running} of {worker.slots} slots"

    @display(description="up for")
    def lived(self, worker: Worker) -> str:
        until = worker.stopped_at or worker.seen_at
        return span(max((until - worker.started_at).total_seconds(), 0))

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        rows = Task.objects.filter(
            finished_at__isnull=True, status="running", claimed_by=obj.name
        ).only("goal", "status", "phase", "started_at")
        ids = reach_of(request).workspace_ids(VIEWER)
        rows = rows if ids is None else rows.filter(workspace_id__in=ids)
        return {
            "health": self.health(obj),
            "tasks": rows.order_by("-started_at", "pk")[:_TASKS_SHOWN],
        }
