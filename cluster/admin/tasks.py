"""Pages of tasks: submit one, follow it, and act on it."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from cluster.admin import task_export, task_page
from cluster.admin.base import STATUS, ClusterAdmin
from cluster.admin.task_filters import OutcomeFilter, PhaseFilter, StatusFilter
from cluster.admin.task_forms import SUBMISSION_FIELDSETS, TaskForm
from cluster.admin.task_parts import PARTS, TaskParts
from cluster.core.types import FINAL, Phase
from cluster.models import Assignment, Task
from cluster.services.reauction import task_reauction
from cluster.services.replies import task_reply
from cluster.services.tasks import task_cancel, task_feedback, task_retry
from loomsite.access.admin.bulk import bulk
from loomsite.access.admin.buttons import RowAction, reason_of
from loomsite.access.admin.display import (
    EMPTY,
    ago,
    badge,
    cut,
    short,
    span,
    usd,
)
from loomsite.access.admin.reach import OPERATOR, actor_of

_LIVE_S = 2


def _is_over(task: Task) -> bool:
    return task.status in FINAL


def _has_winner(task: Task) -> bool:
    """Tell whether an agent that others were chosen before may still be let go."""
    open_ = not _is_over(task) and task.cancel_requested_at is None
    return open_ and task.agent_id is None and task.phase in {Phase.SCALE, Phase.EXECUTE}


@admin.register(Task)
class TaskAdmin(TaskParts, ClusterAdmin):
    called = "{row.goal}"
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
    list_filter = (("status", StatusFilter), ("outcome", OutcomeFilter), ("phase", PhaseFilter))
    ready_filters = (
        ("Running", "status__exact=running"),
        ("Waiting for a person", "status__exact=input_required"),
        ("Failed", "status__exact=failed"),
        ("Over budget", "outcome__exact=over_budget"),
    )
    parts = PARTS
    search_fields = ("goal",)
    search_window = 5_000
    search_help_text = "A task's id, or words of a goal among the newest 5,000"
    id_fields = ("id", "root_id")
    defer = ("context", "answer", "citations", "metadata", "checks", "error_message")
    list_fullwidth = True
    list_per_page = 25
    actions = ("cancel_tasks", "retry_tasks", "reauction_tasks", "export_tasks")
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
            name="reauction", label="Re-auction", icon="gavel", run="reauction", reason=True,
            when=_has_winner,
        ),
        RowAction(
            name="reply", label="Answer", icon="reply", run="reply",
            when=lambda task: task.status == "input_required",
            audited=False,  # its reason is the answer's text
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
        was, cycle = request.GET.get("was"), request.GET.get("cycle")
        if live and (was not in (None, task.status) or cycle not in (None, str(task.cycle))):
            # Forms come and go with the status, and a new cycle has new parts: load the page anew.
            return HttpResponse(headers={"HX-Refresh": "true"})
        buttons = {action.name: action for action in self.actions_for(request, task)}
        context = {
            **task_page.page(task, timezone.now()),
            "opts": self.opts,
            "original": task,
            "buttons": buttons,
            "row_actions": [buttons[n] for n in ("cancel", "retry", "reauction") if n in buttons],
            "reply_url": self.button_url(task, "reply"),
            "live_s": _LIVE_S,
        }
        if live:
            return TemplateResponse(request, "loom/admin/task_live.html", context)
        context |= {**self.admin_site.each_context(request), "title": cut(task.goal, 80)}
        context["has_view_permission"] = True
        return TemplateResponse(request, "loom/admin/task.html", context)

    def held(self, row: Any) -> Any:
        """Return the task as it is now: the services lock it themselves, after its parent."""
        return Task.objects.filter(pk=row.pk).first()

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
            reason=reason_of(request),
        )
        return "It stops, and all below it." if stopped else "It had ended already."

    def retry(self, request: HttpRequest, task: Task) -> str:
        task_retry(
            workspace_id=str(task.workspace_id), task_id=str(task.pk), actor=actor_of(request)
        )
        return "It has one more cycle; what it learned is kept."

    def reauction(self, request: HttpRequest, task: Task) -> str:
        task_reauction(
            workspace_id=str(task.workspace_id),
            task_id=str(task.pk),
            actor=actor_of(request),
            reason=reason_of(request),
        )
        return "Its agent is let go; the others bid for it in a new cycle."

    def reply(self, request: HttpRequest, task: Task) -> str:
        said, decision = request.POST.get("text") or None, request.POST.get("decision") or None
        task_reply(
            workspace_id=str(task.workspace_id),
            task_id=str(task.pk),
            actor=actor_of(request),
            request_id=request.POST.get("request_id") or None,
            text=said,
            decision=decision,
        )
        why = cut(said, 500) if decision and said else ""
        self.audit(request, task, "reply", reason=why, decision=decision or "")
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
    def cancel_tasks(self, request: HttpRequest, rows: Any) -> HttpResponse | None:
        return bulk(self, request, rows, name="cancel", do=lambda row: self.cancel(request, row))

    @admin.action(description="Retry the selected tasks", permissions=["operate"])
    def retry_tasks(self, request: HttpRequest, rows: Any) -> HttpResponse | None:
        return bulk(self, request, rows, name="retry", do=lambda row: self.retry(request, row))

    @admin.action(description="Auction the selected tasks anew", permissions=["operate"])
    def reauction_tasks(self, request: HttpRequest, rows: Any) -> HttpResponse | None:
        return bulk(
            self, request, rows, name="reauction", do=lambda row: self.reauction(request, row)
        )

    @admin.action(description="Export the selected tasks as CSV", permissions=["view"])
    def export_tasks(self, request: HttpRequest, rows: Any) -> HttpResponse:  # noqa: ARG002 -- Django's
        return task_export.csv_response(rows)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return self.may(request, OPERATOR, None)
