"""The market's ledger read again: whether the rows are what it says, and how they become so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db import connection, transaction

from cluster.core import factors, market, skill
from cluster.core.factors import Array, Space
from cluster.core.market import LedgerEntry
from cluster.core.posterior import Ema, averaged
from cluster.core.skill import Standing
from cluster.models import (
    AgentNode,
    Calibration,
    Capability,
    Domain,
    Family,
    Market,
    MarketEntry,
)
from cluster.services.books import (
    CALIBRATION_BINS,
    book_load,
    family_evidence_set,
    node_evidence,
    node_evidence_set,
)

SAME: Final = 1e-6
"""What rounding may differ by where factors were added since; mostly nothing differs at all."""
SAME_SINGLE: Final = 1e-4
"""The same for vectors, whose floats are single."""
_LEARNED: Final = ("score", "step", "merge", "undo")
FAMILY_FIELDS: Final = ("evidence", "tiled", "m", "v", "slope_m", "slope_v")
NODE_FIELDS: Final = ("evidence", "own", "influence", "m", "v")


_FORECASTS: Final = """
WITH told AS (
    SELECT d.id AS domain_id, least(floor(p * %(bins)s), %(bins)s - 1)::int AS bin, count(*) AS n,
        sum(p) AS forecast, sum(score) AS score, sum((p - score) ^ 2) AS squared
    FROM (
        SELECT e.terms->>'domain' AS slug, (e.terms->>'predicted')::float8 AS p, e.score
        FROM cluster_marketentry e JOIN cluster_family f ON f.id = e.family_id
        WHERE f.workspace_id = %(workspace)s AND e.kind = 'score'
    ) line
    JOIN cluster_domain d ON d.workspace_id = %(workspace)s AND d.slug = line.slug
    WHERE p IS NOT NULL GROUP BY 1, 2
), compared AS (
    SELECT coalesce(t.domain_id, c.domain_id) AS domain_id, coalesce(t.bin, c.bin) AS bin,
        coalesce(t.n, 0) AS n, coalesce(t.forecast, 0) AS forecast, coalesce(t.score, 0) AS score,
        coalesce(t.squared, 0) AS squared, greatest(
            abs(coalesce(t.n, 0) - coalesce(c.n, 0)),
            abs(coalesce(t.forecast, 0) - coalesce(c.forecast_sum, 0)),
            abs(coalesce(t.score, 0) - coalesce(c.score_sum, 0)),
            abs(coalesce(t.squared, 0) - coalesce(c.squared_error_sum, 0))) AS off
    FROM told t FULL JOIN (
        SELECT * FROM cluster_calibration WHERE workspace_id = %(workspace)s
    ) c ON c.domain_id = t.domain_id AND c.bin = t.bin
)
SELECT b.domain_id, d.slug, b.bin, b.off::float8, b.n, b.forecast, b.score, b.squared
FROM compared b JOIN cluster_domain d ON d.id = b.domain_id
WHERE b.off > %(same)s ORDER BY d.slug, b.bin
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One row that is not what the ledger says.

    Attributes:
        family: Its slug; empty where the row is of the whole workspace.
        agent: Whose node it is; empty for the family's own row.
        off: How far the furthest of its numbers is from the ledger's; None where the ledger cannot
            say, since lines of it are gone.
        reason: In a sentence.
    """

    family: str
    agent: str
    off: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the ledger of a workspace came to.

    Attributes:
        drift: The rows that were not what their ledger says.
        rebuilt: How many of them were set to it.
    """

    families: int
    nodes: int
    lines: int
    drift: tuple[Drift, ...]
    rebuilt: int


