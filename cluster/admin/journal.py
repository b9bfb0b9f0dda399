"""Pages of the journal of tasks: what happened, in which phase, who held which slot."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin
from cluster.models import Assignment, Event, PhaseRecord, TaskEdge
from loomsite.access.admin.display import ago, badge, cut, row, span, task_link


@admin.register(TaskEdge)
class TaskEdgeAdmin(ClusterAdmin):
    workspace_path = "successor__workspace"
    called = "{row.predecessor.goal:.40} → {row.successor.goal:.40}"
    list_display = ("__str__", "before", "after")
    id_fields = ("predecessor_id", "successor_id")
    ordering = ("-id",)
    empty = "When a task is split, its parts wait for one another along edges."

    @display(description="first")
    def before(self, edge: TaskEdge) -> SafeString | str:
        return task_link(edge.predecessor_id)

    @display(description="then")
    def after(self, edge: TaskEdge) -> SafeString | str:
        return task_link(edge.successor_id)


class _OfTask(ClusterAdmin):
    """Rows that belong to a task."""

    workspace_path = "task__workspace"
    id_fields = ("task_id",)
    ordering = ("-id",)

    @display(description="task")
    def of(self, row: Any) -> SafeString | str:
        return task_link(row.task_id)


@admin.register(PhaseRecord)
class PhaseRecordAdmin(_OfTask):
    called = "{row.phase} of cycle {row.cycle}: {row.task.goal}"
    list_display = ("of", "cycle", "phase", "lasted", ago("ended_at"))
    list_display_links = ("phase",)
    list_filter = ("phase",)
    defer = ("inputs", "result")
    empty = "Each phase of each cycle is recorded once, with what it was given and concluded."

    @display(description="lasted")
    def lasted(self, record: PhaseRecord) -> str:
        return span((record.ended_at - record.started_at).total_seconds())


@admin.register(Event)
class EventAdmin(_OfTask):
    called = "{row.seq} {row.type}: {row.task.goal}"
    list_display = ("of", "seq", "type", "said", ago("at"))
    list_display_links = ("type",)
    empty = "What happens to tasks is written here, in order and without gaps."

    @display(description="data")
    def said(self, event: Event) -> str:
        return cut(", ".join(f"{key}={value}" for key, value in event.data.items()), 90)


@admin.register(Assignment)
class AssignmentAdmin(_OfTask):
    called = "{row.node.agent} in cycle {row.cycle}: {row.task.goal}"
    list_display = (
        "of", "cycle", row("node__agent", "agent"),
        badge("state", {"active": "info"}), ago("started_at"), ago("released_at"),
    )  # fmt: skip
    list_display_links = ("cycle",)
    list_select_related = ("node__agent",)
    list_filter = ("state",)
    empty = "A node's slot is held here for each cycle it works on."
