"""What an auction decided, why, and whether its stored rows say so again."""

import math
from collections.abc import Sequence
from typing import Any

from cluster.core import auction
from cluster.core.auction import AuctionResult, BidTerms, Seed
from cluster.core.posterior import credible_interval, sigmoid
from cluster.models import Auction, Bid

_SAME = 1e-9


def auction_explained(row: Auction) -> dict[str, Any]:
    """Return an auction with each bid's terms, what was left out, and whether it replays.

    `reason` is the sentence why this one won; `chance`, `low` and `high` are what was believed of
    a bidder, with the range that holds nine times in ten.
    """
    bids = list(Bid.objects.filter(auction=row).select_related("node__agent").order_by("rank"))
    return {
        "id": str(row.id),
        "cycle": row.cycle,
        "pinned": row.pinned,
        "complexity": row.complexity,
        "domains": row.weights,
        "tools": row.tools,
        "excluded": row.excluded,
        "left_out": row.left_out,
        "seed": row.seed,
        "terms": row.terms,
        "winner": row.winner.agent.slug if row.winner else None,
        "reason": row.reason,
        "replays": replays(row, bids),
        "held_at": row.held_at.isoformat(),
        "bids": [_bid_shown(bid) for bid in bids],
    }


def replays(row: Auction, bids: Sequence[Bid]) -> bool:
    """Tell whether the auction held again from its rows gives the same bids in the same order."""
    try:
        task_id, cycle = row.seed.rsplit("|", 1)
        held = AuctionResult(
            seed=Seed(task_id=task_id, cycle=int(cycle)),
            x=row.complexity,
            terms=BidTerms(**row.terms),
            bids=tuple(_bid_read(bid) for bid in bids),
            left_out=row.left_out,
        )
        again = auction.replay(held)
    except (TypeError, ValueError):
        return False  # rows of another version of the rules
    return all(_same(then, now) for then, now in zip(held.bids, again.bids, strict=True))


def _same(then: auction.Bid, now: auction.Bid) -> bool:
    pairs = (
        (then.xi, now.xi),
        (then.quality, now.quality),
        (then.bonus, now.bonus),
        (then.cost_term, now.cost_term),
        (then.wait_term, now.wait_term),
        (then.load_term, now.load_term),
        (then.bid, now.bid),
    )
    return then.node_id == now.node_id and all(
        math.isclose(a, b, rel_tol=_SAME, abs_tol=_SAME) for a, b in pairs
    )


def _bid_read(bid: Bid) -> auction.Bid:
    return auction.Bid(
        node_id=str(bid.node_id),
        family_id=str(bid.node.family_id),
        m=bid.mean,
        v=bid.variance,
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


def _bid_shown(bid: Bid) -> dict[str, Any]:
    low, high = credible_interval(bid.mean, max(bid.variance, 0.0))
    return {
        "rank": bid.rank,
        "agent": bid.node.agent.slug,
        "node_id": str(bid.node_id),
        "bid": bid.bid,
        "mean": bid.mean,
        "variance": bid.variance,
        "chance": sigmoid(bid.mean),
        "low": low,
        "high": high,
        "xi": bid.xi,
        "price": bid.price,
        "wait_s": bid.wait_s,
        "busy": bid.busy,
        "slots": bid.slots,
        "quality": bid.quality,
        "bonus": bid.bonus,
        "cost_term": bid.cost_term,
        "wait_term": bid.wait_term,
        "load_term": bid.load_term,
        "probe": bid.probe,
    }