def market_audit(*, workspace_id: str, rebuild: bool = False) -> Audit:
    """Read a workspace's ledger from its first line on, and compare what it says with the rows.

    Families are looked at one after the other, each under its lock, so that the work goes on
    meanwhile. A family whose ledger has lost lines is left alone.

    Args:
        workspace_id: The workspace.
        rebuild: Set the rows that differ to what the ledger says.
    """
    at = book_load(workspace_id=workspace_id).space
    families = nodes = lines = rebuilt = 0
    drift: list[Drift] = []
    ids = Family.objects.filter(workspace_id=workspace_id).order_by("id")
    for family_id in ids.values_list("id", flat=True):
        with transaction.atomic():
            found = _family(family_id, at, rebuild=rebuild)
        families += 1
        nodes += found.nodes
        lines += found.lines
        rebuilt += found.rebuilt
        drift += found.drift
    if all(each.off is not None for each in drift):
        with transaction.atomic():
            off = _forecasts(workspace_id, rebuild=rebuild)
        drift += off
        rebuilt += len(off) if rebuild else 0
    return Audit(families=families, nodes=nodes, lines=lines, drift=tuple(drift), rebuilt=rebuilt)


def market_rebuilt(*, family: Family, at: Space) -> dict[str, Standing]:
    """Return the standing of every node of a locked family, from its ledger alone."""
    nodes = AgentNode.objects.filter(family=family).order_by("id").values_list("id", "declared")
    lines = MarketEntry.objects.filter(family=family, kind__in=_LEARNED)
    return market.rebuild(
        at,
        [_entry(*line) for line in lines.values_list("rev", "node_id", "kind", "terms")],
        declared={str(node_id): tuple(declared) for node_id, declared in nodes},
    )


def _family(family_id: int, at: Space, *, rebuild: bool) -> Audit:
    family = Family.objects.select_for_update(no_key=True).get(id=family_id)
    rows = AgentNode.objects.select_for_update(no_key=True, of=("self",)).filter(family=family)
    nodes = list(rows.select_related("agent").order_by("id"))
    lines = MarketEntry.objects.filter(family=family).count()
    drift: list[Drift] = []
    if lines != family.rev:
        reason = f"{family.rev} results were written and {lines} are left: it cannot be rebuilt"
        drift.append(Drift(family=family.slug, agent="", off=None, reason=reason))
    else:
        drift += _compared(family, nodes, at, rebuild=rebuild)
    return Audit(
        families=1,
        nodes=len(nodes),
        lines=lines,
        drift=tuple(drift),
        rebuilt=sum(each.off is not None for each in drift) if rebuild else 0,
    )


def _compared(
    family: Family, nodes: Sequence[AgentNode], at: Space, *, rebuild: bool
) -> list[Drift]:
    told = market_rebuilt(family=family, at=at)
    if not told:
        return []
    own = next(iter(told.values())).family
    drift: list[Drift] = []
    stored = skill.family_row(skill.family_from_row(family.evidence))
    multiplied = _vector(family.tiled)
    family_evidence_set(family, own, at)
    off = _off(stored, family.evidence, SAME), _off(multiplied, _vector(family.tiled), SAME_SINGLE)
    if max(off) > 0:
        drift.append(_differs(family, "", max(off)))
        if rebuild:
            family.save(update_fields=FAMILY_FIELDS)
    for node in nodes:
        standing = told[str(node.pk)]
        stored = skill.node_row(node_evidence(node))
        multiplied = [*_vector(node.own), *_vector(node.influence)]
        node_evidence_set(node, standing.node, at)
        again = [*_vector(node.own), *_vector(node.influence)]
        off = _off(stored, node.evidence, SAME), _off(multiplied, again, SAME_SINGLE)
        if max(off) > 0:
            drift.append(_differs(family, node.agent.slug, max(off)))
            if rebuild:
                node.m, node.v = skill.predict(at, standing, at.level)
                node.save(update_fields=NODE_FIELDS)
        drift += _records(family, node, standing, at, rebuild=rebuild)
    return drift


