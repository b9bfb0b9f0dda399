"""Questions to people: a page of each, and the inbox of all that waits for a person."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents.models import Approval
from cluster.admin import inbox
from cluster.admin.base import ClusterAdmin
from cluster.models import Task
from cluster.services.tasks import task_reply
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import ago, badge, short, task_link
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.reach import actor_of


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
    list_pages = (ExtraPage(name="inbox", label="Inbox", icon="inbox", view="inbox_page"),)
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

    def held(self, row: Any) -> Any:
        """Return the question as it is now: the service locks it, after its task."""
        return Approval.objects.filter(pk=row.pk).first()

    def inbox_page(self, request: HttpRequest) -> HttpResponse:
        """Show everything that waits for a person."""
        return self.page(
            request,
            "inbox",
            "Inbox",
            asked=inbox.questions(self, request),
            groups=inbox.drafts(request),
            inbox_url=self.extra_url("inbox"),
            all_url=reverse("admin:agents_approval_changelist"),
        )

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
