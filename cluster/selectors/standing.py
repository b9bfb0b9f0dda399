"""How good agents are believed to be, and what they have done lately: for people to read."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from cluster.core import posterior
from cluster.core.factors import features
from cluster.models import AgentNode, Capability, Domain
from cluster.selectors.books import beliefs_of, book_read, population_field

Z90: Final = 1.6449
"""Standard deviations on either side that hold nine tenths of a Gaussian."""
_SCORES, _TASKS, _BIDS = 30, 50, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """The chance of a good answer to a task of middling complexity; nine in ten lie in between."""

    p: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What a node did lately.

    Attributes:
        scores: Evaluated scores, oldest first.
        expected: Mean of the scores that were expected of these.
        brier: Mean squared difference between expectation and score.
        bids: Its last bids, at most `_BIDS`; `won` of them.
        ended: Its last evaluated tasks, at most `_TASKS`; `succeeded` of them.
        cost_per_success: What these cost over how many succeeded.
    """

    scores: tuple[float, ...] = ()
    expected: float | None = None
    brier: float | None = None
    bids: int = 0
    won: int = 0
    ended: int = 0
    succeeded: int = 0
    cost_per_success: Decimal | None = None

    @property
    def mean(self) -> float | None:
        return math.fsum(self.scores) / len(self.scores) if self.scores else None

    @property
    def win_rate(self) -> float | None:
        return self.won / self.bids if self.bids else None

    @property
    def success_rate(self) -> float | None:
        return self.succeeded / self.ended if self.ended else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A node of the leaderboard; `seen` is how many tasks of the domain taught about it."""

    node_id: UUID
    agent_id: UUID
    agent: str
    name: str
    state: str
    belief: Belief
    seen: float
    task_count: int
    recent: Recent = field(default_factory=Recent)


def belief_of(m: float, v: float) -> Belief:
    """Return what a Gaussian in logit space says of the chance of a good answer."""
    spread = Z90 * math.sqrt(max(v, 0.0))
    return Belief(
        p=posterior.success_probability(m, v),
        low=posterior.sigmoid(m - spread),
        high=posterior.sigmoid(m + spread),
    )


def leaderboard(*, workspace_id: str, domain: str | None = None, limit: int = 50) -> list[Line]:
    """Return a workspace's best nodes in a domain, or at large, best first; retired ones are not.

    An unknown domain has no leaderboard.
    """
    nodes: QuerySet[Any] = AgentNode.objects.filter(workspace_id=workspace_id).exclude(
        state=AgentNode.State.RETIRED
    )
    if domain is not None and not Domain.objects.filter(
        workspace_id=workspace_id, slug=domain, state=Domain.State.ACTIVE
    ):
        return []
    told = beliefs_of(workspace_id=workspace_id, nodes=nodes, domain=domain)
    told.sort(key=lambda item: (-posterior.success_probability(*item[1]), str(item[0].pk)))
    best = told[:limit]
    recent = recent_of([node.pk for node, _ in best])
    seen = _seen([node.pk for node, _ in best], domain)
    return [
        Line(
            node_id=node.pk,
            agent_id=node.agent_id,
            agent=node.agent.slug,
            name=node.agent.name,
            state=node.state,
            belief=belief_of(*belief),
            seen=node.scored_n if domain is None else seen.get(node.pk, 0.0),
            task_count=node.task_count,
            recent=recent.get(node.pk, Recent()),
        )
        for node, belief in best
    ]


def _seen(node_ids: Sequence[UUID], domain: str | None) -> dict[UUID, float]:
    rows = Capability.objects.filter(node_id__in=node_ids, domain__slug=domain)
    return dict(rows.values_list("node_id", "n"))


def beliefs_at_large(*, workspace_id: str, node_ids: Sequence[UUID]) -> dict[UUID, Belief]:
    """Return what is believed of each of a workspace's nodes over all kinds of work."""
    nodes = AgentNode.objects.filter(workspace_id=workspace_id, pk__in=node_ids)
    told = beliefs_of(workspace_id=workspace_id, nodes=nodes, domain=None)
    return {node.pk: belief_of(*belief) for node, belief in told}


