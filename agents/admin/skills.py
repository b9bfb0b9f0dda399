"""Pages of skills: what they say and said, when they are called for, whether they help."""

from collections.abc import Sequence
from typing import ClassVar

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from agents.admin.base import AgentsAdmin, AgentsForm
from agents.models import Skill, SkillUse, SkillVersion
from agents.selectors.skills import skill_record, skill_value
from agents.services import skill_versions, skills
from agents.skills import loader
from agents.skills.writer import to_archive
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import RowAction, reason_of
from loomsite.access.admin.diff import changes
from loomsite.access.admin.display import ago, badge, json_text, row, short
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.fields import whole_of
from loomsite.access.admin.importing import import_page
from loomsite.access.admin.reach import OPERATOR, actor_of

_VERSIONS_SHOWN = 100


class SkillForm(AgentsForm):
    """What a skill says; a change makes its next version."""

    reason = fields.text("Why", max_length=500, help_text="Kept with the version.")

    class Meta:
        model = Skill
        fields = (
            "workspace", "name", "description", "instructions", "keywords", "patterns", "files",
        )  # fmt: skip

    def write(self) -> object:
        given = {
            name: self.cleaned_data[name]
            for name in self.cleaned_data
            if name in skill_versions.SPEC_FIELDS
        }
        if self.instance._state.adding:  # noqa: SLF001 -- Django's public hook
            name = self.cleaned_data["name"]
            return skill_versions.skill_create(
                workspace_id=self.workspace_id, name=name, by=self.actor, **given
            )
        skill_versions.skill_update(
            workspace_id=self.workspace_id,
            skill_id=str(self.instance.pk),
            by=self.actor,
            reason=self.cleaned_data["reason"],
            **given,
        )
        return self.instance.pk


