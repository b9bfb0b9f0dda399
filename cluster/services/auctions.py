"""MATCH in the database: read the population, hold the auction, reserve a slot, keep every bid."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q

from cluster import live
from cluster.core import auction, explaining, market, posterior
from cluster.core.lifecycle import PROBE_GAP_S
from cluster.core.market import Work
from cluster.core.policy import growth_policy
from cluster.core.steps import HoldAuction
from cluster.core.types import Matched, Phase, Status
from cluster.models import AgentNode, Assignment, Task
from cluster.selectors.splits import terms_of
from cluster.services.bids import auction_keep, slot_reserve
from cluster.services.books import market_open
from cluster.services.first_stage import shortlist_read
from cluster.services.growth import field_weak, forging_said
from cluster.services.population import population_ready
from cluster.services.races import races_left_out
from cluster.services.second_stage import Entrant, entrants_read

# Asked at the end of each cycle and of each task; most often there is nothing left to give back.
_RELEASE = """
WITH released AS (
    UPDATE cluster_assignment SET state = 'released', released_at = %(now)s
    WHERE task_id = %(task)s AND cycle = %(cycle)s AND state = 'active' RETURNING node_id
)
UPDATE cluster_agentnode n SET busy = n.busy - 1 FROM released
WHERE n.id = released.node_id AND n.busy > 0
RETURNING n.id::text, n.busy = n.slots - 1
"""
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
        policy = growth_policy(held.settings)
        seen_to = field_weak(task=task, step=step, result=held.result, policy=policy, now=now)
    if seen_to == "spawned":
        held = _held(task, step, only=only, spent_usd=spent_usd, now=now)
    if seen_to == "wanted":
        return Hammer(kind="forge", reason="nobody is good enough: a model is asked for help")
    if not held.result.bids and only is None and held.result.excluded.get("quarantined"):
        held = _unspaced(task, step, held, spent_usd=spent_usd, now=now)
    if not held.result.bids:
        return _nobody(held.result, step, forging_said(task=task))
    for bid in held.result.bids:
        if slot_reserve(node_id=bid.node_id, now=now):
            matched = _keep(task, step, held, bid, now=now, pinned=only is not None)
            return Hammer(kind="won", matched=matched)
    return Hammer(kind="busy", reason="every capable agent is busy", pause_s=BUSY_PAUSE_S)


def slot_take(*, task: Task) -> bool:
    """Take the slot of a locked task's cycle again, and say whether there was one to be had.

    A node that was retired meanwhile finishes what it began.
    """
    held = Assignment.objects.filter(task=task, cycle=task.cycle).first()
    if held is None or held.state == Assignment.State.ACTIVE:
        return True
    free = AgentNode.objects.filter(id=held.node_id, busy__lt=F("slots"))
    if not free.update(busy=F("busy") + 1):
        return False
    held.state, held.released_at = Assignment.State.ACTIVE, None
    held.save(update_fields=["state", "released_at"])
    return True


def slot_release(*, task: Task, now: datetime) -> None:
    """Give back the slot that a locked task's cycle holds, if it does, to the next in line."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, {"task": task.pk, "cycle": task.cycle, "now": now})
        row = cursor.fetchone()
    if row is not None and row[1]:
        _wake_next(row[0], str(task.workspace_id), now)


