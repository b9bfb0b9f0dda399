"""What the cluster believes about skill: Gaussian rows in logit space, one update per result.

A belief is a sum of coefficients, each one row of two floats: the family, its slope over
complexity, family x domain, the node, node x domain. `predict` adds them up for one kind of work,
`settle` moves all of them after one evaluated score. Both are pure: the shell locks the rows,
passes their values in and writes the returned values back, so twenty results in flight each act on
what is really there.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from cluster.core.errors import ScoreInvalid

FAMILY_M: Final = 0.55
FAMILY_V: Final = 0.60
SLOPE_M: Final = 2.4
SLOPE_V: Final = 0.30
FAMILY_DOMAIN_V: Final = 0.50
NODE_V: Final = 0.35
CAPABILITY_V: Final = 0.45
DECLARED_M: Final = 0.35
"""Head start of a node in a domain that it says is its own."""

LABEL_TRUST: Final = 0.65
TEMPERATURE: Final = 0.22
EMA_ALPHA: Final = 0.3
FORGET_N: Final = 4000
"""Results of one node after which a row's variance would be back at its start."""
NODE_FORGETS: Final = 3
"""A node's level changes faster than its profile: it forgets this many times as fast."""
NOISE_V: Final = 0.03
"""Variance of an evaluator's score around the truth."""
GRADIENT_MIN: Final = 0.04
"""Below this the curve is so flat that a surprise would not teach anything at all."""
CLIP: Final = 2.5
"""One result never counts for more than this many standard deviations."""
PROBIT: Final = math.pi / 8


class Gaussian(NamedTuple):
    """Mean and variance, in logit space."""

    m: float
    v: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyState:
    """The row of a family: its level, and what it loses from the easiest to the hardest work."""

    m: float = FAMILY_M
    v: float = FAMILY_V
    slope_m: float = SLOPE_M
    slope_v: float = SLOPE_V


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """The row of a node in one domain; `ema` is for people to read and decides nothing."""

    m: float = 0.0
    v: float = CAPABILITY_V
    n: int = 0
    ema: float = 0.0
    ema_n: int = 0


FAMILY_START: Final = FamilyState()
FAMILY_DOMAIN_START: Final = Gaussian(0.0, FAMILY_DOMAIN_V)
NODE_START: Final = Gaussian(0.0, NODE_V)


def capability_start(*, declared: bool) -> Capability:
    """Return the row of a node that has done nothing in this domain yet."""
    return Capability(m=DECLARED_M if declared else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All rows that say how good one node is; a missing domain stands for its start value.

    Attributes:
        family_domains: By domain.
        capabilities: By domain.
        declared: Domains that the node says are its own; counts only where no row exists yet.
    """

    family: FamilyState = FAMILY_START
    family_domains: Mapping[str, Gaussian] = field(default_factory=dict[str, Gaussian])
    node: Gaussian = NODE_START
    capabilities: Mapping[str, Capability] = field(default_factory=dict[str, Capability])
    declared: frozenset[str] = frozenset()

    def capability(self, domain: str) -> Capability:
        """Return the row of this domain, or what it would start as."""
        row = self.capabilities.get(domain)
        return row if row is not None else capability_start(declared=domain in self.declared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The rows after one score, complete for the domains that took part, and why they moved.

    Attributes:
        family_domains: Only the domains of the task.
        capabilities: Only the domains of the task.
        before: The belief that the score was compared with, after forgetting.
        after: The belief about the same work now.
        p: Probability of a good answer that was expected.
        expected: Score that was expected.
        surprise: Score minus expectation, in standard deviations, before clipping.
        error: What the rows learned from: the surprise, clipped, as a difference of scores.
        gain: What each coefficient's variance and feature are multiplied by.
    """

    family: FamilyState
    family_domains: Mapping[str, Gaussian]
    node: Gaussian
    capabilities: Mapping[str, Capability]
    before: Gaussian
    after: Gaussian
    p: float
    expected: float
    surprise: float
    error: float
    gain: float


def sigmoid(z: float) -> float:
    """Return 1 / (1 + e^-z) without overflow."""
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


def success_probability(m: float, v: float) -> float:
    """Return the probability of a good answer, the uncertainty about the skill averaged out."""
    return sigmoid(m / math.sqrt(1.0 + PROBIT * v))


def domain_weights(similarities: Mapping[str, float], label: str | None) -> dict[str, float]:
    """Return how much of each domain a task is: at most two domains, heaviest first, sum 1.

    Args:
        similarities: Cosine of the task's embedding with each domain's centroid.
        label: The domain that SENSE named, or None. One without a centroid yet counts as near as
            the nearest, so that it borrows from that neighbour.

    Raises:
        ScoreInvalid: A similarity is not a finite number.
    """
    cosines = checked_similarities(similarities, label)
    top = max(cosines.values(), default=0.0)
    other = (1.0 - LABEL_TRUST) / max(len(cosines) - 1, 1)
    weights = {
        domain: math.exp((cos - top) / TEMPERATURE)
        * (1.0 if label is None else LABEL_TRUST if domain == label else other)
        for domain, cos in cosines.items()
    }
    best = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:2]
    total = sum(weight for _, weight in best)
    return {domain: weight / total for domain, weight in best}


