"""The first stage of an auction in one statement: who may bid, and who of many is looked at.

The same rules as `auction.eligible` and `auction.shortlist`, where the rows are: of a thousand
nodes, 64 leave the database.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import connection

from cluster.core import auction, evaluator, factors, lifecycle
from cluster.core.auction import BidTerms, FirstStage, Requirement, Seed
from cluster.core.market import Book, Work
from cluster.services.sqltext import vector_text

# The mean bid: skill is own · asked + influence asked · the family's mean, a product of two vectors
# that are kept; the rest is `auction.mean_bid`. The pool is kept, since it is read more than once,
# and narrow: the long vectors do not leave it. Digests sort as bytes as they do in hexadecimal.
_STAGE = """
WITH lines AS MATERIALIZED (
    SELECT id, tiled * %(spread)s::vector AS told, hard_errors, retry_at
    FROM cluster_family WHERE workspace_id = %(workspace)s
), pool AS MATERIALIZED (
    SELECT n.id,
        n.state = 'quarantined' AND %(only)s::uuid[] IS NULL AS resting,
        n.cost_usd / nullif(n.task_count, 0) AS mean_cost,
        CASE WHEN n.busy < n.slots THEN 0
             ELSE coalesce(n.seconds / nullif(n.task_count, 0), 1.0)
                  * (n.busy - n.slots + 1) / greatest(n.slots, 1) END AS wait_s,
        coalesce(-(n.own <#> %(asked)s::vector) - (n.influence <#> f.told), %(unknown)s) AS m,
        CASE
            WHEN n.id <> ALL (%(only)s::uuid[]) THEN 'not_asked'
            WHEN n.id = ANY (%(without)s::uuid[]) THEN 'excluded'
            WHEN n.state = 'quarantined' AND %(only)s::uuid[] IS NULL
                AND n.probed_at > %(probed_before)s THEN 'quarantined'
            WHEN n.hard_errors >= %(errors)s AND (n.retry_at > %(now)s
                    OR n.retry_at IS NOT NULL AND n.busy > 0)
                OR f.hard_errors >= %(errors)s AND (f.retry_at > %(now)s
                    OR f.retry_at IS NOT NULL AND n.busy > 0) THEN 'circuit'
            WHEN NOT a.tools @> %(tools)s::jsonb THEN 'tools'
            WHEN %(budget)s::numeric <= 0
                OR n.cost_usd / nullif(n.task_count, 0) > %(budget)s::numeric THEN 'budget'
        END AS reason
    FROM cluster_agentnode n
    JOIN lines f ON f.id = n.family_id
    JOIN agents_agent a ON a.id = n.agent_id
    WHERE n.workspace_id = %(workspace)s AND n.state <> 'retired' AND a.enabled
), usual AS MATERIALIZED (
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY mean_cost) AS cost FROM pool
), placed AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY mean_bid DESC, id) AS place FROM (
        SELECT p.id, %(lo)s + %(scale)s / (1 + exp(-p.m))
            - %(cost_weight)s * %(work)s
                * CASE WHEN u.cost > 0 THEN coalesce(p.mean_cost / u.cost, 1) ELSE 1 END
            - %(wait_weight)s * least(p.wait_s / %(wait_full_s)s, 1.0) AS mean_bid
        FROM pool p, usual u WHERE p.reason IS NULL AND NOT p.resting
    ) offered
), lots AS (
    SELECT id FROM placed WHERE place > %(best)s
    ORDER BY sha256(convert_to(%(seed)s || '|lot|' || id, 'UTF8')), id LIMIT %(others)s
)
SELECT
    (SELECT cost FROM usual),
    (SELECT count(*) FROM placed),
    (SELECT json_object_agg(reason, n) FROM (
        SELECT reason, count(*) AS n FROM pool WHERE reason IS NOT NULL GROUP BY reason) r),
    ARRAY(SELECT id FROM placed WHERE place <= %(best)s UNION ALL SELECT id FROM lots),
    ARRAY(SELECT id FROM pool WHERE resting AND reason IS NULL ORDER BY id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortlist:
    """Who is looked at in the second stage, and what was left out.

    Attributes:
        node_ids: At most 64 who bid, and those in quarantine who may be tried.
        usual_cost: Median of the nodes' mean costs; None while nobody has cost anything.
    """

    node_ids: tuple[str, ...]
    usual_cost: Decimal | None
    before: FirstStage


def shortlist_read(
    *,
    workspace_id: str,
    book: Book,
    work: Work,
    requirement: Requirement,
    terms: BidTerms,
    seed: Seed,
    now: datetime,
    probe_gap_s: float = lifecycle.PROBE_GAP_S,
) -> Shortlist:
    """Return who passes the hard filters and the first stage, with the counts of who did not.

    Whoever is in quarantine passes where its last probe is `probe_gap_s` ago.
    """
    asked = factors.features(book.space, work.weights, work.x)
    lo, hi = evaluator.scale(book.channel)
    values: dict[str, Any] = {
        "workspace": workspace_id,
        "only": None if requirement.only is None else sorted(requirement.only),
        "without": sorted(requirement.excluded),
        "probed_before": now - timedelta(seconds=probe_gap_s),
        "errors": lifecycle.CIRCUIT_ERRORS,
        "now": now,
        "tools": json.dumps(sorted(requirement.tools)),
        "budget": requirement.budget_usd,
        "asked": vector_text(asked),
        "spread": vector_text(np.repeat(asked, factors.SIZE)),
        "unknown": float(asked @ book.space.family_mean),
        "cost_weight": terms.cost_weight,
        "work": auction.WORK_BASE + work.x,
        "wait_weight": terms.wait_weight,
        "wait_full_s": terms.wait_full_s,
        "lo": lo,
        "scale": hi - lo,
        "seed": str(seed),
        "best": auction.BEST_BY_MEAN,
        "others": auction.SECOND_STAGE - auction.BEST_BY_MEAN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STAGE, values)
        row = cursor.fetchone()
    assert row is not None
    usual, bidders, reasons, chosen, resting = row
    excluded = json.loads(reasons) if isinstance(reasons, str) else reasons or {}
    return Shortlist(
        node_ids=tuple(str(pk) for pk in [*chosen, *resting]),
        usual_cost=usual,
        before=FirstStage(excluded=excluded, left_out=bidders - len(chosen)),
    )
