"""The rows of a settlement: locked in the documented order, and each written by one statement.

A settlement is the busiest transaction of the market, and others wait for its locks. So its
statements are written out, read only what is needed and are not built anew each time.

Locks are FOR NO KEY UPDATE: rows that point to a node, such as bids, may be written meanwhile.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from cluster.core.factors import Array
from cluster.core.posterior import Ema, Gaussian, averaged
from cluster.models import AgentNode, Family, Task

CALIBRATION_BINS = 10

# `from_db` takes a model's columns in the order of its fields; those left out are deferred.
# A node never changes its family, so that the family is found without the node's lock.
_FAMILY_LOCK = """
SELECT id, workspace_id, evidence, hard_errors, retry_at, rev FROM cluster_family
WHERE id = (SELECT family_id FROM cluster_agentnode WHERE id = %s) FOR NO KEY UPDATE
"""
# What is read beside the node is as it was when this began: after the family was locked, and
# whoever writes a capability holds its family.
_NODE_LOCK = """
SELECT d.id, c.n, c.ema, c.ema_n,
    n.id, n.workspace_id, n.family_id, n.state, n.evidence, n.declared, n.hard_errors, n.retry_at,
    n.busy, n.scored_n, n.scored_total, n.probe_n, n.probe_total, n.probe_squares, n.probed_at,
    n.quarantined_at, n.retired_at
FROM cluster_agentnode n
LEFT JOIN cluster_domain d ON d.workspace_id = n.workspace_id AND d.slug = %s
LEFT JOIN cluster_capability c ON c.node_id = n.id AND c.domain_id = d.id
WHERE n.id = %s FOR NO KEY UPDATE OF n
"""
_BESIDE = 4
_FAMILY = """
UPDATE cluster_family SET rev = %s, evidence = %s, tiled = %s, m = %s, v = %s, slope_m = %s,
    slope_v = %s, hard_errors = %s, retry_at = %s
WHERE id = %s
"""
_NODE = """
UPDATE cluster_agentnode SET evidence = %s, own = %s, influence = %s, m = %s, v = %s, state = %s,
    hard_errors = %s, retry_at = %s, quarantined_at = %s, retired_at = %s, scored_n = %s,
    scored_total = %s, probe_n = %s, probe_total = %s, probe_squares = %s, probed_at = %s
WHERE id = %s
"""
_CAPABILITY = """
INSERT INTO cluster_capability AS c (node_id, domain_id, m, v, n, ema, ema_n)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (node_id, domain_id) DO UPDATE
SET m = excluded.m, v = excluded.v, n = excluded.n, ema = excluded.ema, ema_n = excluded.ema_n
"""
_CALIBRATION = """
INSERT INTO cluster_calibration AS c
    (workspace_id, domain_id, bin, forecast_sum, score_sum, squared_error_sum, n)
VALUES (%s, %s, %s, %s, %s, %s, 1)
ON CONFLICT (workspace_id, domain_id, bin) DO UPDATE
SET forecast_sum = c.forecast_sum + excluded.forecast_sum,
    score_sum = c.score_sum + excluded.score_sum,
    squared_error_sum = c.squared_error_sum + excluded.squared_error_sum, n = c.n + 1
"""
_ENTRY = """
INSERT INTO cluster_marketentry (family_id, rev, task_id, cycle, node_id, evaluation, kind, score,
    complexity, weights, terms, at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The locked rows of a settlement.

    Attributes:
        domain_id: Of the work's main domain; None when there is none (any more).
        ema: What people read of this node in that domain so far, over `seen` results.
    """

    family: Family
    node: AgentNode
    domain_id: int | None
    seen: float
    ema: Ema


def standing_lock(*, node_id: str, main: str | None) -> Held:
    """Lock a node's family, then the node, and return what a settlement needs of both.

    Args:
        node_id: The node.
        main: Slug of the domain whose capability is read along.

    Raises:
        AgentNode.DoesNotExist: There is no such node (any more).
    """
    with connection.cursor() as cursor:
        cursor.execute(_FAMILY_LOCK, [node_id])
        found = cursor.fetchone()
        if found is None:
            raise AgentNode.DoesNotExist(f"There is no node {node_id!r}.")
        family = Family.from_db(connection.alias, _names(cursor.description), found)
        cursor.execute(_NODE_LOCK, [main, node_id])
        found = cursor.fetchone()
        if found is None:
            raise AgentNode.DoesNotExist(f"There is no node {node_id!r}.")
        names = _names(cursor.description)
    domain_id, seen, ema, ema_n = found[:_BESIDE]
    node = AgentNode.from_db(connection.alias, names[_BESIDE:], found[_BESIDE:])
    node.family = family
    return Held(
        family=family,
        node=node,
        domain_id=domain_id,
        seen=seen or 0.0,
        ema=Ema() if ema is None else Ema(ema, ema_n),
    )


def family_write(family: Family) -> None:
    """Write a locked family's row."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FAMILY,
            [
                family.rev, _array(family.evidence), _vector(family.tiled), family.m, family.v,
                family.slope_m, family.slope_v, family.hard_errors, family.retry_at, family.pk,
            ],
        )  # fmt: skip


def node_write(node: AgentNode) -> None:
    """Write a locked node's row: its evidence, its circuit and its life."""
    with connection.cursor() as cursor:
        cursor.execute(
            _NODE,
            [
                _array(node.evidence), _vector(node.own), _vector(node.influence), node.m, node.v,
                node.state, node.hard_errors, node.retry_at, node.quarantined_at, node.retired_at,
                node.scored_n, node.scored_total, node.probe_n, node.probe_total,
                node.probe_squares, node.probed_at, node.pk,
            ],
        )  # fmt: skip


def capability_write(held: Held, belief: Gaussian, score: float) -> None:
    """Keep for people what is now believed of a node in the domain it has just worked in."""
    ema = averaged(held.ema, score)
    with connection.cursor() as cursor:
        cursor.execute(
            _CAPABILITY,
            [held.node.pk, held.domain_id, *belief, held.seen + 1, ema.value, ema.n],
        )


def calibration_write(held: Held, predicted: float, score: float) -> None:
    """Note how a forecast came out, in its tenth."""
    bin_ = min(int(predicted * CALIBRATION_BINS), CALIBRATION_BINS - 1)
    off = (predicted - score) ** 2
    with connection.cursor() as cursor:
        cursor.execute(
            _CALIBRATION,
            [held.node.workspace_id, held.domain_id, bin_, predicted, score, off],
        )


def entry_write(
    held: Held,
    *,
    task: Task,
    evaluation: int,
    kind: str,
    score: float,
    complexity: float,
    weights: dict[str, float],
    terms: dict[str, Any],
    now: datetime,
) -> None:
    """Write a line of the ledger about a locked node.

    Raises:
        IntegrityError: This evaluation of this cycle was settled before.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _ENTRY,
            [
                held.family.pk, held.family.rev, task.pk, task.cycle, held.node.pk, evaluation,
                kind, score, complexity, json.dumps(weights), json.dumps(terms), now,
            ],
        )  # fmt: skip


def _names(description: Sequence[Any] | None) -> list[str]:
    return [column[0] for column in description or ()]


# Text that PostgreSQL reads is made faster than an adapted list, and `repr` keeps every bit.
def _array(values: Sequence[float]) -> str:
    return "{" + ",".join(map(repr, values)) + "}"


def _vector(values: Sequence[float] | Array | None) -> str | None:
    return None if values is None else "[" + ",".join(map(repr, values)) + "]"
