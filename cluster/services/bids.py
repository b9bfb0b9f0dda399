"""What an auction leaves behind: its row, every bid with its terms, and the winner's slot."""

import json
from dataclasses import asdict
from datetime import datetime
from uuid import uuid4

from django.db import connection

from cluster.core.auction import AuctionResult
from cluster.core.steps import HoldAuction
from cluster.models import Task
from cluster.services.sqltext import array_text

# By column of a bid, what it is called in the core.
_TERMS = {
    "mean": "m", "variance": "v", "xi": "xi", "price": "price", "wait_s": "wait_s", "busy": "busy",
    "slots": "slots", "quality": "quality", "bonus": "bonus", "cost_term": "cost_term",
    "wait_term": "wait_term", "load_term": "load_term", "bid": "bid", "probe": "probe",
}  # fmt: skip
# A slot is taken only where one is free, however many look at once: the second sees the first.
_RESERVE = """
UPDATE cluster_agentnode SET busy = busy + 1,
    probed_at = CASE WHEN state = 'quarantined' THEN %s ELSE probed_at END
WHERE id = %s AND busy < slots AND state <> 'retired'
"""
# One statement for the 66 rows, the bids by columns.
_KEEP = """
WITH held AS (
    INSERT INTO cluster_auction (id, task_id, cycle, pinned, complexity, weights, tools, seed,
        excluded, left_out, terms, winner_id, reason, held_at)
    VALUES (%(auction)s, %(task)s, %(cycle)s, %(pinned)s, %(complexity)s, %(weights)s, %(tools)s,
        %(seed)s, %(excluded)s, %(left_out)s, %(terms)s, %(winner)s, %(reason)s, %(now)s)
), assigned AS (
    INSERT INTO cluster_assignment (task_id, cycle, node_id, state, started_at)
    VALUES (%(task)s, %(cycle)s, %(winner)s, 'active', %(now)s)
)
INSERT INTO cluster_bid (auction_id, rank, node_id, mean, variance, xi, price, wait_s, busy, slots,
    quality, bonus, cost_term, wait_term, load_term, bid, probe)
SELECT %(auction)s, row_number() OVER (), bids.* FROM unnest(
    %(node_ids)s::uuid[], %(mean)s::float8[], %(variance)s::float8[], %(xi)s::float8[],
    %(price)s::float8[], %(wait_s)s::float8[], %(busy)s::int[], %(slots)s::int[],
    %(quality)s::float8[], %(bonus)s::float8[], %(cost_term)s::float8[], %(wait_term)s::float8[],
    %(load_term)s::float8[], %(bid)s::float8[], %(probe)s::bool[]
) AS bids
"""


def slot_reserve(*, node_id: str, now: datetime) -> bool:
    """Take a slot of a node, if one is free; a quarantined node's next try is then a while away."""
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, [now, node_id])
        return cursor.rowcount > 0


def auction_keep(
    *,
    task: Task,
    step: HoldAuction,
    result: AuctionResult,
    winner_id: str,
    pinned: bool,
    reason: str,
    now: datetime,
) -> str:
    """Write down an auction with every bid, and whose slot the task holds; return its id."""
    auction_id = str(uuid4())
    values = {
        "auction": auction_id,
        "task": task.pk,
        "cycle": task.cycle,
        "pinned": pinned,
        "complexity": step.complexity,
        "weights": json.dumps(dict(step.weights)),
        "tools": json.dumps(list(step.tools)),
        "seed": str(result.seed),
        "excluded": json.dumps(dict(result.excluded)),
        "left_out": result.left_out,
        "terms": json.dumps(asdict(result.terms)),
        "winner": winner_id,
        "reason": reason,
        "now": now,
        "node_ids": array_text(bid.node_id for bid in result.bids),
    }
    columns = {
        column: array_text(repr(getattr(bid, name)) for bid in result.bids)
        for column, name in _TERMS.items()
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, {**values, **columns})
    return auction_id
