"""MATCH in the database: read the population, hold the auction, reserve a slot, keep every bid."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from django.db.models import F

from cluster import live
from cluster.core import auction, explaining, market, posterior
from cluster.core.lifecycle import Circuit, NodeLife, probe_due
from cluster.core.market import Work
from cluster.core.steps import HoldAuction
from cluster.core.types import Matched, Phase, Status
from cluster.models import (
    AgentNode,
    Assignment,
    Auction,
    Bid,
    Task,
)
from cluster.selectors.books import population_field
from cluster.selectors.splits import terms_of
from cluster.services.books import book_load
from cluster.services.first_stage import shortlist_read
from cluster.services.growth import field_weak, forging_said
from cluster.services.lives import life_of, probe_begun
from cluster.services.population import (
    blueprints_ensure,
    domains_ensure,
    nodes_ensure,
)
from cluster.services.races import races_left_out

# Whoever gives a slot back wakes the next in line; this is for when that was lost.
BUSY_PAUSE_S = 3.0
CIRCUIT_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hammer:
    """How an auction ended: somebody won, everybody is busy or resting, or nobody can do it."""

    kind: Literal["won", "busy", "circuit", "nobody", "forge"]
    matched: Matched | None = None
    reason: str = ""
    pause_s: float = 0.0


def population_ready(*, workspace_id: str) -> None:
    """See to it that a workspace has domains, blueprints, and a node for each of its agents."""
    domains_ensure(workspace_id=workspace_id)
    blueprints_ensure(workspace_id=workspace_id)
    nodes_ensure(workspace_id=workspace_id)


def auction_hold(*, task: Task, step: HoldAuction, spent_usd: Decimal, now: datetime) -> Hammer:
    """Hold the auction of a locked task's cycle and reserve the winner's slot."""
    population_ready(workspace_id=str(task.workspace_id))
    only = _asked(task, step)
    if only is None:
        out = races_left_out(
            workspace_id=str(task.workspace_id), task_id=str(task.id), cycle=task.cycle
        )
        step = replace(step, without=(*step.without, *out))
    held = _held(task, step, only=only, spent_usd=spent_usd, now=now)
    if not held.result.bids and step.without and only is None:
        # Whoever failed before is left out only while there is somebody else.
        alone = replace(step, without=())
        held = _held(task, alone, only=only, spent_usd=spent_usd, now=now)
    seen_to = ""
    if only is None:
        seen_to = field_weak(task=task, step=step, result=held.result, now=now)
    if seen_to == "spawned":
        held = _held(task, step, only=only, spent_usd=spent_usd, now=now)
    if seen_to == "wanted":
        return Hammer(kind="forge", reason="nobody is good enough: a model is asked for help")
    if not held.result.bids:
        return _nobody(held.result, step, forging_said(task=task))
    for bid in held.result.bids:
        if _reserve(bid.node_id):
            node = held.nodes[bid.node_id]
            probe_begun(node=node, now=now)
            matched = _keep(task, step, held.result, bid, node, now=now, pinned=only is not None)
            return Hammer(kind="won", matched=matched)
    return Hammer(kind="busy", reason="every capable agent is busy", pause_s=BUSY_PAUSE_S)


def slot_release(*, task: Task, now: datetime) -> None:
    """Give back the slot that a locked task's cycle holds, if it does, to the next in line."""
    released = Assignment.objects.filter(
        task=task, cycle=task.cycle, state=Assignment.State.ACTIVE
    ).first()
    if released is None:
        return
    released.state = Assignment.State.RELEASED
    released.released_at = now
    released.save(update_fields=["state", "released_at"])
    AgentNode.objects.filter(id=released.node_id, busy__gt=0).update(busy=F("busy") - 1)
    if AgentNode.objects.filter(id=released.node_id, busy=F("slots") - 1).exists():
        _wake_next(str(task.workspace_id), now)


