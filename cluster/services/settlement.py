"""ADAPT in the database: one update of capability per task, cycle, node and evaluation."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import F

from cluster.core import posterior
from cluster.core.steps import Settle
from cluster.core.types import Adapted, Sensed
from cluster.models import (
    AgentNode,
    Calibration,
    Capability,
    Domain,
    Family,
    FamilyDomain,
    MarketEntry,
    Task,
)
from cluster.services.auctions import standing_of
from cluster.services.lives import (
    CIRCUIT_FIELDS,
    LIFE_FIELDS,
    node_answered,
    node_erred,
    node_scored,
)
from cluster.services.rewards import reward_write

CALIBRATION_BINS = 10


def verdict_settle(
    *, task: Task, step: Settle, sensed: Sensed, predicted: float | None, now: datetime
) -> Adapted:
    """Write the reward of a locked task's cycle, and let the market learn from it, once."""
    reward_write(task=task, verdict=step.verdict, node_id=step.node_id, evaluation=0)
    if step.node_id is None:
        return Adapted(settled=0, reason=step.reason)
    if step.hard_error:
        return _hard_error(task, step, sensed, now)
    assert step.verdict.score is not None  # adapt.step names a node only with a score
    terms = score_settle(
        task=task,
        node_id=step.node_id,
        score=step.verdict.score,
        sensed=sensed,
        evaluation=0,
        predicted=predicted,
        now=now,
    )
    return Adapted(settled=1, reason="capability updated", terms=terms)


def score_settle(
    *,
    task: Task,
    node_id: str,
    score: float,
    sensed: Sensed,
    evaluation: int,
    predicted: float | None,
    now: datetime,
) -> dict[str, Any]:
    """Update the posterior by one score.

    Locks are taken in the order family, family in domain, node, node in domain.

    Raises:
        IntegrityError: This evaluation of this cycle was settled before.
    """
    family_id = AgentNode.objects.values_list("family_id", flat=True).get(id=node_id)
    domains = {
        d.slug: d
        for d in Domain.objects.filter(
            workspace_id=task.workspace_id, slug__in=list(sensed.weights)
        )
    }
    weights = _known_weights(sensed.weights, domains)
    family = Family.objects.select_for_update().get(id=family_id)
    pooled = _family_domains(family, weights, domains)
    node = AgentNode.objects.select_for_update().get(id=node_id)
    node.family = family
    own = _capabilities(node, weights, domains)
    before = standing_of(
        node,
        {(family.pk, d): row for d, row in pooled.items()},
        {(node.pk, d): row for d, row in own.items()},
        list(weights),
    )
    settled = posterior.settle(before, weights, sensed.complexity, score)
    family.m, family.v = settled.family.m, settled.family.v
    family.slope_m, family.slope_v = settled.family.slope_m, settled.family.slope_v
    family.rev += 1
    family.save(update_fields=["m", "v", "slope_m", "slope_v", "rev"])
    for slug, gaussian in settled.family_domains.items():
        pooled[slug].m, pooled[slug].v = gaussian.m, gaussian.v
    FamilyDomain.objects.bulk_update(pooled.values(), ["m", "v"])
    node.m, node.v = settled.node.m, settled.node.v
    node_answered(node=node)
    event = node_scored(node=node, task=task, score=score, now=now)
    node.save(update_fields=["m", "v", *CIRCUIT_FIELDS, *LIFE_FIELDS])
    for slug, row in own.items():
        now_row = settled.capabilities[slug]
        row.m, row.v, row.n = now_row.m, now_row.v, now_row.n
        row.ema, row.ema_n = now_row.ema, now_row.ema_n
    Capability.objects.bulk_update(own.values(), ["m", "v", "n", "ema", "ema_n"])
    terms = {
        "expected": settled.expected,
        "p": settled.p,
        "score": score,
        "surprise": settled.surprise,
        "before": list(settled.before),
        "after": list(settled.after),
        "gain": settled.gain,
        "life": event,
    }
    MarketEntry.objects.create(
        family=family,
        rev=family.rev,
        task=task,
        cycle=task.cycle,
        node=node,
        evaluation=evaluation,
        score=score,
        complexity=sensed.complexity,
        weights=weights,
        terms=terms,
        at=now,
    )
    if predicted is not None and weights:
        _calibrate(task, domains[max(weights, key=lambda d: weights[d])], predicted, score)
    return terms