def _records(
    family: Family, node: AgentNode, standing: Standing, at: Space, *, rebuild: bool
) -> list[Drift]:
    """Compare what people read of a node, domain by domain, with what its lines come to."""
    lines = MarketEntry.objects.filter(family=family, node=node, kind="score").order_by("rev")
    told: dict[str, Ema] = {}
    for score, terms in lines.values_list("score", "terms"):
        if domain := terms.get("domain"):
            told[domain] = averaged(told.get(domain, Ema()), score)
    rows = Capability.objects.filter(node=node).select_related("domain")
    here = {row.domain.slug: row for row in rows}
    domains = Domain.objects.filter(workspace_id=node.workspace_id, slug__in=told)
    drift: list[Drift] = []
    # A domain that was deleted took its rows along.
    for slug, domain_id in domains.order_by("slug").values_list("slug", "id"):
        row, ema = here.get(slug), told[slug]
        kept = (0.0, 0.0, 0.0) if row is None else (row.n, row.ema, float(row.ema_n))
        off = max(abs(a - b) for a, b in zip(kept, (ema.n, ema.value, ema.n), strict=True))
        if off <= SAME:
            continue
        reason = f"what {node.agent.slug} did in {slug} is off by {off:.2g}"
        drift.append(Drift(family=family.slug, agent=node.agent.slug, off=off, reason=reason))
        if rebuild:
            m, v = skill.predict(at, standing, factors.features(at, {slug: 1.0}, 0.5))
            Capability.objects.update_or_create(
                node=node,
                domain_id=domain_id,
                defaults={"m": m, "v": v, "n": ema.n, "ema": ema.value, "ema_n": ema.n},
            )
    return drift


def _forecasts(workspace_id: str, *, rebuild: bool) -> list[Drift]:
    """Compare how forecasts came true with what all lines of a workspace say, in one look.

    Lines of before forecasts were written into them tell nothing of it.
    """
    if rebuild:  # nobody settles meanwhile
        list(Market.objects.select_for_update(no_key=True).filter(workspace_id=workspace_id))
    lines = MarketEntry.objects.filter(family__workspace_id=workspace_id, kind="score")
    if lines.exclude(terms__has_key="predicted").exists():
        return []
    values = {"workspace": workspace_id, "bins": CALIBRATION_BINS, "same": SAME}
    with connection.cursor() as cursor:
        cursor.execute(_FORECASTS, values)
        found = cursor.fetchall()
    drift: list[Drift] = []
    for domain_id, slug, at, off, n, forecast, score, squared in found:
        reason = f"forecasts of {slug} from {at / CALIBRATION_BINS:.1f} on are off by {off:.2g}"
        drift.append(Drift(family="", agent="", off=off, reason=reason))
        if rebuild:
            sums = {"forecast_sum": forecast, "score_sum": score, "squared_error_sum": squared}
            Calibration.objects.update_or_create(
                workspace_id=workspace_id, domain_id=domain_id, bin=at, defaults={"n": n, **sums}
            )
    return drift


def _differs(family: Family, agent: str, off: float) -> Drift:
    whose = f"node of {agent}" if agent else "family's own row"
    return Drift(
        family=family.slug, agent=agent, off=off, reason=f"the {whose} is off by {off:.2g}"
    )


def _vector(values: Sequence[float] | Array | None) -> list[float]:
    """Return a kept vector; one that is missing has no length."""
    return [] if values is None else [float(value) for value in values]


def _off(row: Sequence[float], told: Sequence[float], same: float) -> float:
    """Return how far two rows are apart at most; 0 within rounding."""
    here: Array = np.zeros(len(told))
    here[: len(row)] = row
    there: Array = np.array(told)
    if len(row) == len(told) and np.allclose(here, there, rtol=same, atol=same):
        return 0.0
    return float(np.abs(here - there).max())


def _entry(rev: int, node_id: object, kind: str, terms: dict[str, Any]) -> LedgerEntry:
    if kind == "merge":
        return LedgerEntry(rev=rev, node_id=str(node_id), kind="merge", source_id=terms["source"])
    if kind == "undo":
        return LedgerEntry(rev=rev, node_id=str(node_id), kind="undo", undoes=terms["merge"])
    return LedgerEntry(
        rev=rev,
        node_id=str(node_id),
        features=tuple(terms["features"]),
        likelihood=tuple(terms["likelihood"]),
    )
