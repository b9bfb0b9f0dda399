"""Pages of nodes: what is believed of each, what happened to it, and what operators do to it."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin
from cluster.models import AgentNode, Capability, LifecycleEvent
from cluster.selectors import standing
from cluster.selectors.lineage import node_story
from cluster.services import lifecycle
from loomsite.access.admin import once
from loomsite.access.admin.buttons import RowAction, reason_of
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
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.reach import OPERATOR, actor_of

_STATE = {"active": "success", "quarantined": "warning", "retired": ""}
_COST, _SECONDS = usd("cost_usd"), number("seconds", digits=1)
_TARGETS_SHOWN = 50
_KIND = {
    "born": "success", "released": "success", "revived": "success", "undone": "info",
    "quarantined": "warning", "retired": "danger", "merged": "danger",
}  # fmt: skip


def _is_gone(node: AgentNode) -> bool:
    return node.state != AgentNode.State.ACTIVE


@admin.register(AgentNode)
class AgentNodeAdmin(ClusterAdmin):
    called = "Node of {row.agent}"
    list_display = (
        "named",
        row("family"),
        badge("state", _STATE),
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
    row_pages = (
        ExtraPage(name="merge", label="Merge", icon="merge", view="merge_view", role=OPERATOR),
    )
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

    # ------------------------------------------------------------ merging

    def merge_view(self, request: HttpRequest, node: AgentNode) -> HttpResponse:
        """Choose the node that takes over what this one learned, say why, and merge it."""
        if request.method == "POST" and self._merge(request, node):
            return HttpResponseRedirect(self.page_url_of(node))
        asked = request.GET.get("q", "").replace("\x00", "").strip()[:100]
        buttons = [each for each in self.actions_for(request, node) if each.name == "undo"]
        return self.page(
            request,
            "node_merge",
            f"Merge {node.agent}",
            row=node,
            here="merge",
            asked=asked,
            chosen=request.POST.get("into", ""),
            reason=reason_of(request),
            mergeable=node.state != AgentNode.State.RETIRED,
            targets=_targets(node, asked),
            shown=_TARGETS_SHOWN,
            row_actions=buttons,
            back=self.extra_url("merge", node),
        )

    def _merge(self, request: HttpRequest, node: AgentNode) -> bool:
        """Merge it as the form says; what keeps it from that is shown, with what was chosen."""
        into = request.POST.get("into", "").replace("\x00", "")
        if not into:
            messages.error(request, "Choose the node that takes over.")
            return False
        try:
            with transaction.atomic():
                once.spend(request, workspace_id=node.workspace_id, target=node.pk)
                # It locks the families before the nodes: no row is held before it is called.
                lifecycle.node_merge(**_asked(request, node), into_id=into)
                self.audit(request, node, "merge", reason=reason_of(request), into=into)
        except once.SentBefore as before:
            messages.warning(request, str(before))
        except self.refusals as error:
            messages.error(request, str(error))
            return False
        else:
            messages.success(
                request, "Merged. “Undo the last” brings it back as a node of its own."
            )
        return True


def _targets(node: AgentNode, asked: str) -> list[AgentNode]:
    """Return the nodes that may take over, those of the same family first."""
    rows = AgentNode.objects.filter(workspace=node.workspace_id, state=AgentNode.State.ACTIVE)
    rows = rows.exclude(pk=node.pk).select_related("agent", "family")
    if asked:
        rows = rows.filter(agent__slug__icontains=asked)
    related = list(
        rows.filter(family=node.family_id).order_by("agent__slug", "pk")[:_TARGETS_SHOWN]
    )
    others = rows.exclude(family=node.family_id).order_by("agent__slug", "pk")
    return [*related, *others[: _TARGETS_SHOWN - len(related)]]


def _asked(request: HttpRequest, node: AgentNode) -> dict[str, str]:
    return {
        "workspace_id": str(node.workspace_id),
        "node_id": str(node.pk),
        "reason": reason_of(request),
        "actor": actor_of(request),
    }


@admin.register(Capability)
class CapabilityAdmin(ClusterAdmin):
    workspace_path = "node__workspace"
    called = "{row.node.agent} in {row.domain}"
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
    called = "{row.node.agent} {row.kind}"
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
    empty = "Births, quarantines and retirements of nodes, each with its reason."
