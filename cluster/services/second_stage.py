"""The second stage of an auction: those who bid, as few columns of them as a bid is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from django.db import connection

from cluster.core import auction, skill
from cluster.core.factors import SIZE, Array, Space
from cluster.core.lifecycle import PROBE_GAP_S, Circuit, NodeLife, Record, probe_due

# Evidence leaves as PostgreSQL's own bytes: some eighty floats for each of 64 nodes take longer to
# print and to parse than the auction itself takes.
_ENTRANTS = """
SELECT n.id::text, n.family_id, n.agent_id::text, a.slug, a.tools::json, n.state, n.probed_at,
    n.busy, n.slots, n.task_count, n.cost_usd, n.seconds, n.hard_errors, n.retry_at,
    f.hard_errors, f.retry_at,
    array_send(n.evidence), array_send(n.declared), array_send(f.evidence)
FROM cluster_agentnode n
JOIN cluster_family f ON f.id = n.family_id
JOIN agents_agent a ON a.id = n.agent_id
WHERE n.id = ANY (%s::uuid[])
ORDER BY n.id
"""
# What `array_send` writes of an array of one dimension: a head, then a length before each value.
_HEAD = 20
_CELL = np.dtype([("length", ">i4"), ("value", ">f8")])


class _Row(NamedTuple):
    node_id: str
    family_id: int
    agent_id: str
    agent: str
    tools: list[str]
    state: str
    probed_at: datetime | None
    busy: int
    slots: int
    task_count: int
    cost_usd: Decimal
    seconds: float
    hard_errors: int
    retry_at: datetime | None
    family_errors: int
    family_retry_at: datetime | None
    evidence: bytes
    declared: bytes
    family_evidence: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A node of the second stage, and the agent behind it."""

    candidate: auction.Candidate
    agent_id: str
    agent: str


def entrants_read(
    *,
    node_ids: Sequence[str],
    usual_cost: Decimal | None,
    at: Space,
    now: datetime,
    probe_gap_s: float = PROBE_GAP_S,
) -> tuple[list[Entrant], skill.Field]:
    """Return these nodes in the order of their ids, and what is believed of them.

    Args:
        node_ids: Of the workspace's nodes.
        usual_cost: Median of the nodes' mean costs, which prices are over.
        at: The workspace's factors.
        now: Probes go by it.
        probe_gap_s: How long ago the last probe of a node must be for another.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENTRANTS, [list(node_ids)])
        rows = [_Row(*row) for row in cursor.fetchall()]
    entrants: list[Entrant] = []
    families: dict[int, skill.FamilyEvidence] = {}
    for row in rows:
        entrants.append(_entrant(row, usual_cost, now, probe_gap_s))
        if row.family_id not in families:
            families[row.family_id] = skill.family_from_row(
                _floats([row.family_evidence], skill.FAMILY_ROW)[0]
            )
    place = {family_id: n for n, family_id in enumerate(families)}
    field = skill.Field(at, node_count=len(rows), family_of=[place[row.family_id] for row in rows])
    evidence = _floats([row.evidence for row in rows], skill.NODE_ROW)
    declared = _floats([row.declared for row in rows], SIZE)
    field.put_nodes(0, skill.nodes_from_rows(evidence, declared))
    field.put_families(0, list(families.values()))
    return entrants, field


def _entrant(row: _Row, usual_cost: Decimal | None, now: datetime, probe_gap_s: float) -> Entrant:
    busy, slots = row.busy, row.slots
    mean_cost = row.cost_usd / row.task_count if row.task_count else None
    mean_s = row.seconds / row.task_count if row.task_count else 1.0
    life = NodeLife(row.state)
    due = probe_due(Record(life=life, probed_at=row.probed_at), now=now, gap_s=probe_gap_s)
    candidate = auction.Candidate(
        node_id=row.node_id,
        family_id=str(row.family_id),
        price=float(mean_cost / usual_cost) if mean_cost is not None and usual_cost else 1.0,
        expected_cost_usd=mean_cost,
        wait_s=0.0 if busy < slots else mean_s * (busy - slots + 1) / max(slots, 1),
        busy=busy,
        slots=slots,
        life=life,
        circuits=(
            Circuit(hard_errors=row.hard_errors, retry_at=row.retry_at),
            Circuit(hard_errors=row.family_errors, retry_at=row.family_retry_at),
        ),
        tools=frozenset(row.tools),
        probe_due=due,
    )
    return Entrant(candidate=candidate, agent_id=row.agent_id, agent=row.agent)


def _floats(sent: Sequence[bytes], length: int) -> Array:
    """Return arrays of this many floats each; an empty one has seen nothing, which is all zeros.

    Raises:
        ValueError: One has another length.
    """
    empty = bytes(length * _CELL.itemsize)
    cells = b"".join(each[_HEAD:] or empty for each in sent)
    return np.frombuffer(cells, _CELL)["value"].astype(np.float64).reshape(len(sent), length)