def _known_weights(weights: Mapping[str, float], domains: Mapping[str, Domain]) -> dict[str, float]:
    """Leave out domains that were deleted since; the rest share their weight."""
    known = {slug: w for slug, w in weights.items() if slug in domains}
    total = math.fsum(known.values())
    return {slug: w / total for slug, w in sorted(known.items())} if total else {}


def _family_domains(
    family: Family, weights: Mapping[str, float], domains: Mapping[str, Domain]
) -> dict[str, FamilyDomain]:
    start = posterior.FAMILY_DOMAIN_START
    FamilyDomain.objects.bulk_create(
        [FamilyDomain(family=family, domain=domains[d], m=start.m, v=start.v) for d in weights],
        ignore_conflicts=True,
    )
    rows = (
        FamilyDomain.objects.select_for_update()
        .filter(family=family, domain_id__in=[domains[d].pk for d in weights])
        .order_by("id")
    )
    slugs = {domain.pk: slug for slug, domain in domains.items()}
    return {slugs[row.domain_id]: row for row in rows}


def _capabilities(
    node: AgentNode, weights: Mapping[str, float], domains: Mapping[str, Domain]
) -> dict[str, Capability]:
    start = posterior.capability_start(declared=False)
    Capability.objects.bulk_create(
        [Capability(node=node, domain=domains[d], m=start.m, v=start.v) for d in weights],
        ignore_conflicts=True,
    )
    rows = (
        Capability.objects.select_for_update()
        .filter(node=node, domain_id__in=[domains[d].pk for d in weights])
        .order_by("id")
    )
    slugs = {domain.pk: slug for slug, domain in domains.items()}
    return {slugs[row.domain_id]: row for row in rows}


def _hard_error(task: Task, step: Settle, sensed: Sensed, now: datetime) -> Adapted:
    """Count a hard error towards the node's circuit; skill is not touched."""
    family_id = AgentNode.objects.values_list("family_id", flat=True).get(id=step.node_id)
    family = Family.objects.select_for_update().get(id=family_id)
    node = AgentNode.objects.select_for_update().get(id=step.node_id)
    circuit = node_erred(node=node, reason=step.reason, now=now)
    node.save(update_fields=[*CIRCUIT_FIELDS])
    family.rev += 1
    family.save(update_fields=["rev"])
    MarketEntry.objects.create(
        family=family,
        rev=family.rev,
        task=task,
        cycle=task.cycle,
        node=node,
        kind="hard_error",
        complexity=sensed.complexity,
        weights=dict(sensed.weights),
        terms={"reason": step.reason, "hard_errors": circuit.hard_errors},
        at=now,
    )
    return Adapted(
        settled=1, reason=f"hard error ({step.reason}): availability noted, skill untouched"
    )


def _calibrate(task: Task, domain: Domain, predicted: float, score: float) -> None:
    """Note how a forecast came out, in its tenth."""
    bin_ = min(int(predicted * CALIBRATION_BINS), CALIBRATION_BINS - 1)
    row, _ = Calibration.objects.get_or_create(
        workspace_id=task.workspace_id, domain=domain, bin=bin_
    )
    Calibration.objects.filter(pk=row.pk).update(
        forecast_sum=F("forecast_sum") + predicted,
        score_sum=F("score_sum") + score,
        squared_error_sum=F("squared_error_sum") + (predicted - score) ** 2,
        n=F("n") + 1,
    )