def checked_similarities(similarities: Mapping[str, float], label: str | None) -> dict[str, float]:
    """Return the cosines; a label without a centroid counts as near as the nearest domain.

    Raises:
        ScoreInvalid: A similarity is not a finite number.
    """
    for domain, cos in similarities.items():
        if not math.isfinite(cos):
            raise _invalid(f"similarity to {domain!r}", cos, "a finite number")
    cosines = dict(similarities)
    if label is not None:
        cosines.setdefault(label, max(cosines.values(), default=0.0))
    return cosines


def checked_score(value: object, *, field: str = "score") -> float:
    """Return `value` as a score.

    Raises:
        ScoreInvalid: It is not a finite number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(field, value, "a number from 0 to 1")
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise _invalid(field, value, "a number from 0 to 1")
    return float(value)


def predict(standing: Standing, weights: Mapping[str, float], x: float) -> Gaussian:
    """Return the belief about the node's skill at work of complexity `x` in these domains."""
    family, node, dx = standing.family, standing.node, x - 0.5
    m = family.m + node.m - family.slope_m * dx
    v = family.v + node.v + family.slope_v * dx * dx
    for domain, w in weights.items():
        pooled = standing.family_domains.get(domain, FAMILY_DOMAIN_START)
        own = standing.capability(domain)
        m += w * (pooled.m + own.m)
        v += w * w * (pooled.v + own.v)
    return Gaussian(m, v)


def settle(
    standing: Standing,
    weights: Mapping[str, float],
    x: float,
    score: float,
    *,
    lo: float = 0.0,
    hi: float = 1.0,
) -> Settlement:
    """Return all rows after one evaluated score; hard errors never come here.

    Args:
        standing: The rows as they are under their locks, not as they were when the bid was made.
        weights: The task's domains, as `domain_weights` gave them.
        x: Sensed complexity, in [0, 1].
        score: Evaluated score, in [0, 1].
        lo: Mean score of answers known to be bad.
        hi: Mean score of answers known to be good.

    Raises:
        ScoreInvalid: A number is missing, not finite, or out of its range.
    """
    _check_observation(weights, x, score, lo, hi)
    aged = _forget(standing, weights)
    dx = x - 0.5
    before = predict(aged, weights, x)
    p = success_probability(before.m, before.v)
    scale = hi - lo
    slope = scale * max(p * (1.0 - p), GRADIENT_MIN)
    spread = slope * slope * before.v + NOISE_V + scale * scale * p * (1.0 - p)
    sd = math.sqrt(spread)
    expected = lo + scale * p
    surprise = (score - expected) / sd
    error = max(-CLIP, min(CLIP, surprise)) * sd
    gain = slope / spread

    def step(m: float, v: float, feature: float) -> Gaussian:
        reach = v * feature
        return Gaussian(m + reach * gain * error, v - reach * reach * slope * gain)

    level = step(aged.family.m, aged.family.v, 1.0)
    tilt = step(aged.family.slope_m, aged.family.slope_v, -dx)
    family = FamilyState(m=level.m, v=level.v, slope_m=tilt.m, slope_v=tilt.v)
    node = step(aged.node.m, aged.node.v, 1.0)
    family_domains = {
        d: step(*aged.family_domains.get(d, FAMILY_DOMAIN_START), w) for d, w in weights.items()
    }
    main = min(weights, key=lambda d: (-weights[d], d), default=None)
    capabilities: dict[str, Capability] = {}
    for domain, w in weights.items():
        row = aged.capability(domain)
        skill = step(row.m, row.v, w)
        ema, ema_n = _ema(row, score) if domain == main else (row.ema, row.ema_n)
        capabilities[domain] = Capability(m=skill.m, v=skill.v, n=row.n + 1, ema=ema, ema_n=ema_n)
    moved = Standing(
        family=family, family_domains=family_domains, node=node, capabilities=capabilities
    )
    return Settlement(
        family=family,
        family_domains=family_domains,
        node=node,
        capabilities=capabilities,
        before=before,
        after=predict(moved, weights, x),
        p=p,
        expected=expected,
        surprise=surprise,
        error=error,
        gain=gain,
    )


