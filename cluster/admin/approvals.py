"""Questions to people: a page of each, and the inbox of all that waits for a person."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents.models import Approval, Tool
from agents.services.approvals import asked_arguments
from cluster.admin import inbox
from cluster.admin.base import ClusterAdmin
from cluster.models import Task
from cluster.services.replies import task_reply
from loomsite.access.admin import once
from loomsite.access.admin.buttons import DOOR, RowAction, back_of, reason_of
from loomsite.access.admin.diff import changes
from loomsite.access.admin.display import ago, badge, cut, json_text, short, task_link
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.reach import OPERATOR, actor_of


@admin.register(Approval)
class ApprovalAdmin(ClusterAdmin):
    """Questions to people; an answer goes to the task that waits for it."""

    called = "{row.question}"
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
            audited=False,  # its reason is the answer's text
        ),
    )  # fmt: skip
    row_pages = (
        ExtraPage(name="edit", label="Change the call", icon="edit", view="edit_view",
                  role=OPERATOR, tab=False),
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
        can_edit = bool(buttons) and inbox.editable(obj)
        asked = asked_arguments(obj)
        return {
            "row_actions": [],
            "can_answer": bool(buttons),
            "waiting_task": task,
            "edit_url": self.extra_url("edit", obj) if can_edit else "",
            "edited": changes(asked if isinstance(asked, dict) else {}, obj.edited or {})
            if obj.edited is not None
            else None,
            **inbox.asked(obj.detail),
        }

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
        said, decision = request.POST.get("text") or None, request.POST.get("decision") or None
        _reply(request, approval, text=said, decision=decision)
        why = cut(said, 500) if approval.options and said else ""
        self.audit(request, approval, "answer", reason=why, decision=decision or "")
        return "Answered. The task goes on."

    # ------------------------------------------------------------ changing a call

    def edit_view(self, request: HttpRequest, approval: Any) -> HttpResponse:
        """Take other arguments for a tool call, with a reason, and approve it with them."""
        back = back_of(request) or self.page_url_of(approval)
        if approval.status != Approval.Status.OPEN or not inbox.editable(approval):
            return self.page(
                request, "approval_edit", "Change the call", row=approval, is_over=True, back=back
            )
        asked = json_text(asked_arguments(approval))
        typed, reason = request.POST.get("arguments", asked), reason_of(request)
        faults: list[str] = []
        if request.method == "POST":
            faults = self._edit(request, approval, typed, reason)
            if not faults:
                return HttpResponseRedirect(back)
        tools = Tool.objects.filter(workspace_id=approval.workspace_id)
        tool = tools.filter(name=approval.detail["tool"]).first()
        return self.page(
            request,
            "approval_edit",
            f"Change the call of {approval.detail['tool']}",
            row=approval,
            tool=tool,
            schema=json_text(tool.parameters) if tool else "",
            asked=asked,
            typed=typed,
            reason=reason,
            faults=faults,
            back=back,
        )

    def _edit(self, request: HttpRequest, approval: Any, typed: str, reason: str) -> list[str]:
        """Approve the call as it was typed; return what is wrong with that."""
        if not reason:
            return ["Say why: changing a call is written to the audit."]
        try:
            arguments = json.loads(typed)
        except (ValueError, RecursionError) as error:
            return [f"It is not JSON: {cut(error, 200)}."]
        approving = (each for each in approval.options if each in Approval.APPROVING)
        try:
            with transaction.atomic():
                once.spend(request, workspace_id=approval.workspace_id, target=approval.pk)
                _reply(
                    request, approval, text=reason, decision=next(approving),
                    arguments="" if arguments is None else arguments,
                )  # fmt: skip
        except once.SentBefore as before:
            messages.warning(request, str(before))
        except self.refusals as error:
            return [str(error)]
        else:
            messages.success(request, "Approved as you changed it. The task goes on.")
        return []


def _reply(request: HttpRequest, approval: Any, **said: Any) -> None:
    task_reply(
        workspace_id=str(approval.workspace_id),
        task_id=str(approval.task_id),
        actor=actor_of(request),
        request_id=str(approval.pk),
        door=DOOR,
        **said,
    )
