"""Pages of the population and its market."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin
from cluster.models import (
    AgentNode,
    Auction,
    Bid,
    Blueprint,
    Calibration,
    Capability,
    Domain,
    Family,
    FamilyDomain,
    LifecycleEvent,
    MarketEntry,
    Reward,
)
from loomsite.access.admin.display import (
    EMPTY,
    ago,
    badge,
    cut,
    number,
    row,
    short,
    span,
    task_link,
    usd,
)
from loomsite.access.admin.forms import RowForm
from loomsite.access.admin.reach import OPERATOR

_NODE = {"active": "success", "quarantined": "warning", "retired": ""}
_COST, _SECONDS = usd("cost_usd"), number("seconds", digits=1)
_BLUEPRINT = {"active": "success", "draft": "warning", "challenger": "info", "retired": ""}


@admin.register(Domain)
class DomainAdmin(ClusterAdmin):
    adds = changes = OPERATOR
    list_display = ("slug", short("description", chars=120))
    search_fields = ("slug", "description")
    add_fieldsets = ((None, {"fields": ("workspace", "slug", "description")}),)
    change_fieldsets = add_fieldsets
    readonly_fields = ("slug",)  # capabilities and goals refer to it
    empty = "Domains are kinds of work; a goal is compared with their descriptions."


@admin.register(AgentNode)
class AgentNodeAdmin(ClusterAdmin):
    changes = OPERATOR
    list_display = (
        "named",
        row("family"),
        badge("state", _NODE),
        number("m", "skill"),
        "mean_score",
        "task_count",
        usd("cost_usd"),
        "spent",
        "busy",
        ago("created_at", "born"),
    )
    list_select_related = ("agent", "family")
    list_filter = ("state",)
    search_fields = ("agent__slug",)
    id_fields = ("id",)
    change_form_template = "loom/admin/node.html"
    change_fieldsets = (
        (None, {"fields": (("agent", "family"), ("state", "slots", "busy"),
            ("blueprint", "parent"))}),
        ("What is known of it", {"fields": (("m", "v"), ("scored_n", "scored_total"), ("probe_n",
            "probe_total"), ("hard_errors", "retry_at", "probed_at"))}),
        ("What it did", {"fields": (("task_count", _COST, _SECONDS),
            ("created_at", "retired_at"))}),
    )  # fmt: skip
    readonly_fields = (
        "agent", "family", "state", "busy", "blueprint", "parent", "m", "v", "scored_n",
        "scored_total", "probe_n", "probe_total", "hard_errors", "retry_at", "probed_at",
        "task_count", _COST, _SECONDS, "created_at", "retired_at",
    )  # fmt: skip
    empty = "Every agent in service gets its place in the market with the first auction."

    @display(description="agent")
    def named(self, node: AgentNode) -> str:
        return str(node.agent)

    @display(description="mean score")
    def mean_score(self, node: AgentNode) -> str:
        return f"{node.scored_total / node.scored_n:.2f}" if node.scored_n else EMPTY

    @display(description="time")
    def spent(self, node: AgentNode) -> str:
        return span(node.seconds) if node.seconds else EMPTY

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:  # noqa: ARG002 -- the base's
        if obj is None:
            return {}
        return {
            "capabilities": Capability.objects.filter(node=obj)
            .select_related("domain")
            .order_by("-m", "pk")[:50],
            "lifecycle": LifecycleEvent.objects.filter(node=obj)[:50],
        }


@admin.register(Capability)
class CapabilityAdmin(ClusterAdmin):
    workspace_path = "node__workspace"
    list_display = (
        row("node__agent", "agent"), row("domain"), number("m"), number("v"), number("n", digits=1),
        number("ema"),
    )  # fmt: skip
    list_display_links = ("m",)
    list_select_related = ("node__agent", "domain")
    search_fields = ("node__agent__slug", "domain__slug")
    ordering = ("-id",)
    empty = "What each node can do in each domain, as a posterior with its uncertainty."


@admin.register(LifecycleEvent)
class LifecycleEventAdmin(ClusterAdmin):
    workspace_path = "node__workspace"
    list_display = (
        row("node__agent", "agent"),
        badge("kind", {}),
        short("reason"),
        "actor",
        ago("at"),
    )
    list_display_links = ("kind",)
    list_select_related = ("node__agent",)
    search_fields = ("node__agent__slug", "kind")
    empty = "Births, quarantines and retirements of nodes, each with its reason."


@admin.register(Family)
class FamilyAdmin(ClusterAdmin):
    list_display = ("slug", number("m"), number("v"), number("slope_m"), number("slope_v"), "rev")
    search_fields = ("slug",)
    empty = "A family is the line of a blueprint: what one learns is a head start for the next."


@admin.register(FamilyDomain)
class FamilyDomainAdmin(ClusterAdmin):
    workspace_path = "family__workspace"
    list_display = (row("family"), row("domain"), number("m"), number("v"))
    list_display_links = ("m",)
    list_select_related = ("family", "domain")
    ordering = ("-id",)
    empty = "How a family's skill in one domain differs from its skill at large."


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


# ---------------------------------------------------------------- the journal of the market


@admin.register(Auction)
class AuctionAdmin(ClusterAdmin):
    workspace_path = "task__workspace"
    list_display = (
        "of", "cycle", row("winner__agent", "winner"), short("reason", chars=100), "left_out",
        "pinned", ago("held_at"),
    )  # fmt: skip
    list_display_links = ("cycle",)
    list_select_related = ("winner__agent",)
    list_filter = ("pinned",)
    id_fields = ("id", "task_id")
    defer = ("terms", "weights", "tools", "excluded")
    change_form_template = "loom/admin/auction.html"
    empty = "Each cycle of a task holds one sealed auction. Submit a task to see one."

    @display(description="task")
    def of(self, auction: Auction) -> SafeString | str:
        return task_link(auction.task_id)


@admin.register(Bid)
class BidAdmin(ClusterAdmin):
    workspace_path = "auction__task__workspace"
    list_display = (
        "of", "rank", row("node__agent", "agent"), number("bid", digits=3),
        number("quality", digits=3), number("cost_term", digits=3), number("wait_term", digits=3),
        "probe",
    )  # fmt: skip
    list_display_links = ("rank",)
    list_select_related = ("auction", "node__agent")
    id_fields = ("auction__task_id", "auction_id")
    ordering = ("-id",)
    empty = "Bids are sealed, and kept with every term."

    @display(description="task")
    def of(self, bid: Bid) -> SafeString | str:
        return task_link(bid.auction.task_id)


@admin.register(Reward)
class RewardAdmin(ClusterAdmin):
    workspace_path = "task__workspace"
    list_display = (
        "of", "cycle", "evaluation", row("node__agent", "agent"), number("score"), "verified",
        "outcome", short("source"), ago("at"),
    )  # fmt: skip
    list_display_links = ("evaluation",)
    list_select_related = ("node__agent",)
    list_filter = ("outcome", "verified")
    id_fields = ("task_id", "node_id")
    defer = ("components",)
    empty = "Each evaluation of an answer: by checks, a judge, or a person."

    @display(description="task")
    def of(self, reward: Reward) -> SafeString | str:
        return task_link(reward.task_id)


@admin.register(MarketEntry)
class MarketEntryAdmin(ClusterAdmin):
    workspace_path = "task__workspace"
    list_display = (
        row("family"), "rev", "of", "cycle", row("node__agent", "agent"), "kind", number("score"),
        ago("at"),
    )  # fmt: skip
    list_display_links = ("rev",)
    list_select_related = ("family", "node__agent")
    list_filter = ("kind",)
    id_fields = ("task_id", "node_id")
    ordering = ("-id",)
    defer = ("weights", "terms")
    empty = "Every update of what is known of a node, so that it can be replayed."

    @display(description="task")
    def of(self, entry: MarketEntry) -> SafeString | str:
        return task_link(entry.task_id)


@admin.register(Calibration)
class CalibrationAdmin(ClusterAdmin):
    list_display = (row("domain"), "forecast", "came_true", "n")
    list_display_links = ("forecast",)
    list_select_related = ("domain",)
    ordering = ("domain", "bin")
    empty = "How often forecasts come true, by domain and forecast."

    @display(description="forecast")
    def forecast(self, line: Calibration) -> str:
        return (
            f"{line.forecast_sum / line.n:.2f}" if line.n else f"about {line.bin / 10 + 0.05:.2f}"
        )

    @display(description="came true")
    def came_true(self, line: Calibration) -> str:
        return f"{line.score_sum / line.n:.2f}" if line.n else EMPTY
