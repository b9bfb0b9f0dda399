"""What a merge of two nodes of a family does to evidence, and its undoing from the ledger."""

from collections.abc import Mapping
from datetime import datetime

from cluster.core import skill
from cluster.core.factors import Space
from cluster.core.skill import Standing
from cluster.models import AgentNode, Family, MarketEntry
from cluster.services.books import (
    book_load,
    family_evidence_set,
    node_evidence,
    node_evidence_set,
)
from cluster.services.ledger import FAMILY_FIELDS, NODE_FIELDS, market_rebuilt

REPLAYED_MAX = 20_000
"""Lines of a ledger that are played again while its family is locked: some seconds."""


def evidence_merge(*, source: AgentNode, target: AgentNode, now: datetime) -> bool:
    """Give all that a node's own results said to another of its family; return whether it did.

    The family, then both nodes, are locked by the caller, who saves nothing of this. Across
    families nothing moves: what a result says of its family cannot be taken along.
    """
    if source.family_id != target.family_id or not source.evidence:
        return False
    at = book_load(workspace_id=str(source.workspace_id)).space
    family = Family.objects.select_for_update(no_key=True).get(id=source.family_id)
    merged, emptied, told = skill.absorb(
        at,
        into=node_evidence(target),
        source=node_evidence(source),
        family=skill.family_from_row(family.evidence),
    )
    standings = {
        str(target.pk): Standing(node=merged, family=told),
        str(source.pk): Standing(node=emptied, family=told),
    }
    family.rev += 1
    _write(family, [target, source], standings, at)
    _line(family, target, "merge", {"source": str(source.pk)}, now)
    return True


def evidence_unmerge(*, source: AgentNode, now: datetime) -> bool:
    """Give a node back what its last merge gave away; return whether the ledger allows it.

    The family, locked by the caller, is read again from its ledger as if the merge had never been,
    so that what was learned since stays. Where lines are gone, because tasks were erased,
    everything stays where it is.
    """
    lines = MarketEntry.objects.filter(family_id=source.family_id)
    undone = set(lines.filter(kind="undo").values_list("terms__merge", flat=True))
    merges = lines.filter(kind="merge", terms__source=str(source.pk)).order_by("-rev")
    merge = next((line for line in merges if line.rev not in undone), None)
    family = Family.objects.select_for_update(no_key=True).get(id=source.family_id)
    count = lines.count()
    if merge is None or count != family.rev or count > REPLAYED_MAX:
        return False
    at = book_load(workspace_id=str(source.workspace_id)).space
    rows = AgentNode.objects.select_for_update(no_key=True).filter(family=family)
    nodes = list(rows.order_by("id"))
    family.rev += 1
    _line(family, source, "undo", {"merge": merge.rev, "target": str(merge.node_id)}, now)
    _write(family, nodes, market_rebuilt(family=family, at=at), at)
    return True


def _write(
    family: Family, nodes: list[AgentNode], standings: Mapping[str, Standing], at: Space
) -> None:
    family_evidence_set(family, standings[str(nodes[0].pk)].family, at)
    family.save(update_fields=[*FAMILY_FIELDS, "rev"])
    for node in nodes:
        standing = standings[str(node.pk)]
        node_evidence_set(node, standing.node, at)
        node.m, node.v = skill.predict(at, standing, at.level)
        node.save(update_fields=NODE_FIELDS)


def _line(
    family: Family, node: AgentNode, kind: str, terms: Mapping[str, object], now: datetime
) -> None:
    MarketEntry.objects.create(
        family=family, rev=family.rev, cycle=0, node=node, kind=kind, complexity=0.0,
        terms=dict(terms), at=now,
    )  # fmt: skip
