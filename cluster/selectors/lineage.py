"""Where blueprints and nodes come from: a tree with the reasons of births and deaths."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

from django.db.models import Model

from cluster.models import AgentNode, Blueprint, BlueprintEvent, LifecycleEvent

MOST: Final = 400
"""Of each kind; a larger population is looked at line by line."""
_DEATHS: Final = ("quarantined", "retired", "merged", "pruned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A blueprint or a node in the tree, in the order of reading; `depth` is its indentation."""

    kind: Literal["blueprint", "node"]
    id: UUID
    title: str
    state: str
    depth: int
    born: str
    born_at: datetime
    died: str
    died_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The tree; `is_cut` when there is more than it shows."""

    leaves: tuple[Leaf, ...]
    is_cut: bool


def lineage(*, workspace_id: str, line: str = "") -> Lineage:
    """Return a workspace's blueprints with their offspring and the nodes made from each.

    Nodes of agents that people wrote come last: they have no blueprint.

    Args:
        workspace_id: Whose.
        line: Only this line of blueprints, and what came of it.
    """
    plans = Blueprint.objects.filter(workspace_id=workspace_id).defer("spec")
    nodes = AgentNode.objects.filter(workspace_id=workspace_id).select_related("agent")
    if line:
        plans = plans.filter(slug=line)
        nodes = nodes.filter(blueprint__slug=line)
    shown_plans = list(plans.order_by("slug", "version", "pk")[: MOST + 1])
    shown_nodes = list(nodes.order_by("created_at", "pk")[: MOST + 1])
    tree = _Tree(shown_plans[:MOST], shown_nodes[:MOST])
    return Lineage(
        leaves=tuple(tree.leaves()),
        is_cut=max(len(shown_plans), len(shown_nodes)) > MOST,
    )


def node_story(*, node: AgentNode, limit: int = 100) -> list[LifecycleEvent]:
    """Return what happened to a node, the latest first."""
    return list(LifecycleEvent.objects.filter(node=node).order_by("-id")[:limit])


class _Tree:
    """The rows, joined by who came from whom; a parent that is not shown is no parent."""

    def __init__(self, plans: Sequence[Blueprint], nodes: Sequence[AgentNode]) -> None:
        self._plans = {plan.pk: plan for plan in plans}
        self._nodes = {node.pk: node for node in nodes}
        self._plans_of = _grouped(plans, lambda row: row.parent_id, self._plans)
        self._made_of = _grouped(
            [node for node in nodes if node.parent_id not in self._nodes],
            lambda row: row.blueprint_id,
            self._plans,
        )
        self._spawned_of = _grouped(
            [node for node in nodes if node.parent_id in self._nodes],
            lambda row: row.parent_id,
            self._nodes,
        )
        self._events = _latest(LifecycleEvent, "node_id", list(self._nodes))
        self._fates = _latest(BlueprintEvent, "blueprint_id", list(self._plans))
        self._seen: set[UUID] = set()

    def leaves(self) -> Iterable[Leaf]:
        yield from self._below_plan(None, 0)
        yield from self._nodes_in(self._made_of.get(None, ()), 0)
        # Rows whose parents form a circle have no root; they are shown all the same.
        for plan in self._plans.values():
            if plan.pk not in self._seen:
                yield from self._plan(plan, 0)
        yield from self._nodes_in(self._nodes.values(), 0)

    def _below_plan(self, parent: UUID | None, depth: int) -> Iterable[Leaf]:
        for plan in self._plans_of.get(parent, ()):
            yield from self._plan(plan, depth)

    def _plan(self, plan: Blueprint, depth: int) -> Iterable[Leaf]:
        if plan.pk in self._seen:
            return
        self._seen.add(plan.pk)
        fate = self._fates.get(plan.pk, {})
        died = _one_of(fate, ("retired", "pruned", "refused"))
        over = plan.state == Blueprint.State.RETIRED
        yield Leaf(
            kind="blueprint",
            id=plan.pk,
            title=str(plan),
            state=plan.state,
            depth=depth,
            born=plan.reason or _said(fate.get("created")),
            born_at=plan.created_at,
            died=_said(died) if over else "",
            died_at=died.at if died and over else None,
        )
        yield from self._nodes_in(self._made_of.get(plan.pk, ()), depth + 1)
        yield from self._below_plan(plan.pk, depth + 1)

    def _nodes_in(self, nodes: Iterable[AgentNode], depth: int) -> Iterable[Leaf]:
        for node in nodes:
            if node.pk in self._seen:
                continue
            self._seen.add(node.pk)
            story = self._events.get(node.pk, {})
            gone = node.state != AgentNode.State.ACTIVE
            died = _one_of(story, _DEATHS)
            yield Leaf(
                kind="node",
                id=node.pk,
                title=node.agent.slug,
                state=node.state,
                depth=depth,
                born=_said(story.get("born")),
                born_at=node.created_at,
                died=_said(died) if gone else "",
                died_at=died.at if died and gone else None,
            )
            yield from self._nodes_in(self._spawned_of.get(node.pk, ()), depth + 1)


def _grouped(
    rows: Iterable[Any], parent: Callable[[Any], UUID | None], known: Mapping[UUID, Any]
) -> dict[UUID | None, list[Any]]:
    found: dict[UUID | None, list[Any]] = defaultdict(list)
    for row in rows:
        key = parent(row)
        found[key if key in known else None].append(row)
    return found


def _latest(model: type[Model], key: str, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the latest event of each kind of each row: one query."""
    rows = model._default_manager.filter(  # noqa: SLF001 -- Django's public hook
        **{f"{key}__in": ids}
    ).order_by(key, "kind", "-id")
    found: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for event in cast("Iterable[Any]", rows.distinct(key, "kind")):
        found[getattr(event, key)][event.kind] = event
    return found


def _one_of(
    events: Mapping[str, Any], kinds: Sequence[str]
) -> LifecycleEvent | BlueprintEvent | None:
    return max(
        (events[kind] for kind in kinds if kind in events), key=lambda event: event.pk, default=None
    )


def _said(event: LifecycleEvent | BlueprintEvent | None) -> str:
    return event.reason if event is not None else ""
