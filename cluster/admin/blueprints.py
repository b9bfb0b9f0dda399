"""Pages of blueprints: their versions, what became of each, and the tree of who came from whom."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin
from cluster.models import Blueprint, BlueprintEvent, Forging
from cluster.selectors.lineage import lineage
from loomsite.access.admin.display import EMPTY, ago, badge, cut, row, short, task
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.forms import RowForm
from loomsite.access.admin.reach import OPERATOR
from loomsite.access.admin.workspaces import chosen_workspace, workspaces_of

_BLUEPRINT = {"active": "success", "draft": "warning", "challenger": "info", "retired": ""}


class BlueprintForm(RowForm):
    """A version of a blueprint. Versions do not change: saving one makes the next."""

    reason = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "lm-input"})
    )

    class Meta:
        model = Blueprint
        fields = ("workspace", "slug", "state", "spec", "reason")

    def clean_spec(self) -> dict[str, Any]:
        spec = self.cleaned_data["spec"]
        if not isinstance(spec, dict):
            raise forms.ValidationError("Must be a JSON object.")
        for name, kind in (
            ("name", str), ("description", str), ("instructions", str), ("tools", list),
            ("domains", list),
        ):  # fmt: skip
            if name in spec and not isinstance(spec[name], kind):
                wanted = "text" if kind is str else "a list"
                raise forms.ValidationError(f"{name} must be {wanted}.")
        return spec


@admin.register(Blueprint)
class BlueprintAdmin(ClusterAdmin):
    adds = changes = OPERATOR
    add_form = change_form = BlueprintForm
    list_display = (
        "__str__", badge("state", _BLUEPRINT), "named", short("reason"), row("parent"),
        ago("created_at"),
    )  # fmt: skip
    list_select_related = ("parent",)
    list_filter = ("state",)
    search_fields = ("slug",)
    add_fieldsets = ((None, {"fields": ("workspace", "slug", "spec", "state", "reason")}),)
    change_fieldsets = (
        (None, {"fields": ("workspace", ("slug", "version"), "spec", "state", "reason")}),
        ("Line", {"fields": (("parent", "created_at"),)}),
    )
    readonly_fields = ("slug", "version", "parent", "created_at")
    list_pages = (
        ExtraPage(name="lineage", label="Lineage", icon="account_tree", view="lineage_view"),
    )
    empty = "A blueprint is the plan that new agents are made from, in versions that never change."

    @display(description="name")
    def named(self, blueprint: Blueprint) -> str:
        return cut(blueprint.spec.get("name", ""), 50) or EMPTY

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        if not change or form.changed_data == ["state"]:
            super().save_model(request, obj, form, change)
            return
        with transaction.atomic():
            rows = Blueprint.objects.filter(workspace_id=obj.workspace_id, slug=obj.slug)
            latest = max(row.version for row in rows.select_for_update())
            if obj.state == Blueprint.State.ACTIVE:
                rows.filter(state=Blueprint.State.ACTIVE).update(state=Blueprint.State.RETIRED)
            made = Blueprint.objects.create(
                workspace_id=obj.workspace_id,
                slug=obj.slug,
                version=latest + 1,
                parent_id=obj.pk,
                state=obj.state,
                spec=obj.spec,
                reason=obj.reason,
            )
        obj.__dict__.update(made.__dict__)  # what follows speaks of the new version

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


@admin.register(BlueprintEvent)
class BlueprintEventAdmin(ClusterAdmin):
    workspace_path = "blueprint__workspace"
    list_display = (row("blueprint"), badge("kind", {}), short("reason"), "actor", ago("at"))
    list_display_links = ("kind",)
    list_select_related = ("blueprint",)
    search_fields = ("blueprint__slug", "kind")
    search_window = 5_000
    empty = "What happened to versions of blueprints is written here, each with its reason."


@admin.register(Forging)
class ForgingAdmin(ClusterAdmin):
    workspace_path = "task__workspace"
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