@admin.register(Skill)
class SkillAdmin(AgentsAdmin):
    adds = changes = OPERATOR
    add_form = change_form = SkillForm
    word_lists = ("keywords",)
    long = ("instructions",)
    line_lists = ("patterns",)
    list_display = (
        "name",
        short("description"),
        badge("state", {"active": "success", "draft": "warning"}),
        badge("origin", {"crystallized": "primary"}),
        "version_number",
        ago("updated_at"),
    )
    list_filter = ("state", "origin")
    search_fields = ("name", "description")
    add_fieldsets = (
        (None, {"fields": ("workspace", "name", "description", "instructions")}),
        ("When it is called for", {"fields": ("keywords", "patterns")}),
        ("Files", {"fields": ("files",)}),
    )
    change_fieldsets = (
        (None, {"fields": ("workspace", "name", "description", "instructions", "reason")}),
        ("When it is called for", {"fields": ("keywords", "patterns")}),
        ("Files", {"fields": ("files",)}),
        ("Record", {"fields": (("state", "origin", "version_number"),
                               ("created_at", "updated_at"))}),
    )  # fmt: skip
    readonly_fields = (
        "name", "origin", "created_at", "updated_at", "state", "version_number",
    )  # fmt: skip
    list_pages: ClassVar[Sequence[ExtraPage]] = (
        ExtraPage(name="import", label="Import", icon="upload", view="import_view", role=OPERATOR),
    )
    row_pages: ClassVar[Sequence[ExtraPage]] = (
        ExtraPage(name="evidence", label="Evidence", icon="fact_check", view="evidence_view"),
        ExtraPage(name="versions", label="Versions", icon="history", view="versions_view"),
        ExtraPage(name="export", label="Export", icon="download", view="export_view"),
    )
    row_actions = (
        RowAction(
            name="activate", label="Promote to active", icon="check_circle", run="activate",
            reason=True, when=lambda row: row.state != Skill.State.ACTIVE,
        ),
        RowAction(
            name="retire", label="Retire", icon="archive", run="retire", danger=True, reason=True,
            when=lambda row: row.state != Skill.State.RETIRED,
        ),
    )  # fmt: skip
    empty = "A skill is instructions that an agent loads when a goal calls for them."

    # ------------------------------------------------------------ states

    def activate(self, request: HttpRequest, skill: Skill) -> str:  # noqa: ARG002 -- a button's signature
        self._move(skill, Skill.State.ACTIVE)
        return f"{skill} is active: runs that begin from now on may load it."

    def retire(self, request: HttpRequest, skill: Skill) -> str:  # noqa: ARG002 -- a button's signature
        self._move(skill, Skill.State.RETIRED)
        return f"{skill} is retired; promoting it brings it back."

    def _move(self, skill: Skill, state: str) -> None:
        skills.skill_set_state(workspace_id=self.home(skill), name=skill.name, state=state)

    # ------------------------------------------------------------ evidence and versions

    def evidence_view(self, request: HttpRequest, skill: Skill) -> HttpResponse:
        """Show what a skill came from, and how runs did with and without it."""
        evidence = skill.evidence if isinstance(skill.evidence, dict) else {}
        runs = evidence.get("runs")
        others = {name: value for name, value in evidence.items() if name != "runs"}
        return self.page(
            request,
            "skill_evidence",
            f"{skill.name}: evidence",
            row=skill,
            here="evidence",
            record=skill_record(skill=skill),
            runs=[each for each in runs if isinstance(each, dict)][:50]
            if isinstance(runs, list)
            else [],
            others=json_text(others) if others else "",
        )

    def versions_view(self, request: HttpRequest, skill: Skill) -> HttpResponse:
        """Show a skill's versions and what changed; a POST goes back to one of them."""
        if request.method == "POST":
            return self._restore(request, skill)
        rows = SkillVersion.objects.filter(skill=skill).order_by("-number")
        to = whole_of(request.GET.get("to"), skill.version_number)
        since = whole_of(request.GET.get("from"), to - 1)
        both = {each.number: each.spec for each in rows.filter(number__in=[since, to])}
        return self.page(
            request,
            "agent_versions",
            f"{skill.name}: versions",
            row=skill,
            here="versions",
            versions=list(rows.defer("spec")[:_VERSIONS_SHOWN]),
            to=to,
            since=since if since in both else None,
            changes=changes(both.get(since, {}), both.get(to, {})),
            may_restore=self.may(request, OPERATOR, skill) and to in both,
            restore_url=self.extra_url("versions", skill),
        )

    def _restore(self, request: HttpRequest, skill: Skill) -> HttpResponse:
        back = HttpResponseRedirect(self.extra_url("versions", skill))
        reason = reason_of(request)
        number = whole_of(request.POST.get("number"), 0)
        if not self.may(request, OPERATOR, skill):
            messages.error(request, "Operators of the workspace roll skills back.")
            return back
        if not reason:
            messages.error(request, "Say why: rolling back is written to the audit.")
            return back
        try:
            with transaction.atomic():
                made = skill_versions.skill_restore(
                    workspace_id=self.home(skill),
                    skill_id=str(skill.pk),
                    number=number,
                    expected=whole_of(request.POST.get("seen"), 0),
                    by=actor_of(request),
                    reason=reason,
                )
                self.audit(request, skill, "restore", reason=reason, version=number, made=made)
        except self.refusals as error:
            messages.error(request, str(error))
            return back
        messages.success(request, f"Version {made} is as version {number} was.")
        return back

    # ------------------------------------------------------------ in and out

    def export_view(self, request: HttpRequest, skill: Skill) -> HttpResponse:  # noqa: ARG002 -- a page's signature
        """Send a skill as a zip of its folder."""
        answer = HttpResponse(to_archive(skill_value(skill)), content_type="application/zip")
        answer["Content-Disposition"] = f'attachment; filename="{skill.name}.zip"'
        return answer

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a SKILL.md or a zip of a skill's folder in, as a draft."""

        def take(content: bytes, workspace_id: str) -> Skill:
            pk = skills.skill_import(
                workspace_id=workspace_id,
                by=actor_of(request),
                replace=request.POST.get("replace") == "on",
                **skills.upload_read(content),
            )
            return Skill.objects.get(pk=pk)

        return import_page(
            self,
            request,
            title="Import a skill",
            take=take,
            longest=loader.MAX_TOTAL_BYTES,
            welcome=lambda row: f"{row.name} is here as a draft: look at it, then promote it.",
            takes="A SKILL.md, or a zip of its folder with the scripts and references",
            accept=".md,.zip",
            paste_label="Or paste a SKILL.md",
            replaces="Replace the skill of that name, if there is one; what it said is kept.",
        )


@admin.register(SkillVersion)
class SkillVersionAdmin(AgentsAdmin):
    called = "{row.skill} v{row.number}"
    list_display = ("__str__", row("skill"), "created_by", short("reason"), ago("created_at"))
    list_select_related = ("skill",)
    search_fields = ("skill__name",)
    ordering = ("-id",)
    defer = ("spec",)
    empty = "Each change of what a skill says makes a version."


@admin.register(SkillUse)
class SkillUseAdmin(AgentsAdmin):
    workspace_path = "skill__workspace"
    called = "{row.skill} in a run of {row.run.agent}"
    list_display = (row("skill"), row("run"), "by", "held_out", ago("created_at"))
    list_display_links = ("by",)
    list_select_related = ("skill", "run")
    ordering = ("-id",)
    empty = (
        "Skills that a run's goal called for are noted here, and whether the lot kept them away."
    )
