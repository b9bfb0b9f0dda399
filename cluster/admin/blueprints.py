"""Pages of blueprints: their versions, what became of each, and the tree of who came from whom."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin, ClusterForm
from cluster.core.errors import BlueprintInvalid
from cluster.models import AgentNode, Blueprint, BlueprintEvent, Forging
from cluster.selectors import standing
from cluster.selectors.blueprints import blueprint_export
from cluster.selectors.lineage import lineage
from cluster.services import blueprints
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import RowAction, reason_of
from loomsite.access.admin.diff import changes
from loomsite.access.admin.display import EMPTY, ago, badge, cut, json_text, row, short, task
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.importing import import_page
from loomsite.access.admin.reach import OPERATOR, actor_of
from loomsite.access.admin.workspaces import chosen_workspace, workspaces_of

_STATE = {"active": "success", "draft": "warning", "challenger": "info", "retired": ""}
_VERSIONS_SHOWN, _NODES_SHOWN, _EVENTS_SHOWN = 100, 20, 50
_LONGEST_FILE = 1_000_000


class BlueprintForm(ClusterForm):
    """A blueprint. Versions do not change: saving one makes the next, which has to prove itself."""

    spec = fields.JsonField(
        label="Plan",
        required=True,
        rows=18,
        initial=lambda: {"name": "", "description": "", "instructions": "", "tools": [],
                         "domains": []},
        help_text="name and instructions; also description, tools, domains, skills, scenes, model.",
    )  # fmt: skip
    reason = fields.text("Why", required=True, max_length=500, help_text="Kept with the version.")

    class Meta:
        model = Blueprint
        fields = ("workspace",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instance = kwargs.get("instance")
        if instance is not None:  # the reason is that of the next version
            kwargs["initial"] = {"reason": "", **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)

    def write(self) -> object:
        spec, reason = self.cleaned_data["spec"], self.cleaned_data["reason"]
        before = self.instance.spec
        given = spec if isinstance(spec, dict) else {}
        # A key that was taken out goes back to what it is without being named.
        gone = {name: _nothing(value) for name, value in before.items() if name not in given}
        return blueprints.blueprint_revise(
            workspace_id=self.workspace_id,
            blueprint_id=str(self.instance.pk),
            changes={**given, **gone},
            reason=reason,
            actor=self.actor,
        )


class BlueprintAddForm(BlueprintForm):
    """The first version of a new line."""

    slug = fields.text("Slug", required=True, help_text="a to z, 0 to 9 and hyphen.")

    def write(self) -> object:
        return blueprints.blueprint_import(
            workspace_id=self.workspace_id,
            document={"slug": self.cleaned_data["slug"], "spec": self.cleaned_data["spec"]},
            actor=self.actor,
            reason=self.cleaned_data["reason"],
        )


def _nothing(value: Any) -> Any:
    return [] if isinstance(value, list) else "" if isinstance(value, str) else None


def _is(*states: str) -> Any:
    return lambda row: row.state in states


@admin.register(Blueprint)
class BlueprintAdmin(ClusterAdmin):
    adds = changes = OPERATOR
    add_form = BlueprintAddForm
    change_form = BlueprintForm
    list_display = (
        "__str__", badge("state", _STATE), "named", badge("origin", {}), short("reason"),
        row("parent"), ago("created_at"),
    )  # fmt: skip
    list_select_related = ("parent",)
    list_filter = ("state", "origin")
    search_fields = ("slug",)
    add_fieldsets = ((None, {"fields": ("workspace", "slug", "spec", "reason")}),)
    change_fieldsets = (
        (None, {"fields": ("spec", "reason")}),
        ("This version", {"fields": (("slug", "version", "state"), ("origin", "parent"),
            ("created_by", "created_at"), ("promoted_at", "retired_at"))}),
    )  # fmt: skip
    readonly_fields = (
        "slug", "version", "state", "origin", "parent", "created_by", "created_at", "promoted_at",
        "retired_at",
    )  # fmt: skip
    list_pages: ClassVar[Sequence[ExtraPage]] = (
        ExtraPage(name="lineage", label="Lineage", icon="account_tree", view="lineage_view"),
        ExtraPage(name="import", label="Import", icon="upload", view="import_view", role=OPERATOR),
    )
    row_pages: ClassVar[Sequence[ExtraPage]] = (
        ExtraPage(name="evidence", label="Evidence", icon="fact_check", view="evidence_view"),
        ExtraPage(name="versions", label="Versions", icon="history", view="versions_view"),
        ExtraPage(name="export", label="Export", icon="download", view="export_view"),
    )
    row_actions = (
        RowAction(name="approve", label="Approve", icon="check_circle", run="approve",
                  reason=True, when=_is("draft")),
        RowAction(name="refuse", label="Refuse", icon="block", run="refuse", danger=True,
                  reason=True, when=_is("draft")),
        RowAction(name="promote", label="Promote", icon="upgrade", run="promote", reason=True,
                  when=_is("challenger", "retired")),
        RowAction(name="rollback", label="Roll back", icon="undo", run="rollback", danger=True,
                  reason=True,
                  when=lambda row: row.state == "challenger"
                  or (row.state == "active" and row.parent_id is not None)),
        RowAction(name="spawn", label="Make an agent of it", icon="smart_toy", run="spawn",
                  reason=True, when=_is("active", "challenger")),
        RowAction(name="retire", label="Retire", icon="archive", run="retire", danger=True,
                  reason=True, when=_is("active", "challenger")),
    )  # fmt: skip
    empty = "A blueprint is the plan that new agents are made from, in versions that never change."

    @display(description="name")
    def named(self, blueprint: Blueprint) -> str:
        return cut(blueprint.spec.get("name", ""), 50) or EMPTY

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Go to the version that was made, not back to the one that it came from."""
        messages.success(request, f"{obj} is made: {obj.reason}")
        return HttpResponseRedirect(self.page_url(obj))

    # ------------------------------------------------------------ buttons

    def approve(self, request: HttpRequest, blueprint: Blueprint) -> str:
        blueprints.blueprint_approve(**_asked(request, blueprint))
        return f"{blueprint} is approved."

    def refuse(self, request: HttpRequest, blueprint: Blueprint) -> str:
        blueprints.blueprint_refuse(**_asked(request, blueprint))
        return f"{blueprint} is refused."

    def promote(self, request: HttpRequest, blueprint: Blueprint) -> str:
        blueprints.blueprint_promote(**_asked(request, blueprint))
        return f"{blueprint} leads its line."

    def rollback(self, request: HttpRequest, blueprint: Blueprint) -> str:
        pk = blueprints.blueprint_rollback(**_asked(request, blueprint))
        return f"Rolled back: {Blueprint.objects.get(pk=pk)} leads now."

    def spawn(self, request: HttpRequest, blueprint: Blueprint) -> str:
        made = blueprints.blueprint_spawn_node(**_asked(request, blueprint))
        return "An agent of it is in the market." if made else "It has one already."

    def retire(self, request: HttpRequest, blueprint: Blueprint) -> str:
        blueprints.blueprint_retire(**_asked(request, blueprint))
        return f"{blueprint} is out of service, and its agents as soon as they are idle."

    # ------------------------------------------------------------ one version

    def evidence_view(self, request: HttpRequest, blueprint: Blueprint) -> HttpResponse:
        """Show what a version's agents did, and what happened to it."""
        nodes = AgentNode.objects.filter(blueprint=blueprint).select_related("agent")
        shown = list(nodes.order_by("-created_at", "pk")[:_NODES_SHOWN])
        ids, home = [node.pk for node in shown], str(self.workspace_id_of(blueprint))
        recent = standing.recent_of(ids)
        beliefs = standing.beliefs_at_large(workspace_id=home, node_ids=ids)
        return self.page(
            request,
            "blueprint_evidence",
            f"{blueprint}: evidence",
            row=blueprint,
            here="evidence",
            nodes=[
                {"node": node, "belief": beliefs[node.pk], "recent": recent[node.pk]}
                for node in shown
            ],
            events=BlueprintEvent.objects.filter(blueprint=blueprint)[:_EVENTS_SHOWN],
        )

    def versions_view(self, request: HttpRequest, blueprint: Blueprint) -> HttpResponse:
        """Show a line's versions, and what this one changed against another."""
        line = Blueprint.objects.filter(
            workspace_id=blueprint.workspace_id, slug=blueprint.slug
        ).order_by("-version")
        asked = fields.whole_of(request.GET.get("from"), 0)
        other = line.filter(version=asked).first() if asked else blueprint.parent
        return self.page(
            request,
            "blueprint_versions",
            f"{blueprint}: versions",
            row=blueprint,
            here="versions",
            versions=list(line.defer("spec")[:_VERSIONS_SHOWN]),
            other=other,
            changes=changes(other.spec if other else {}, blueprint.spec),
        )

    def export_view(self, request: HttpRequest, blueprint: Blueprint) -> HttpResponse:  # noqa: ARG002 -- a page's signature
        """Send a version as a file that can be imported elsewhere."""
        document = blueprint_export(
            workspace_id=str(blueprint.workspace_id), blueprint_id=str(blueprint.pk)
        )
        answer = HttpResponse(json_text(document), content_type="application/json")
        name = f"{blueprint.slug}-v{blueprint.version}.json"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    # ------------------------------------------------------------ all of them

    def lineage_view(self, request: HttpRequest) -> HttpResponse:
        """Show the tree of blueprints and nodes, with why each was born and died."""
        home = chosen_workspace(request)
        line = request.GET.get("line", "").replace("\x00", "")[:100]
        return self.page(
            request,
            "lineage",
            "Lineage",
            home=home,
            workspaces=workspaces_of(request),
            line=line,
            tree=lineage(workspace_id=str(home.pk), line=line) if home else None,
        )

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take in a blueprint that was exported somewhere."""

        def take(content: bytes, workspace_id: str) -> Blueprint:
            try:
                document = json.loads(content)
            except (ValueError, RecursionError) as error:
                raise BlueprintInvalid(f"It is not JSON: {cut(error, 200)}") from None
            pk = blueprints.blueprint_import(
                workspace_id=workspace_id, document=document, actor=actor_of(request)
            )
            return Blueprint.objects.get(pk=pk)

        return import_page(
            self,
            request,
            title="Import a blueprint",
            take=take,
            longest=_LONGEST_FILE,
            welcome=lambda row: f"{row} is here ({row.state}).",
            takes="A blueprint's JSON, as its export gives it",
            accept=".json",
            paste_label="Or paste the JSON",
            after="Where the workspace wants blueprints reviewed it waits as a draft.",
        )


def _asked(request: HttpRequest, blueprint: Blueprint) -> dict[str, str]:
    return {
        "workspace_id": str(blueprint.workspace_id),
        "blueprint_id": str(blueprint.pk),
        "reason": reason_of(request),
        "actor": actor_of(request),
    }


@admin.register(BlueprintEvent)
class BlueprintEventAdmin(ClusterAdmin):
    workspace_path = "blueprint__workspace"
    called = "{row.blueprint} {row.kind}"
    list_display = (row("blueprint"), badge("kind", {}), short("reason"), "actor", ago("at"))
    list_display_links = ("kind",)
    list_select_related = ("blueprint",)
    search_fields = ("blueprint__slug", "kind")
    search_window = 5_000
    empty = "What happened to versions of blueprints is written here, each with its reason."


@admin.register(Forging)
class ForgingAdmin(ClusterAdmin):
    workspace_path = "task__workspace"
    called = "{row.action} for {row.task.goal}"
    list_display = (
        task(),
        badge("state", {"done": "success", "review": "warning", "failed": "danger"}),
        "action",
        short("reason"),
        row("blueprint"),
        "skill_name",
        ago("at"),
    )
    list_display_links = ("action",)
    list_select_related = ("blueprint",)
    list_filter = ("state", "action")
    id_fields = ("task_id",)
    ordering = ("-id",)
    defer = ("need", "comment")
    empty = "When nobody is good enough for a task, what is done about it is written here."
