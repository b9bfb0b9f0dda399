"""Pages of tasks: submit one, follow it, and act on it."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents.models import Approval
from cluster.admin import task_page
from cluster.admin.base import REFUSALS, STATUS, ClusterAdmin
from cluster.admin.task_forms import SUBMISSION_FIELDSETS, TaskForm
from cluster.core.types import FINAL
from cluster.models import Assignment, Event, PhaseRecord, Task, TaskEdge
from cluster.services.tasks import task_cancel, task_feedback, task_reply, task_retry
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import (
    EMPTY,
    ago,
    badge,
    cut,
    row,
    short,
    span,
    task_link,
    usd,
)
from loomsite.access.admin.reach import OPERATOR, actor_of

_LIVE_S = 2


def _is_over(task: Task) -> bool:
    return task.status in FINAL


@admin.register(Task)
class TaskAdmin(ClusterAdmin):
    adds = OPERATOR
    add_form = TaskForm
    add_label = "Submit a task"
    list_display = (
        short("goal", chars=90),
        badge("status", STATUS),
        "doing",
        "by",
        "scored",
        usd("cost_usd"),
        "took",
        ago("created_at", "age"),
    )
    list_select_related = ("agent",)
    list_filter = ("status", "outcome", "phase", "door")
    search_fields = ("goal",)
    search_window = 5_000
    search_help_text = "A task's id, or words of a goal among the newest 5,000"
    id_fields = ("id", "root_id")
    defer = ("context", "answer", "citations", "metadata", "checks", "error_message")
    list_fullwidth = True
    actions = ("cancel_tasks", "retry_tasks")
    add_fieldsets = (
        (None, {"fields": ("goal", "idempotency_key")}),
        *SUBMISSION_FIELDSETS,
    )
    row_actions = (
        RowAction(
            name="cancel", label="Cancel", icon="cancel", run="cancel", danger=True, reason=True,
            when=lambda task: not _is_over(task),
        ),
        RowAction(
            name="retry", label="Retry", icon="replay", run="retry",
            when=lambda task: _is_over(task) and task.status != "succeeded" and not task.parent_id,
        ),
        RowAction(
            name="reply", label="Answer", icon="reply", run="reply",
            when=lambda task: task.status == "input_required",
        ),
        RowAction(
            name="feedback", label="Rate", icon="thumbs_up_down", run="feedback", when=_is_over,
        ),
    )  # fmt: skip
    empty = "Say what is to be done: agents bid for it, and you can watch each phase."

    @display(description="phase")
    def doing(self, task: Task) -> SafeString | str:
        if task.status in FINAL:
            return task.outcome.replace("_", " ") if task.outcome else EMPTY
        parts = f" {task.progress_done}/{task.progress_total}" if task.progress_total else ""
        said = cut(task.progress_message, 40)
        return format_html(
            '{}{} <span class="lm-faint">{}</span>', (task.phase or EMPTY).upper(), parts, said
        )

    @display(description="score")
    def scored(self, task: Task) -> str:
        return EMPTY if task.score is None else f"{task.score:.2f}"

    @display(description="took")
    def took(self, task: Task) -> str:
        if task.started_at is None:
            return EMPTY
        return span(((task.finished_at or timezone.now()) - task.started_at).total_seconds())

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        if not self._is_list(request):
            return rows
        latest = Assignment.objects.filter(task=OuterRef("pk")).order_by("-cycle")
        return rows.annotate(worker_slug=Subquery(latest.values("node__agent__slug")[:1]))

    @display(description="agent")
    def by(self, task: Any) -> str:
        return task.worker_slug or (task.agent.slug if task.agent else EMPTY)

    # ------------------------------------------------------------ the page

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 -- Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 -- Django's signature
    ) -> HttpResponse:
        """Show a task; a request of HTMX gets the part that moves."""
        task = self.row_or_404(request, object_id)
        live = request.headers.get("HX-Request") == "true"
        if live and request.GET.get("was") not in (None, task.status):
            # Forms come and go with the status: the page is loaded anew.
            return HttpResponse(headers={"HX-Refresh": "true"})
        buttons = {action.name: action for action in self.actions_for(request, task)}
        context = {
            **task_page.page(task, timezone.now()),
            "opts": self.opts,
            "original": task,
            "buttons": buttons,
            "row_actions": [buttons[n] for n in ("cancel", "retry") if n in buttons],
            "reply_url": self.button_url(task, "reply"),
            "live_s": _LIVE_S,
        }
        if live:
            return TemplateResponse(request, "loom/admin/task_live.html", context)
        context |= {**self.admin_site.each_context(request), "title": cut(task.goal, 80)}
        context["has_view_permission"] = True
        return TemplateResponse(request, "loom/admin/task.html", context)

    def response_add(
        self,
        request: HttpRequest,
        obj: Any,
        post_url_continue: str | None = None,  # noqa: ARG002 -- Django's
    ) -> HttpResponse:
        messages.success(request, "Submitted. This page follows it.")
        return HttpResponseRedirect(self.page_url(obj))

    # ------------------------------------------------------------ what people do to it

    def cancel(self, request: HttpRequest, task: Task) -> str:
        stopped = task_cancel(
            workspace_id=str(task.workspace_id),
            task_id=str(task.pk),
            actor=actor_of(request),
            reason=request.POST.get("reason", ""),
        )
        return "It stops, and all below it." if stopped else "It had ended already."

    def retry(self, request: HttpRequest, task: Task) -> str:
        task_retry(
            workspace_id=str(task.workspace_id), task_id=str(task.pk), actor=actor_of(request)
        )
        return "It has one more cycle; what it learned is kept."

    def reply(self, request: HttpRequest, task: Task) -> str:
        task_reply(
            workspace_id=str(task.workspace_id),
            task_id=str(task.pk),
            actor=actor_of(request),
            request_id=request.POST.get("request_id") or None,
            text=request.POST.get("text") or None,
            decision=request.POST.get("decision") or None,
        )
        return "Answered. The task goes on."

    def feedback(self, request: HttpRequest, task: Task) -> str:
        raw = request.POST.get("score", "")
        try:
            score: object = float(raw)
        except ValueError:
            score = raw
        task_feedback(
            workspace_id=str(task.workspace_id),
            task_id=str(task.pk),
            score=score,
            actor=actor_of(request),
            comment=request.POST.get("comment", ""),
        )
        return "Thank you. The market has learned from it."

    @admin.action(description="Cancel the selected tasks", permissions=["operate"])
    def cancel_tasks(self, request: HttpRequest, rows: Any) -> None:
        self._each(request, rows, "cancel")

    @admin.action(description="Retry the selected tasks", permissions=["operate"])
    def retry_tasks(self, request: HttpRequest, rows: Any) -> None:
        self._each(request, rows, "retry")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return self.may(request, OPERATOR, None)

    def _each(self, request: HttpRequest, rows: Any, name: str) -> None:
        """Do to each row what the button of that name does; those it does not fit stay."""
        action = next(each for each in self.row_actions if each.name == name)
        done = left = 0
        for task in rows:
            if not (self.may(request, action.role, task) and action.when(task)):
                left += 1
                continue
            try:
                with transaction.atomic():
                    getattr(self, action.run)(request, task)
                    self.audit(request, task, name)
                done += 1
            except REFUSALS as error:
                left += 1
                messages.error(request, f"{cut(task.goal, 40)}: {error}")
        messages.success(request, f"{action.label}: {done} done, {left} left as they were.")


# ---------------------------------------------------------------- the journal of tasks


@admin.register(TaskEdge)
class TaskEdgeAdmin(ClusterAdmin):
    workspace_path = "successor__workspace"
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
    list_display = ("of", "seq", "type", "said", ago("at"))
    list_display_links = ("type",)
    empty = "What happens to tasks is written here, in order and without gaps."

    @display(description="data")
    def said(self, event: Event) -> str:
        return cut(", ".join(f"{key}={value}" for key, value in event.data.items()), 90)


@admin.register(Assignment)
class AssignmentAdmin(_OfTask):
    list_display = (
        "of", "cycle", row("node__agent", "agent"),
        badge("state", {"active": "info"}), ago("started_at"), ago("released_at"),
    )  # fmt: skip
    list_display_links = ("cycle",)
    list_select_related = ("node__agent",)
    list_filter = ("state",)
    empty = "A node's slot is held here for each cycle it works on."


@admin.register(Approval)
class ApprovalAdmin(ClusterAdmin):
    """Questions to people; an answer goes to the task that waits for it."""

    list_display = (
        short("question", chars=90),
        badge("kind", {"approval": "warning", "unknown_effect": "danger", "question": "info"}),
        badge("status", {"open": "warning", "answered": "success"}),
        "decision",
        "answered_by",
        "waits",
        ago("created_at"),
    )
    list_filter = ("status", "kind")
    search_fields = ("question",)
    search_window = 5_000
    id_fields = ("id", "task_id", "run_id")
    defer = ("detail", "text")
    change_form_template = "loom/admin/approval.html"
    detail_fields = (
        "question", "kind", "status", "options", "detail", "decision", "text", "answered_by",
        "answered_at", "created_at",
    )  # fmt: skip
    row_actions = (
        RowAction(
            name="answer", label="Answer", icon="reply", run="answer",
            when=lambda approval: approval.status == Approval.Status.OPEN,
        ),
    )  # fmt: skip
    empty = "When an agent asks something, or wants to do what needs a yes, it waits here."

    @display(description="task")
    def waits(self, approval: Approval) -> SafeString | str:
        return task_link(approval.task_id)

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        buttons = self.actions_for(request, obj)
        task = Task.objects.filter(pk=obj.task_id, workspace_id=obj.workspace_id).first()
        return {"row_actions": [], "can_answer": bool(buttons), "waiting_task": task}

    def answer(self, request: HttpRequest, approval: Any) -> str:
        task_reply(
            workspace_id=str(approval.workspace_id),
            task_id=str(approval.task_id),
            actor=actor_of(request),
            request_id=str(approval.pk),
            text=request.POST.get("text") or None,
            decision=request.POST.get("decision") or None,
        )
        return "Answered. The task goes on."
