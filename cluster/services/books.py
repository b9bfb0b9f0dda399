"""What a workspace's market knows beside its nodes: its domains' factors, its evaluators, SENSE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection, transaction

from cluster.core import evaluator, factors, skill
from cluster.core.factors import Anchor, Space
from cluster.core.market import Book, Work, book_learned
from cluster.core.posterior import Gaussian
from cluster.core.sensing import Trust
from cluster.core.skill import NodeEvidence
from cluster.models import AgentNode, Domain, Family, Market
from cluster.selectors.books import OpenBook, book_open, channel_of, trust_of
from cluster.services.sqltext import floats_text

UNTOLD_MAX = 64
"""Domains that can be told apart while there is nothing to embed them with."""
_NOWHERE = factors.space({})
_LEARNED_LOCK = """
SELECT good, bad, seen, grades, cosine_trust, cosine_n, label_trust, label_n
FROM cluster_market WHERE workspace_id = %s FOR NO KEY UPDATE
"""
# Parts of a task are settled together, in any order of their forecasts: only whoever holds the
# market's row writes these.
_LEARNED = """
WITH forecast AS (
    INSERT INTO cluster_calibration AS c
        (workspace_id, domain_id, bin, forecast_sum, score_sum, squared_error_sum, n)
    SELECT %(workspace)s, %(domain)s, %(bin)s, %(predicted)s, %(score)s, %(off)s, 1
    WHERE %(domain)s IS NOT NULL
    ON CONFLICT (workspace_id, domain_id, bin) DO UPDATE SET
        forecast_sum = c.forecast_sum + excluded.forecast_sum,
        score_sum = c.score_sum + excluded.score_sum,
        squared_error_sum = c.squared_error_sum + excluded.squared_error_sum, n = c.n + 1
)
UPDATE cluster_market SET good = %(good)s, bad = %(bad)s, seen = %(seen)s, grades = %(grades)s,
    cosine_trust = %(cosine)s, cosine_n = %(cosine_n)s,
    label_trust = %(label)s, label_n = %(label_n)s, rev = rev + 1
WHERE workspace_id = %(workspace)s
"""
CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How well a task was expected to go, and in which domain it is looked at."""

    domain_id: int
    predicted: float


def book_load(*, workspace_id: str) -> Book:
    """Return what the market of a workspace knows, as it is at this moment."""
    return market_open(workspace_id=workspace_id).book


def market_open(*, workspace_id: str) -> OpenBook:
    """Return the book with the operators' settings; a first call opens the market."""
    found = book_open(workspace_id=workspace_id)
    if not found.opened:
        market_ensure(workspace_id=workspace_id)
        found = book_open(workspace_id=workspace_id)
    if found.unplaced:
        factors_renew(workspace_id=workspace_id)
        found = book_open(workspace_id=workspace_id)
    return found


def market_ensure(*, workspace_id: str) -> Market:
    """Return a workspace's market row; the first call makes it, and its factors."""
    row = Market.objects.defer("anchors").filter(workspace_id=workspace_id).first()
    if row is not None:
        return row
    start, trust = evaluator.CHANNEL_START, Trust()
    with transaction.atomic():
        Market.objects.bulk_create(
            [
                Market(
                    workspace_id=workspace_id,
                    good=list(start.good),
                    bad=list(start.bad),
                    label_trust=trust.label,
                    label_n=trust.label_n,
                    cosine_trust=trust.cosine,
                    cosine_n=trust.cosine_n,
                )
            ],
            ignore_conflicts=True,
        )
        factors_renew(workspace_id=workspace_id)
    return Market.objects.defer("anchors").get(workspace_id=workspace_id)


def factors_renew(*, workspace_id: str) -> None:
    """Give every domain its place in the factors; a kind of work unlike the others adds one.

    What was there before keeps its meaning, so no evidence has to be touched.
    """
    row = Market.objects.get(workspace_id=workspace_id)
    at, domains = _factors(row)
    if [anchor.domain for anchor in at.anchors] == [name for name, _ in row.anchors] and row.level:
        _places_keep(domains, at)
        return
    with transaction.atomic():
        # In the order in which settlements lock, the market's row last.
        families = list(
            Family.objects.select_for_update(no_key=True)
            .filter(workspace_id=workspace_id)
            .order_by("id")
        )
        nodes = list(
            AgentNode.objects.select_for_update(no_key=True)
            .filter(workspace_id=workspace_id)
            .order_by("id")
        )
        row = Market.objects.select_for_update(no_key=True).get(workspace_id=workspace_id)
        at, domains = _factors(row)
        row.anchors = [[anchor.domain, list(anchor.centroid)] for anchor in at.anchors]
        row.level = at.level.tolist()
        row.save(update_fields=["anchors", "level"])
        _places_keep(domains, at)
        _caches_renew(families, nodes, at)


