"""The rows of a settlement: locked in the documented order, and written by one statement.

A settlement is the busiest transaction of the market, and others wait for its locks. So its
statements are written out, read only what is needed and are not built anew each time.

Locks are FOR NO KEY UPDATE: rows that point to a node, such as bids, may be written meanwhile.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from cluster.core.posterior import Ema, Gaussian, averaged
from cluster.models import AgentNode, Family, Task
from cluster.services.lives import CIRCUIT_FIELDS, LIFE_FIELDS
from cluster.services.sqltext import floats_text, vector_text

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
# All that one result changes but the workspace's own row. Every row that is changed is locked
# already, so that the order of the parts is of no matter.
_WRITE = """
WITH family AS (
    UPDATE cluster_family SET rev = %(rev)s, evidence = %(family_evidence)s, tiled = %(tiled)s,
        m = %(family_m)s, v = %(family_v)s, slope_m = %(slope_m)s, slope_v = %(slope_v)s,
        hard_errors = %(family_errors)s, retry_at = %(family_retry_at)s
    WHERE id = %(family)s
), node AS (
    UPDATE cluster_agentnode SET evidence = %(evidence)s, own = %(own)s, influence = %(influence)s,
        m = %(m)s, v = %(v)s, state = %(state)s, hard_errors = %(hard_errors)s,
        retry_at = %(retry_at)s, quarantined_at = %(quarantined_at)s, retired_at = %(retired_at)s,
        scored_n = %(scored_n)s, scored_total = %(scored_total)s, probe_n = %(probe_n)s,
        probe_total = %(probe_total)s, probe_squares = %(probe_squares)s, probed_at = %(probed_at)s
    WHERE id = %(node)s
), capability AS (
    INSERT INTO cluster_capability (node_id, domain_id, m, v, n, ema, ema_n)
    SELECT %(node)s, %(domain)s, %(believed_m)s, %(believed_v)s, %(seen)s, %(ema)s, %(ema_n)s
    WHERE %(domain)s IS NOT NULL
    ON CONFLICT (node_id, domain_id) DO UPDATE SET m = excluded.m, v = excluded.v,
        n = excluded.n, ema = excluded.ema, ema_n = excluded.ema_n
)
INSERT INTO cluster_marketentry (family_id, rev, task_id, cycle, node_id, evaluation, kind, score,
    complexity, weights, terms, at)
VALUES (%(family)s, %(rev)s, %(task)s, %(cycle)s, %(node)s, %(evaluation)s, %(kind)s, %(score)s,
    %(complexity)s, %(weights)s, %(terms)s, %(now)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a line of the ledger says."""

    task: Task
    evaluation: int
    kind: str
    score: float
    complexity: float
    weights: Mapping[str, float]
    terms: Mapping[str, Any]


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


def standing_write(held: Held, line: Line, *, belief: Gaussian | None, now: datetime) -> None:
    """Write the locked rows and the line of the ledger that says why they changed.

    Args:
        held: With the new values in its family and its node.
        line: One for each evaluation.
        belief: What is believed of the node now in the work's main domain, for people to read;
            None leaves it as it is.
        now: When.

    Raises:
        IntegrityError: This evaluation of this cycle was settled before.
    """
    family, node = held.family, held.node
    ema = averaged(held.ema, line.score)
    believed = belief or Gaussian(0.0, 0.0)
    values: dict[str, Any] = {
        "family": family.pk,
        "rev": family.rev,
        "family_evidence": floats_text(family.evidence),
        "tiled": vector_text(family.tiled),
        "family_m": family.m,
        "family_v": family.v,
        "slope_m": family.slope_m,
        "slope_v": family.slope_v,
        "family_errors": family.hard_errors,
        "family_retry_at": family.retry_at,
        "node": node.pk,
        "evidence": floats_text(node.evidence),
        "own": vector_text(node.own),
        "influence": vector_text(node.influence),
        "m": node.m,
        "v": node.v,
        **{name: getattr(node, name) for name in (*CIRCUIT_FIELDS, *LIFE_FIELDS)},
        "domain": held.domain_id if belief else None,
        "believed_m": believed.m,
        "believed_v": believed.v,
        "seen": held.seen + 1,
        "ema": ema.value,
        "ema_n": ema.n,
        "task": line.task.pk,
        "cycle": line.task.cycle,
        "evaluation": line.evaluation,
        "kind": line.kind,
        "score": line.score,
        "complexity": line.complexity,
        "weights": json.dumps(dict(line.weights)),
        "terms": json.dumps(dict(line.terms)),
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, values)


def _names(description: Sequence[Any] | None) -> list[str]:
    return [column[0] for column in description or ()]