def node_beliefs(*, node: AgentNode, limit: int = 50) -> list[dict[str, Any]]:
    """Return what is believed of a node in each domain it has worked in, surest skill first."""
    rows = Capability.objects.filter(node=node).select_related("domain").order_by("-n", "pk")
    at = book_read(workspace_id=str(node.workspace_id)).space
    field = population_field(at, [node])
    found = [
        {
            "domain": row.domain.slug,
            "belief": belief_of(*field.predict(features(at, {row.domain.slug: 1.0}, 0.5))[0]),
            "n": row.n,
            "ema": row.ema if row.ema_n else None,
        }
        for row in rows[:limit]
    ]
    return sorted(found, key=lambda each: (-each["belief"].p, each["domain"]))


def recent_of(node_ids: Sequence[UUID]) -> dict[UUID, Recent]:
    """Return what these nodes did lately: three queries, however long they have lived."""
    if not node_ids:
        return {}
    scores: dict[UUID, list[tuple[float, float | None]]] = defaultdict(list)
    for node_id, score, expected in _rows(_SCORED, node_ids, _SCORES):
        scores[node_id].append((score, expected))
    bids = {row[0]: row[1:] for row in _rows(_BID, node_ids, _BIDS)}
    ended = {row[0]: row[1:] for row in _rows(_ENDED, node_ids, _TASKS)}
    return {
        node_id: _recent(
            scores.get(node_id, []), bids.get(node_id, (0, 0)), ended.get(node_id, (0, 0, None))
        )
        for node_id in node_ids
    }


def _recent(
    scored: Sequence[tuple[float, float | None]],
    bids: Sequence[Any],
    ended: Sequence[Any],
) -> Recent:
    pairs = [(score, expected) for score, expected in scored if expected is not None]
    count, succeeded, cost = ended
    return Recent(
        scores=tuple(score for score, _ in reversed(scored)),
        expected=math.fsum(e for _, e in pairs) / len(pairs) if pairs else None,
        brier=math.fsum((s - e) ** 2 for s, e in pairs) / len(pairs) if pairs else None,
        bids=bids[0],
        won=bids[1],
        ended=count,
        succeeded=succeeded,
        cost_per_success=Decimal(cost) / succeeded if succeeded else None,
    )


# Each lateral part reads an index by node, newest first, and stops at its limit, whatever it finds:
# entries without a score (births, merges) are few beside those with one.
_SCORED: Final = """
    SELECT wanted.id, entry.score, (entry.terms->>'expected')::float8
    FROM unnest(%(nodes)s::uuid[]) AS wanted(id)
    CROSS JOIN LATERAL (
        SELECT id, score, terms FROM (
            SELECT id, score, terms FROM cluster_marketentry
            WHERE node_id = wanted.id ORDER BY id DESC LIMIT 4 * %(most)s
        ) AS latest
        WHERE score IS NOT NULL ORDER BY id DESC LIMIT %(most)s
    ) AS entry
    ORDER BY wanted.id, entry.id DESC
"""
_BID: Final = """
    SELECT wanted.id, count(*), count(*) FILTER (WHERE auction.winner_id = wanted.id)
    FROM unnest(%(nodes)s::uuid[]) AS wanted(id)
    CROSS JOIN LATERAL (
        SELECT auction_id FROM cluster_bid
        WHERE node_id = wanted.id ORDER BY id DESC LIMIT %(most)s
    ) AS bid
    JOIN cluster_auction AS auction ON auction.id = bid.auction_id
    GROUP BY wanted.id
"""
_ENDED: Final = """
    SELECT wanted.id, count(*), count(*) FILTER (WHERE reward.outcome = 'succeeded'),
        sum(task.cost_usd)
    FROM unnest(%(nodes)s::uuid[]) AS wanted(id)
    CROSS JOIN LATERAL (
        SELECT task_id, outcome FROM cluster_reward
        WHERE node_id = wanted.id AND evaluation = 0 ORDER BY id DESC LIMIT %(most)s
    ) AS reward
    JOIN cluster_task AS task ON task.id = reward.task_id
    GROUP BY wanted.id
"""


def _rows(query: str, node_ids: Sequence[UUID], most: int) -> list[tuple[Any, ...]]:
    values: Mapping[str, Any] = {"nodes": list(node_ids), "most": most}
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()