def _wake_next(workspace_id: str, now: datetime) -> None:
    """Let the most urgent task that waits for a slot try again; nobody's lock is waited for."""
    waiting = (
        Task.objects.select_for_update(skip_locked=True)
        .filter(
            workspace_id=workspace_id,
            phase=Phase.MATCH,
            status=Status.RUNNING,
            lease_until=None,
            due_at__gt=now,
        )
        .order_by("-priority", "created_at", "id")
    )
    for task in waiting[:1]:
        task.due_at = now
        task.save(update_fields=["due_at"])
        live.task_wake(str(task.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """An auction, and the rows of those who bid."""

    result: auction.AuctionResult
    nodes: Mapping[str, AgentNode]


def _asked(task: Task, step: HoldAuction) -> frozenset[str] | None:
    """Return the one node that may bid when the task was asked of one agent."""
    if step.agent is None:
        return None
    rows = AgentNode.objects.filter(workspace_id=task.workspace_id, agent__slug=step.agent)
    return frozenset(str(pk) for pk in rows.values_list("id", flat=True))


def _held(
    task: Task,
    step: HoldAuction,
    *,
    only: frozenset[str] | None,
    spent_usd: Decimal,
    now: datetime,
) -> _Held:
    workspace_id = str(task.workspace_id)
    book = book_load(workspace_id=workspace_id)
    terms = terms_of(task.workspace.settings)
    work = Work(weights=step.weights, x=step.complexity)
    seed = auction.Seed(task_id=str(task.id), cycle=task.cycle)
    requirement = auction.Requirement(
        x=step.complexity,
        tools=frozenset() if only is not None else frozenset(step.tools),
        budget_usd=None if task.budget_usd is None else task.budget_usd - spent_usd,
        excluded=frozenset(step.without) if only is None else frozenset(),
        only=only,
    )
    listed = shortlist_read(
        workspace_id=workspace_id, book=book, work=work, requirement=requirement, terms=terms,
        seed=seed, now=now,
    )  # fmt: skip
    rows = AgentNode.objects.filter(id__in=listed.node_ids).select_related("agent", "family")
    # Instructions and the like are long, and no bid is made of them.
    unread = ("own", "influence", "family__tiled", "agent__instructions", "agent__description")
    nodes = list(rows.defer(*unread).order_by("id"))
    result = market.choose(
        book,
        population_field(book.space, nodes),
        {at: _candidate(node, listed.usual_cost, now) for at, node in enumerate(nodes)},
        work=work,
        requirement=requirement,
        seed=seed,
        now=now,
        terms=terms,
        before=listed.before,
    )
    return _Held(result=result, nodes={str(node.id): node for node in nodes})


def _candidate(node: AgentNode, usual_cost: Decimal | None, now: datetime) -> auction.Candidate:
    return auction.Candidate(
        node_id=str(node.id),
        family_id=str(node.family_id),
        price=_price(node, usual_cost),
        expected_cost_usd=_mean_cost(node),
        wait_s=_wait_s(node),
        busy=node.busy,
        slots=node.slots,
        life=NodeLife(node.state),
        circuits=(
            Circuit(hard_errors=node.hard_errors, retry_at=node.retry_at),
            Circuit(hard_errors=node.family.hard_errors, retry_at=node.family.retry_at),
        ),
        tools=frozenset(node.agent.tools),
        probe_due=probe_due(life_of(node), now=now),
    )


def _mean_cost(node: AgentNode) -> Decimal | None:
    return node.cost_usd / node.task_count if node.task_count else None


def _price(node: AgentNode, usual: Decimal | None) -> float:
    mean = _mean_cost(node)
    return float(mean / usual) if mean is not None and usual else 1.0


def _wait_s(node: AgentNode) -> float:
    if node.busy < node.slots:
        return 0.0
    mean_s = node.seconds / node.task_count if node.task_count else 1.0
    return mean_s * (node.busy - node.slots + 1) / max(node.slots, 1)


def _reserve(node_id: str) -> bool:
    return bool(
        AgentNode.objects.filter(id=node_id, busy__lt=F("slots"))
        .exclude(state=AgentNode.State.RETIRED)
        .update(busy=F("busy") + 1)
    )


def _keep(
    task: Task,
    step: HoldAuction,
    result: auction.AuctionResult,
    won: auction.Bid,
    node: AgentNode,
    *,
    now: datetime,
    pinned: bool,
) -> Matched:
    reason = f"The task was asked of {node.agent.slug}." if pinned else _named(result, won, node)
    row = Auction.objects.create(
        task=task,
        cycle=task.cycle,
        pinned=pinned,
        complexity=step.complexity,
        weights=dict(step.weights),
        tools=list(step.tools),
        seed=str(result.seed),
        excluded=dict(result.excluded),
        left_out=result.left_out,
        terms=asdict(result.terms),
        winner=node,
        reason=reason,
        held_at=now,
    )
    Bid.objects.bulk_create(
        [
            Bid(
                auction=row,
                node_id=bid.node_id,
                rank=rank,
                mean=bid.m,
                variance=bid.v,
                xi=bid.xi,
                price=bid.price,
                wait_s=bid.wait_s,
                busy=bid.busy,
                slots=bid.slots,
                quality=bid.quality,
                bonus=bid.bonus,
                cost_term=bid.cost_term,
                wait_term=bid.wait_term,
                load_term=bid.load_term,
                bid=bid.bid,
                probe=bid.probe,
            )
            for rank, bid in enumerate(result.bids, start=1)
        ]
    )
    Assignment.objects.create(task=task, cycle=task.cycle, node=node, started_at=now)
    return Matched(
        node_id=str(node.id),
        agent_id=str(node.agent_id),
        agent=node.agent.slug,
        auction_id=str(row.id),
        reason=reason,
        pinned=pinned,
        success_probability=posterior.success_probability(won.m, won.v),
        bid_count=len(result.bids),
        mean=won.m,
        variance=won.v,
    )


def _named(result: auction.AuctionResult, won: auction.Bid, node: AgentNode) -> str:
    """Return why this node won, agents called by name instead of by id."""
    names = {
        str(pk): slug
        for pk, slug in AgentNode.objects.filter(
            id__in=[bid.node_id for bid in result.bids[:2]]
        ).values_list("id", "agent__slug")
    }
    said = explaining.explain(result)
    for node_id, slug in names.items():
        said = said.replace(node_id, slug)
    if result.bids[0].node_id == won.node_id:
        return said
    return f"{said} Its slots were taken, so {node.agent.slug} with {won.bid:.2f} got the task."


def _nobody(result: auction.AuctionResult, step: HoldAuction, tried: str) -> Hammer:
    if result.excluded.get("circuit"):
        return Hammer(
            kind="circuit",
            reason="every capable agent rests after errors of its endpoint",
            pause_s=CIRCUIT_PAUSE_S,
        )
    if step.agent is not None and set(result.excluded) <= {"not_asked"}:
        return Hammer(kind="nobody", reason=f"agent {step.agent!r} is not in service")
    wanted = f"; needed tools: {', '.join(step.tools)}" if step.tools else ""
    grown = f"; nobody new could be had: {tried}" if tried else ""
    said = explaining.explain(result).rstrip(".")
    return Hammer(kind="nobody", reason=f"{said}{wanted}{grown}")