def _wake_next(node_id: str, workspace_id: str, now: datetime) -> None:
    """Let the most urgent task that waits for a slot try again; nobody's lock is waited for.

    It waits for anybody's slot in its auction, or for this node's with a run that goes on.
    """
    theirs = Assignment.objects.filter(
        node_id=node_id, state=Assignment.State.RELEASED, cycle=OuterRef("cycle")
    )
    goes_on = Q(phase=Phase.EXECUTE, unavailable_since=None) & Exists(
        theirs.filter(task=OuterRef("pk"))
    )
    waiting = (
        Task.objects.select_for_update(skip_locked=True)
        .filter(Q(phase=Phase.MATCH) | goes_on)
        .filter(
            workspace_id=workspace_id,
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
    """An auction, those who could bid by node id, and what the operators have set."""

    result: auction.AuctionResult
    entrants: Mapping[str, Entrant]
    settings: Mapping[str, Any]


def _asked(task: Task, step: HoldAuction) -> frozenset[str] | None:
    """Return the one node that may bid when the task was asked of one agent."""
    if step.agent is None:
        return None
    rows = AgentNode.objects.filter(workspace_id=task.workspace_id, agent__slug=step.agent)
    return frozenset(str(pk) for pk in rows.values_list("id", flat=True))


def _unspaced(
    task: Task, step: HoldAuction, held: _Held, *, spent_usd: Decimal, now: datetime
) -> _Held:
    """Return the auction among those in quarantine who were tried a moment ago, if that helps.

    Probes keep their distance so that a doubtful agent gets little of the work. Where nobody else
    is left to do it, and nobody new could be had, distance would only mean that nobody does it.
    Whoever rests after an endpoint's errors comes first: that is soon over.
    """
    if held.result.excluded.get("circuit"):
        return held
    again = held
    for out in dict.fromkeys((step.without, ())):
        tried = replace(step, without=out)
        again = _held(task, tried, only=None, spent_usd=spent_usd, now=now, probe_gap_s=0.0)
        if again.result.bids:
            break
    return again


def _held(
    task: Task,
    step: HoldAuction,
    *,
    only: frozenset[str] | None,
    spent_usd: Decimal,
    now: datetime,
    probe_gap_s: float = PROBE_GAP_S,
) -> _Held:
    workspace_id = str(task.workspace_id)
    opened = market_open(workspace_id=workspace_id)
    book, terms = opened.book, terms_of(opened.settings)
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
        seed=seed, now=now, probe_gap_s=probe_gap_s,
    )  # fmt: skip
    entrants, field = entrants_read(
        node_ids=listed.node_ids, usual_cost=listed.usual_cost, at=book.space, now=now,
        probe_gap_s=probe_gap_s,
    )  # fmt: skip
    result = market.choose(
        book,
        field,
        {at: entrant.candidate for at, entrant in enumerate(entrants)},
        work=work,
        requirement=requirement,
        seed=seed,
        now=now,
        terms=terms,
        before=listed.before,
    )
    by_id = {entrant.candidate.node_id: entrant for entrant in entrants}
    return _Held(result=result, entrants=by_id, settings=opened.settings)


def _keep(
    task: Task,
    step: HoldAuction,
    held: _Held,
    won: auction.Bid,
    *,
    now: datetime,
    pinned: bool,
) -> Matched:
    winner = held.entrants[won.node_id]
    reason = f"The task was asked of {winner.agent}." if pinned else _named(held, won)
    auction_id = auction_keep(
        task=task, step=step, result=held.result, winner_id=won.node_id, pinned=pinned,
        reason=reason, now=now,
    )  # fmt: skip
    return Matched(
        node_id=won.node_id,
        agent_id=winner.agent_id,
        agent=winner.agent,
        auction_id=auction_id,
        reason=reason,
        pinned=pinned,
        success_probability=posterior.success_probability(won.m, won.v),
        bid_count=len(held.result.bids),
        mean=won.m,
        variance=won.v,
    )


def _named(held: _Held, won: auction.Bid) -> str:
    """Return why this node won, agents called by name instead of by id."""
    said = explaining.explain(held.result)
    for bid in held.result.bids[:2]:
        said = said.replace(bid.node_id, held.entrants[bid.node_id].agent)
    if held.result.bids[0].node_id == won.node_id:
        return said
    agent = held.entrants[won.node_id].agent
    return f"{said} Its slots were taken, so {agent} with {won.bid:.2f} got the task."


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
    todo = explaining.advice(result)
    return Hammer(kind="nobody", reason=f"{said}{wanted}{grown}. What helps: {todo}.")