def _factors(row: Market) -> tuple[Space, list[Domain]]:
    domains = list(
        Domain.objects.filter(workspace_id=row.workspace_id, state=Domain.State.ACTIVE).order_by(
            "id"
        )
    )
    points = _points(domains)
    return factors.space(points, anchors=_anchors(row, points)), domains


def _places_keep(domains: Sequence[Domain], at: Space) -> None:
    for domain in domains:
        place = at.loadings.get(domain.slug)
        domain.loading = [] if place is None else place.tolist()
    Domain.objects.bulk_update(domains, ["loading"])


def book_keep(
    *, workspace_id: str, work: Work, score: float, before: Gaussian, forecast: Forecast | None
) -> None:
    """Let a workspace's market learn from a score how far its evaluators are to be believed.

    Called last in a settlement: everybody shares this row, and it is held until the commit. How
    the forecast came out is noted in its tenth.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LEARNED_LOCK, [workspace_id])
        row = cursor.fetchone()
        assert row is not None  # nobody settles before the market was opened
        good, bad, seen, graded, *believed = row
        channel, trust = channel_of(good, bad, seen, graded), trust_of(*believed)
        found = book_learned(
            Book(space=_NOWHERE, channel=channel, trust=trust), work, score, before
        )
        channel, trust = found.channel, found.trust
        predicted = forecast.predicted if forecast else 0.0
        cursor.execute(
            _LEARNED,
            {
                "workspace": workspace_id,
                "good": floats_text(channel.good),
                "bad": floats_text(channel.bad),
                "seen": floats_text(channel.seen),
                "grades": floats_text(channel.grades),
                "cosine": trust.cosine,
                "cosine_n": trust.cosine_n,
                "label": trust.label,
                "label_n": trust.label_n,
                "domain": forecast.domain_id if forecast else None,
                "bin": min(int(predicted * CALIBRATION_BINS), CALIBRATION_BINS - 1),
                "predicted": predicted,
                "score": score,
                "off": (predicted - score) ** 2,
            },
        )


def node_evidence(node: AgentNode) -> NodeEvidence:
    """Return a node's evidence from its row."""
    return skill.node_from_row(node.evidence, node.declared)


def node_evidence_set(node: AgentNode, evidence: NodeEvidence, at: Space) -> None:
    """Put evidence into a node's row, with what the first stage multiplies; the caller saves."""
    node.evidence = skill.node_row(evidence)
    own, influence, _ = skill.node_beliefs(at, [evidence])
    node.own, node.influence = own[0].tolist(), influence[0].T.ravel().tolist()


def family_evidence_set(family: Family, evidence: skill.FamilyEvidence, at: Space) -> None:
    """Put evidence into a family's row, with what the first stage multiplies; the caller saves."""
    family.evidence = skill.family_row(evidence)
    mean, covariance = skill.family_beliefs(at, [evidence])
    family.tiled = np.tile(mean[0], factors.SIZE).tolist()
    family.m = float(mean[0] @ at.level)
    family.v = float(at.level @ covariance[0] @ at.level)
    family.slope_m, family.slope_v = float(mean[0][-1]), float(covariance[0][-1, -1])


def _caches_renew(families: Sequence[Family], nodes: Sequence[AgentNode], at: Space) -> None:
    for family in families:
        family_evidence_set(family, skill.family_from_row(family.evidence), at)
    Family.objects.bulk_update(families, ["evidence", "tiled", "m", "v", "slope_m", "slope_v"])
    for node in nodes:
        node_evidence_set(node, node_evidence(node), at)
    AgentNode.objects.bulk_update(nodes, ["evidence", "own", "influence"], batch_size=500)


def _points(domains: Sequence[Domain]) -> dict[str, list[float]]:
    """Return a direction for each domain; while none has a centroid they are all unlike."""
    told = {d.slug: [float(x) for x in d.centroid] for d in domains if d.centroid is not None}
    if told:
        return {d.slug: told[d.slug] for d in domains if d.slug in told}
    width = min(len(domains), UNTOLD_MAX)
    return {d.slug: [float(i % width == j) for j in range(width)] for i, d in enumerate(domains)}


def _anchors(row: Market, points: Mapping[str, Sequence[float]]) -> tuple[Anchor, ...]:
    """Return the anchors; made with another embedding, each is taken anew from its domain."""
    lengths = {len(point) for point in points.values()}
    kept = tuple(Anchor(domain=name, centroid=tuple(point)) for name, point in row.anchors)
    if all(len(anchor.centroid) in lengths for anchor in kept):
        return kept
    again = dict.fromkeys(anchor.domain for anchor in kept if anchor.domain in points)
    return tuple(Anchor(domain=name, centroid=tuple(points[name])) for name in again)
