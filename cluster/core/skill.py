"""Skill as correlated domains: the stronger belief behind bids, exact and replayable.

A node's skill is a vector over a few factors of the domains, difficulty slope last. Evidence has an
owner: a node's row holds what *its* results said, in information form (precision, shift), fading;
a family's row is the sum of its nodes' messages. Prior: node ~ N(family + offset, D), family ~
N(population, SF). A belief combines the two rows, so that pooling is exact, nothing counts twice,
one result writes one node and one family, and fading returns a node to its family.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cluster.core.linear import (
    Matrix,
    Vector,
    diagonal,
    dot,
    inverse,
    moved,
    outer,
    packed,
    plus,
    product,
    symmetric,
    times,
    unpacked,
    zeros,
)
from cluster.core.posterior import Gaussian, sigmoid

RANK: Final = 11
KERNEL: Final = 2.0
"""Domains whose centroids have cosine c share exp(KERNEL (c - 1)) of their variance."""
RIDGE: Final = 1e-4
POPULATION_M: Final = 1.0
POPULATION_SLOPE: Final = 3.0
FAMILY_SD: Final = 1.4
FAMILY_LEVEL_V: Final = 1.5
FAMILY_SLOPE_V: Final = 0.9
NODE_SD: Final = 0.9
NODE_LEVEL_V: Final = 1.0
NODE_SLOPE_V: Final = 0.5
DECLARED: Final = 0.8
FADE: Final = 1.0 - 1.0 / 4000.0
TAU_MIN: Final = 1e-4
V_MIN: Final = 1e-9
JUMP: Final = 1.5
JUMP_V: Final = 1.0
JUMP_KEEP: Final = 0.5
JUMP_AT: Final = 7.0

# Gauss-Hermite points and weights for N(0, 1).
_HALF: Final = (
    (0.928868997381064, 0.24224029987396997),
    (1.876035020154846, 0.06613874607105778),
    (2.865123160643645, 0.0067202852355372706),
    (3.936166607129977, 0.0001956719302712236),
    (5.1880012243748705, 8.121849790214909e-07),
)
POINTS: Final = ((0.0, 0.3694083694083693), *_HALF, *((-x, w) for x, w in _HALF))


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The factors of a workspace's domains, and the priors in them.

    Attributes:
        loadings: By domain; a domain's skill is its loading times the factors.
        pivots: The domains that the factors were made from, in order.
        level: The direction in which every domain rises alike.
        family_mean: What is expected of an unknown family.
        family_p: Its precision.
        node_d: Covariance of a node around its family; `node_p` its inverse.
    """

    loadings: Mapping[str, Vector]
    pivots: tuple[str, ...]
    level: Vector
    family_mean: Vector
    family_p: Matrix
    node_d: Matrix
    node_p: Matrix

    @property
    def size(self) -> int:
        return len(self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvidence:
    """What a node's own results said: precision and shift, its offset, and two jump statistics."""

    precision: Matrix
    shift: Vector
    offset: Vector
    fell: float = 0.0
    rose: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyEvidence:
    """The sum of the messages of a family's nodes."""

    precision: Matrix
    shift: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyBelief:
    """A family's posterior, all its nodes' evidence included."""

    mean: Vector
    covariance: Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBelief:
    """A node's posterior given its family: N(own + influenceᵀ · family, covariance)."""

    own: Vector
    influence: Matrix
    covariance: Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One result as it enters: its features, and how likely good and bad answers make its score."""

    features: Vector
    good: float
    bad: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillSettlement:
    """The rows after one result, and why they moved.

    Attributes:
        tau: Precision the result added along its features; `nu` the shift.
        jumped: A level shift was found and the level is learned anew: its sign, else 0.
    """

    node: NodeEvidence
    family: FamilyEvidence
    before: Gaussian
    p: float
    tau: float
    nu: float
    jumped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillStanding:
    """The two rows that say how good one node is."""

    node: NodeEvidence
    family: FamilyEvidence


def space(centroids: Mapping[str, Sequence[float]], *, pivots: Sequence[str] = ()) -> Space:
    """Return the factors of these domains.

    Args:
        centroids: By domain, unit length.
        pivots: Of the space before, so that rows keep their meaning when a domain is added.
    """
    kernel = {
        (a, b): math.exp(KERNEL * (dot(u, v) - 1.0))
        for a, u in centroids.items()
        for b, v in centroids.items()
    }
    kept = [p for p in pivots if p in centroids]
    loadings, chosen = _factors(sorted(centroids), kernel, kept)
    width = len(chosen)
    rows = list(loadings.values())
    # The least-norm direction that lifts every domain by one; the ridge keeps it small.
    normal = plus(
        product(list(zip(*rows, strict=True)), rows) if rows else zeros(0),
        diagonal([RIDGE] * width),
    )
    ones = [sum(row[j] for row in rows) for j in range(width)]
    level = [*times(inverse(normal), ones), 0.0]
    node_d = _covariance(level, NODE_SD, NODE_LEVEL_V, NODE_SLOPE_V)
    family_v = _covariance(level, FAMILY_SD, FAMILY_LEVEL_V, FAMILY_SLOPE_V)
    return Space(
        loadings=loadings,
        pivots=tuple(chosen),
        level=level,
        family_mean=[*(POPULATION_M * c for c in level[:-1]), POPULATION_SLOPE],
        family_p=inverse(family_v),
        node_d=node_d,
        node_p=inverse(node_d),
    )


def features(at: Space, weights: Mapping[str, float], x: float) -> Vector:
    """Return what a piece of work asks of a skill; of domains without a place, the average one."""
    known = {d: w for d, w in weights.items() if w > 0 and d in at.loadings}
    if not known:
        known = dict.fromkeys(at.loadings, 1.0)
    share = sum(known.values())
    total = [0.0] * (at.size - 1)
    for domain, w in known.items():
        total = moved(total, at.loadings[domain], w / share)
    return [*total, -(x - 0.5)]


def node_start(at: Space, *, declared: Sequence[str] = ()) -> NodeEvidence:
    """Return the row of a node that has done nothing yet."""
    offset = [0.0] * at.size
    for domain in declared:
        offset = moved(offset, [*at.loadings[domain], 0.0], DECLARED)
    return NodeEvidence(precision=zeros(at.size), shift=[0.0] * at.size, offset=offset)


def family_start(at: Space) -> FamilyEvidence:
    """Return the row of a family whose nodes have done nothing yet."""
    return FamilyEvidence(precision=zeros(at.size), shift=[0.0] * at.size)


def family_belief(at: Space, family: FamilyEvidence) -> FamilyBelief:
    """Return a family's posterior."""
    covariance = inverse(plus(at.family_p, family.precision))
    shift = moved(times(at.family_p, at.family_mean), family.shift)
    return FamilyBelief(mean=times(covariance, shift), covariance=covariance)


def node_belief(at: Space, node: NodeEvidence) -> NodeBelief:
    """Return a node's posterior given its family; it changes only with the node's own row."""
    covariance = inverse(plus(at.node_p, node.precision))
    shift = moved(times(at.node_p, node.offset), node.shift)
    return NodeBelief(
        own=times(covariance, shift),
        influence=product(at.node_p, covariance),
        covariance=covariance,
    )


def predict(node: NodeBelief, family: FamilyBelief, asked: Sequence[float]) -> Gaussian:
    """Return the belief about the node's skill at the work with these features."""
    through = times(node.influence, asked)
    m = dot(asked, node.own) + dot(through, family.mean)
    v = dot(asked, times(node.covariance, asked)) + dot(through, times(family.covariance, through))
    return Gaussian(m, max(v, V_MIN))


def settle(at: Space, standing: SkillStanding, seen: Observation) -> SkillSettlement:
    """Return both rows after one evaluated result, recomputed from the rows under their locks."""
    node, family, f = standing.node, standing.family, seen.features
    before = predict(node_belief(at, node), family_belief(at, family), f)
    tau, nu = _site(before, seen)
    sent_p, sent_s = _message(at, node)
    node, jumped = _jump(at, node, before, seen)
    faded = [[FADE * value for value in row] for row in node.precision]
    node = replace(
        node,
        precision=plus(faded, outer(f, f, tau)),
        shift=moved([FADE * value for value in node.shift], f, nu),
    )
    now_p, now_s = _message(at, node)
    return SkillSettlement(
        node=node,
        family=FamilyEvidence(
            precision=plus(family.precision, plus(now_p, sent_p, -1.0)),
            shift=moved(family.shift, moved(now_s, sent_s, -1.0)),
        ),
        before=before,
        p=sigmoid(before.m / math.sqrt(1.0 + math.pi * before.v / 8)),
        tau=tau,
        nu=nu,
        jumped=jumped,
    )


def node_row(node: NodeEvidence) -> Vector:
    """Return a node's evidence as the floats of its database row: 104 of them at 11 factors."""
    return [*packed(node.precision), *node.shift, *node.offset, node.fell, node.rose]


def node_from_row(at: Space, row: Sequence[float]) -> NodeEvidence:
    """Return a node's evidence from its row.

    Raises:
        ValueError: The row was written in another space.
    """
    size, half = at.size, at.size * (at.size + 1) // 2
    if len(row) != half + 2 * size + 2:
        raise ValueError(f"a row of {len(row)} floats is of another space than one of {size}")
    return NodeEvidence(
        precision=unpacked(row[:half]),
        shift=list(row[half : half + size]),
        offset=list(row[half + size : half + 2 * size]),
        fell=row[-2],
        rose=row[-1],
    )


def family_row(family: FamilyEvidence) -> Vector:
    """Return a family's evidence as the floats of its database row: 90 of them at 11 factors."""
    return [*packed(family.precision), *family.shift]


def family_from_row(at: Space, row: Sequence[float]) -> FamilyEvidence:
    """Return a family's evidence from its row.

    Raises:
        ValueError: The row was written in another space.
    """
    size, half = at.size, at.size * (at.size + 1) // 2
    if len(row) != half + size:
        raise ValueError(f"a row of {len(row)} floats is of another space than one of {size}")
    return FamilyEvidence(precision=unpacked(row[:half]), shift=list(row[half:]))


def _covariance(level: Vector, sd: float, level_v: float, slope_v: float) -> Matrix:
    own = diagonal([*([sd * sd] * (len(level) - 1)), slope_v])
    return plus(own, outer(level, level, level_v))


def _factors(
    domains: Sequence[str], kernel: Mapping[tuple[str, str], float], pivots: Sequence[str]
) -> tuple[dict[str, Vector], list[str]]:
    """Factor the kernel by pivoted Cholesky: what the old pivots leave open, the largest first."""
    left = {d: kernel[d, d] for d in domains}
    loadings: dict[str, Vector] = {d: [] for d in domains}
    chosen: list[str] = []
    waiting = list(pivots)
    while len(chosen) < min(RANK, len(domains)):
        pivot = waiting.pop(0) if waiting else max(domains, key=lambda d: (left[d], d))
        if left[pivot] < 1e-6:  # noqa: PLR2004 -- what is left is rounding
            break
        scale = math.sqrt(left[pivot])
        row = loadings[pivot]
        news = {d: (kernel[d, pivot] - dot(loadings[d], row)) / scale for d in domains}
        for d in domains:
            loadings[d] = [*loadings[d], news[d]]
            left[d] -= news[d] ** 2
        chosen.append(pivot)
    return loadings, chosen


def _message(at: Space, node: NodeEvidence) -> tuple[Matrix, Vector]:
    """Return what a node's evidence says about its family."""
    own = product(node.precision, inverse(plus(at.node_p, node.precision)))
    precision = symmetric(plus(node.precision, product(own, node.precision), -1.0))
    rest = moved(node.shift, times(node.precision, node.offset), -1.0)
    return precision, moved(rest, times(own, rest), -1.0)


def _site(before: Gaussian, seen: Observation) -> tuple[float, float]:
    """Match moments of (bad + (good - bad) sigmoid(z)) N(z; m, v): precision and shift it adds."""
    m, v = before
    sd = math.sqrt(v)
    zs = [m + sd * x for x, _ in POINTS]
    ls = [
        w * (seen.bad + (seen.good - seen.bad) * sigmoid(z))
        for z, (_, w) in zip(zs, POINTS, strict=True)
    ]
    total = sum(ls)
    mean = dot(ls, zs) / total
    variance = sum(weight * (z - mean) ** 2 for weight, z in zip(ls, zs, strict=True)) / total
    tau = 1.0 / variance - 1.0 / v
    if tau > TAU_MIN:
        return tau, mean / variance - m / v
    return TAU_MIN, TAU_MIN * m + (mean - m) / v


def _jump(
    at: Space, node: NodeEvidence, before: Gaussian, seen: Observation
) -> tuple[NodeEvidence, int]:
    """Look for a shift of the node's whole level; found, learn the level anew, keep the profile."""
    damp = 1.0 / math.sqrt(1.0 + math.pi * before.v / 8)

    def log_odds(shift: float) -> float:
        return math.log(seen.bad + (seen.good - seen.bad) * sigmoid((before.m + shift) * damp))

    usual = log_odds(0.0)
    fell = max(0.0, node.fell + log_odds(-JUMP) - usual)
    rose = max(0.0, node.rose + log_odds(JUMP) - usual)
    if max(fell, rose) <= JUMP_AT:
        return replace(node, fell=fell, rose=rose), 0
    sign = -1 if fell > rose else 1
    level, by = at.level, sign * JUMP
    along = times(node.precision, level)
    scale = 1.0 / JUMP_V + dot(level, along)
    precision = plus(node.precision, outer(along, along), -1.0 / scale)
    shift = moved(node.shift, along, -dot(level, node.shift) / scale)
    shift = moved(shift, times(precision, level), by)
    anew = NodeEvidence(
        precision=[[JUMP_KEEP * value for value in row] for row in precision],
        shift=[JUMP_KEEP * value for value in shift],
        offset=moved(node.offset, level, by),
    )
    return anew, sign
