"""Pages of nodes: what is believed of each, what happened to it, and what operators do to it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin
from cluster.models import AgentNode, Capability, LifecycleEvent
from cluster.selectors import standing
from cluster.selectors.lineage import node_story
from cluster.services import lifecycle
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import (
    EMPTY,
    ago,
    badge,
    json_text,
    number,
    row,
    short,
    span,
    usd,
)
from loomsite.access.admin.reach import actor_of

_STATE = {"active": "success", "quarantined": "warning", "retired": ""}
_COST, _SECONDS = usd("cost_usd"), number("seconds", digits=1)
_KIND = {
    "born": "success", "released": "success", "revived": "success", "undone": "info",
    "quarantined": "warning", "retired": "danger", "merged": "danger",
}  # fmt: skip


def _is_gone(node: AgentNode) -> bool:
    return node.state != AgentNode.State.ACTIVE


@admin.register(AgentNode)
class AgentNodeAdmin(ClusterAdmin):
    list_display = (
        "named",
        row("family"),
        badge("state", _STATE),
        "believed",
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
    detail_fields = (
        "agent", "family", "state", "blueprint", "parent", "slots", "busy", "scored_n",
        "scored_total", "probe_n", "probe_total", "hard_errors", "retry_at", "probed_at",
        "task_count", _COST, _SECONDS, "created_at", "quarantined_at", "retired_at", "merged_into",
    )  # fmt: skip
    row_actions = (
        RowAction(
            name="quarantine", label="Quarantine", icon="pause_circle", run="quarantine",
            danger=True, reason=True, when=lambda node: node.state == AgentNode.State.ACTIVE,
        ),
        RowAction(
            name="release", label="Release", icon="play_circle", run="release", reason=True,
            when=lambda node: node.state == AgentNode.State.QUARANTINED,
        ),
        RowAction(
            name="retire", label="Retire", icon="archive", run="retire", danger=True, reason=True,
            when=lambda node: node.state != AgentNode.State.RETIRED,
        ),
        RowAction(
            name="undo", label="Undo the last", icon="undo", run="undo", reason=True,
            when=_is_gone,
        ),
    )  # fmt: skip
    empty = "Every agent in service gets its place in the market with the first auction."

    def page_title(self, row: AgentNode) -> str:
        return f"Node of {row.agent.slug}"

    @display(description="agent")
    def named(self, node: AgentNode) -> str:
        return str(node.agent)

    @display(description="chance", ordering="m")
    def believed(self, node: AgentNode) -> str:
        belief = standing.node_belief(node)
        return f"{belief.p:.0%} ({belief.low:.0%} to {belief.high:.0%})"

    @display(description="mean score")
    def mean_score(self, node: AgentNode) -> str:
        return f"{node.scored_total / node.scored_n:.2f}" if node.scored_n else EMPTY

    @display(description="time")
    def spent(self, node: AgentNode) -> str:
        return span(node.seconds) if node.seconds else EMPTY

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("agent", "family", "workspace")

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        story = node_story(node=obj)
        return {
            **super().extra_context(request, obj),
            "beliefs": standing.node_beliefs(node=obj),
            "recent": standing.recent_of([obj.pk])[obj.pk],
            "story": [
                {
                    "kind": each.kind,
                    "reason": each.reason,
                    "actor": each.actor,
                    "at": each.at,
                    "detail": json_text(each.detail) if each.detail else "",
                }
                for each in story
            ],
            "spawned": AgentNode.objects.filter(parent=obj).select_related("agent")[:20],
        }

    # ------------------------------------------------------------ buttons

    def quarantine(self, request: HttpRequest, node: AgentNode) -> str:
        lifecycle.node_quarantine(**_asked(request, node))
        return "In quarantine: it gets probes alone until it, or you, say otherwise."

    def release(self, request: HttpRequest, node: AgentNode) -> str:
        lifecycle.node_release(**_asked(request, node))
        return "Released, with a clean record."

    def retire(self, request: HttpRequest, node: AgentNode) -> str:
        lifecycle.node_retire(**_asked(request, node))
        return "Retired. “Undo the last” brings it back."

    def undo(self, request: HttpRequest, node: AgentNode) -> str:
        undone = lifecycle.node_undo(**_asked(request, node))
        return f"Undone: it is not {undone} any more."


def _asked(request: HttpRequest, node: AgentNode) -> dict[str, str]:
    return {
        "workspace_id": str(node.workspace_id),
        "node_id": str(node.pk),
        "reason": request.POST.get("reason", "").strip(),
        "actor": actor_of(request),
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

    def page_title(self, row: Capability) -> str:
        return f"{row.node.agent.slug} in {row.domain.slug}"

    empty = "What each node can do in each domain, as a posterior with its uncertainty."


@admin.register(LifecycleEvent)
class LifecycleEventAdmin(ClusterAdmin):
    workspace_path = "node__workspace"
    list_display = (
        row("node__agent", "agent"),
        badge("kind", _KIND),
        short("reason"),
        "actor",
        ago("at"),
    )
    list_display_links = ("kind",)
    list_select_related = ("node__agent",)
    search_fields = ("node__agent__slug", "kind")

    def page_title(self, row: LifecycleEvent) -> str:
        return f"{row.kind.capitalize()}: {row.node.agent.slug}"

    empty = "Births, quarantines and retirements of nodes, each with its reason."