def apply(standing: Standing, settlement: Settlement) -> Standing:
    """Return the standing with the settled rows in place of the old ones."""
    return Standing(
        family=settlement.family,
        family_domains={**standing.family_domains, **settlement.family_domains},
        node=settlement.node,
        capabilities={**standing.capabilities, **settlement.capabilities},
        declared=standing.declared,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One observation as the ledger keeps it; `rev` comes from the family row, under its lock."""

    rev: int
    node_id: str
    weights: Mapping[str, float]
    x: float
    score: float
    lo: float = 0.0
    hi: float = 1.0


def rebuild(
    entries: Iterable[LedgerEntry], *, declared: Mapping[str, frozenset[str]]
) -> dict[str, Standing]:
    """Return the standing of every node of one family, from its ledger alone.

    Args:
        entries: All of one family's entries, in any order.
        declared: By node id, the domains it declared; its keys are the nodes of the family.

    Raises:
        ScoreInvalid: Two entries carry the same `rev`, or one cannot be learned from.
    """
    ordered = sorted(entries, key=lambda entry: entry.rev)
    for earlier, later in pairwise(ordered):
        if earlier.rev == later.rev:
            raise _invalid("rev", later.rev, "a number of its own for each entry")
    nodes = {node_id: Standing(declared=own) for node_id, own in sorted(declared.items())}
    family = FAMILY_START
    family_domains: dict[str, Gaussian] = {}
    for entry in ordered:
        own = nodes.get(entry.node_id, Standing())
        rows = Standing(
            family=family,
            family_domains=family_domains,
            node=own.node,
            capabilities=own.capabilities,
            declared=own.declared,
        )
        settled = settle(rows, entry.weights, entry.x, entry.score, lo=entry.lo, hi=entry.hi)
        family = settled.family
        family_domains.update(settled.family_domains)
        nodes[entry.node_id] = apply(rows, settled)
    return {
        node_id: Standing(
            family=family,
            family_domains=dict(family_domains),
            node=own.node,
            capabilities=own.capabilities,
            declared=own.declared,
        )
        for node_id, own in nodes.items()
    }


def _forget(standing: Standing, weights: Mapping[str, float]) -> Standing:
    """Let the node's own rows grow less certain, up to where they started."""
    node = standing.node
    if node.v < NODE_V:
        node = Gaussian(node.m, node.v + NODE_FORGETS * NODE_V / FORGET_N)
    capabilities: dict[str, Capability] = {}
    for domain in weights:
        row = standing.capability(domain)
        capabilities[domain] = Capability(
            m=row.m,
            v=min(row.v + CAPABILITY_V / FORGET_N, CAPABILITY_V),
            n=row.n,
            ema=row.ema,
            ema_n=row.ema_n,
        )
    return Standing(
        family=standing.family,
        family_domains=standing.family_domains,
        node=node,
        capabilities=capabilities,
        declared=standing.declared,
    )


def _ema(row: Capability, score: float) -> tuple[float, int]:
    """Return the running mean for people: the first score as it is, then .3 of each new one."""
    ema = score if row.ema_n == 0 else row.ema + EMA_ALPHA * (score - row.ema)
    return ema, row.ema_n + 1


def _invalid(field: str, value: object, expected: str) -> ScoreInvalid:
    return ScoreInvalid(f"{field} is {value!r}, expected {expected}", field=field)


def _check_observation(
    weights: Mapping[str, float], x: float, score: float, lo: float, hi: float
) -> None:
    for name, value in (("score", score), ("x", x), ("lo", lo), ("hi", hi)):
        checked_score(value, field=name)
    if lo >= hi:
        raise _invalid("lo", lo, f"a number below hi ({hi!r})")
    for domain, w in weights.items():
        checked_score(w, field=f"weight of {domain!r}")
    if weights and not math.isclose(sum(weights.values()), 1.0, abs_tol=1e-6):
        raise _invalid("weights", dict(weights), "numbers that sum to 1")
