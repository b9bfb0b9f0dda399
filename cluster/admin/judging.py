"""Pages of the judge: answers of known worth, its audits, and how far it is believed."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import display

from cluster import wiring
from cluster.admin.base import ClusterAdmin, ClusterForm
from cluster.models import CalibrationCase, JudgeAudit, JudgeGrade
from cluster.selectors import judging
from cluster.services import calibration
from loomsite.access.admin import fields
from loomsite.access.admin.display import ago, number, row, short
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.reach import OPERATOR, actor_of, reach_of
from loomsite.access.admin.workspaces import chosen_workspace, workspaces_of
from loomsite.access.services import audit_write

_AUDITS = 10


class CaseForm(ClusterForm):
    """An answer that people know the worth of."""

    goal = fields.area("Goal", required=True, rows=3)
    answer = fields.area("Answer", required=True, rows=6)
    score = fields.number("What it is worth", required=True, help_text="From 0 to 1.")
    note = fields.area("Why", rows=2, help_text="For people; the judge never sees it.")

    class Meta:
        model = CalibrationCase
        fields = ("workspace", "enabled")

    def write(self) -> object:
        given = self.cleaned_data
        if self.instance._state.adding:  # noqa: SLF001 -- Django's public hook
            return calibration.case_add(
                workspace_id=self.workspace_id,
                goal=given["goal"],
                answer=given["answer"],
                score=given["score"],
                note=given["note"],
                actor=self.actor,
            )
        changed = {name: given[name] for name in self.changed_data if name in given}
        calibration.case_update(
            workspace_id=self.workspace_id, case_id=str(self.instance.pk), **changed
        )
        return self.instance.pk


@admin.register(CalibrationCase)
class CalibrationCaseAdmin(ClusterAdmin):
    adds = changes = deletes = OPERATOR
    add_form = change_form = CaseForm
    list_display = (
        short("goal"), short("answer"), number("score"), "enabled", "created_by",
        ago("created_at"),
    )  # fmt: skip
    list_filter = ("enabled",)
    search_fields = ("goal", "note")
    search_window = 5_000
    add_fieldsets = ((None, {"fields": ("workspace", "goal", "answer", "score", "note")}),)
    change_fieldsets = (
        (None, {"fields": ("workspace", "goal", "answer", ("score", "enabled"), "note")}),
        ("Record", {"fields": (("created_by", "created_at"),)}),
    )
    readonly_fields = ("created_by", "created_at")
    list_pages = (ExtraPage(name="judge", label="The judge", icon="balance", view="judge_view"),)
    empty = "Give the judge a few answers of known worth, good and bad: it is measured on them."

    def delete_model(self, request: HttpRequest, obj: Any) -> None:  # noqa: ARG002 -- Django's signature
        calibration.case_remove(workspace_id=str(obj.workspace_id), case_id=str(obj.pk))

    def judge_view(self, request: HttpRequest) -> HttpResponse:
        """Show how far the judge is believed and why; a POST measures it anew."""
        home = chosen_workspace(request)
        if request.method == "POST":
            return self._measure(request)
        audits = judging.audit_list(workspace_id=str(home.pk), limit=_AUDITS)[0] if home else []
        return self.page(
            request,
            "judge",
            "The judge",
            home=home,
            workspaces=workspaces_of(request),
            report=judging.judge_report(workspace_id=str(home.pk)) if home else None,
            audits=audits,
            may_measure=home is not None and reach_of(request).allows(home.pk, OPERATOR),
        )

    def _measure(self, request: HttpRequest) -> HttpResponse:
        home = chosen_workspace(request, OPERATOR)
        back = HttpResponseRedirect(self.extra_url("judge"))
        if home is None or not reach_of(request).allows(home.pk, OPERATOR):
            messages.error(request, "Operators of the workspace measure its judge.")
            return back
        try:
            made = wiring.judge_audit(workspace_id=str(home.pk), actor=actor_of(request))
        except self.refusals as error:
            messages.error(request, str(error))
            return back
        if made.audit_id is None:
            messages.warning(request, "There is nothing to grade: add answers of known worth.")
            return back
        audit_write(
            workspace_id=home.pk,
            actor=actor_of(request),
            door="admin",
            action="judge.audit",
            target=made.audit_id,
        )
        messages.success(request, f"It graded {made.graded} answers; see below how it did.")
        return back


@admin.register(JudgeAudit)
class JudgeAuditAdmin(ClusterAdmin):
    list_display = (
        ago("at"), "model", "n", "failed", number("trust"), number("mae"), number("agreement"),
        number("brier", digits=3), short("reason"),
    )  # fmt: skip
    change_form_template = "loom/admin/judge_audit.html"
    defer = ("bins",)
    detail_fields = (
        "model", "n", "failed", "trust", "reason", "mae", "brier", "agreement", "correlation",
        "spread", "created_by", "at",
    )  # fmt: skip
    empty = "Each pass of the judge over the answers of known worth is kept here."

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        detail = judging.audit_detail(workspace_id=str(obj.workspace_id), audit_id=str(obj.pk))
        return {**super().extra_context(request, obj), "detail": detail}


@admin.register(JudgeGrade)
class JudgeGradeAdmin(ClusterAdmin):
    workspace_path = "audit__workspace"
    called = "Grade of: {row.case}"
    list_display = (
        "asked", number("known"), number("score"), short("comment"), short("error"),
        row("audit"),
    )  # fmt: skip
    list_display_links = ("known",)
    list_select_related = ("case", "audit")
    ordering = ("-id",)
    empty = "What the judge said of each answer of known worth."

    @display(description="answer")
    def asked(self, grade: JudgeGrade) -> str:
        return str(grade.case)
