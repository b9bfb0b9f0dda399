"""Skill over correlated kinds of work: what the cluster believes of a node, exact and replayable.

A node's skill is a vector over a few factors of the domains, difficulty slope last. Evidence has an
owner: a node's row holds what *its* results said, in information form (precision, shift), fading;
a family's row is the sum of its nodes' messages. Prior: node ~ N(family + offset, D), family ~
N(population, SF). A belief combines the two rows, so that pooling is exact, nothing counts twice,
one result writes one node and one family, and fading returns a node to its family.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cluster.core.factors import SIZE, Array, Space, inverse
from cluster.core.posterior import (
    SPREAD_WEIGHTS,
    Gaussian,
    chances_at,
    skills_of,
    success_probability,
)

HALF: Final = SIZE * (SIZE + 1) // 2
NODE_ROW: Final = HALF + SIZE + 3
FAMILY_ROW: Final = HALF + SIZE
DECLARED: Final = 0.8
"""Head start of a node in a domain that it says is its own, in logits."""
FADE: Final = 1.0 - 1.0 / 4000.0
TAU_MIN: Final = 1e-4
V_MIN: Final = 1e-9
JUMP: Final = 1.5
JUMP_V: Final = 1.0
JUMP_KEEP: Final = 0.5
JUMP_AT: Final = 7.0

_LOWER: Final = np.tril_indices(SIZE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeEvidence:
    """What a node's own results said.

    Attributes:
        declared: Head start in the factors, fixed at birth.
        lift: How far jumps have moved the level.
        fell: Evidence for a fall since the last jump; `rose` for a rise.
    """

    precision: Array
    shift: Array
    declared: Array
    lift: float = 0.0
    fell: float = 0.0
    rose: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FamilyEvidence:
    """The sum of the messages of a family's nodes."""

    precision: Array
    shift: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """The two rows that say how good one node is."""

    node: NodeEvidence
    family: FamilyEvidence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """One result as it enters.

    Attributes:
        features: What the work asked for.
        likelihood: How likely chances from 0 to 1, evenly apart, make its score; straight lines
            between them, so two numbers are a good and a bad answer's.
    """

    features: Array
    likelihood: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SkillSettlement:
    """The rows after one result, and why they moved.

    Attributes:
        before: The belief the result was compared with; `after` the same question now.
        tau: Precision the result added along its features; `nu` the shift.
        jumped: A level shift was found and the level is learned anew: its sign, else 0.
    """

    node: NodeEvidence
    family: FamilyEvidence
    before: Gaussian
    after: Gaussian
    p: float
    tau: float
    nu: float
    jumped: int


class Field:
    """The beliefs about many nodes, ready to be asked about a piece of work.

    A cache over rows, and nothing more: whatever is put in replaces what was there.
    """

    def __init__(self, at: Space, *, node_count: int, family_of: Sequence[int]) -> None:
        self._at = at
        self._family_of = np.array(family_of, dtype=np.intp)
        families = int(self._family_of.max(initial=-1)) + 1
        self._own = np.zeros((node_count, SIZE))
        self._influence = np.zeros((node_count, SIZE, SIZE))
        self._covariance = np.zeros((node_count, SIZE, SIZE))
        self._family_mean = np.zeros((families, SIZE))
        self._family_covariance = np.zeros((families, SIZE, SIZE))

    def put_nodes(self, first: int, nodes: Sequence[NodeEvidence]) -> None:
        """Put these nodes at the places from `first` on."""
        found = node_beliefs(self._at, nodes)
        places = slice(first, first + len(nodes))
        self._own[places], self._influence[places], self._covariance[places] = found

    def put_families(self, first: int, families: Sequence[FamilyEvidence]) -> None:
        """Put these families at the places from `first` on."""
        places = slice(first, first + len(families))
        found = family_beliefs(self._at, families)
        self._family_mean[places], self._family_covariance[places] = found

    def predict(self, asked: Array) -> list[Gaussian]:
        """Return the belief about each node's skill at the work with these features."""
        through = self._influence @ asked
        mean = self._family_mean[self._family_of]
        m = self._own @ asked + np.einsum("ni,ni->n", through, mean)
        spread = (self._family_covariance[self._family_of] @ through[:, :, None])[:, :, 0]
        lent = np.einsum("ni,ni->n", through, spread)
        v = (self._covariance @ asked) @ asked + lent
        return [Gaussian(float(a), max(float(b), V_MIN)) for a, b in zip(m, v, strict=True)]


def node_start(at: Space, *, declared: Sequence[str] = ()) -> NodeEvidence:
    """Return the row of a node that has done nothing yet; domains nobody knows are passed over."""
    offset = np.zeros(SIZE)
    for domain in sorted(set(declared) & set(at.loadings)):
        offset = offset + DECLARED * at.loadings[domain]
    return NodeEvidence(precision=np.zeros((SIZE, SIZE)), shift=np.zeros(SIZE), declared=offset)


def family_start() -> FamilyEvidence:
    """Return the row of a family whose nodes have done nothing yet."""
    return FamilyEvidence(precision=np.zeros((SIZE, SIZE)), shift=np.zeros(SIZE))


def family_beliefs(at: Space, families: Sequence[FamilyEvidence]) -> tuple[Array, Array]:
    """Return means and covariances of families, all their nodes' evidence included."""
    precision = np.array([family.precision for family in families]).reshape(-1, SIZE, SIZE)
    covariance = inverse(at.family_p + precision)
    told = np.array([family.shift for family in families]).reshape(-1, SIZE)
    shift = at.family_p @ at.family_mean + told
    return np.einsum("fij,fj->fi", covariance, shift), covariance


def node_beliefs(at: Space, nodes: Sequence[NodeEvidence]) -> tuple[Array, Array, Array]:
    """Return nodes given their families: N(own + influenceᵀ · family, covariance) each.

    It changes only with the node's own row.
    """
    precision = np.array([node.precision for node in nodes]).reshape(-1, SIZE, SIZE)
    covariance = inverse(at.node_p + precision)
    offsets = np.array([_offset(at, node) for node in nodes]).reshape(-1, SIZE)
    shift = offsets @ at.node_p + np.array([node.shift for node in nodes]).reshape(-1, SIZE)
    return np.einsum("nij,nj->ni", covariance, shift), at.node_p @ covariance, covariance


def predict(at: Space, standing: Standing, asked: Array) -> Gaussian:
    """Return the belief about one node's skill at the work with these features."""
    field = Field(at, node_count=1, family_of=[0])
    field.put_nodes(0, [standing.node])
    field.put_families(0, [standing.family])
    return field.predict(asked)[0]


def settle(at: Space, standing: Standing, seen: Observation) -> SkillSettlement:
    """Return both rows after one evaluated result, recomputed from the rows under their locks."""
    f = seen.features
    before = predict(at, standing, f)
    tau, nu = _site(before, seen)
    sent_p, sent_s = _message(at, standing.node)
    node, jumped = _jump(at, standing.node, before, seen)
    node = replace(
        node,
        precision=FADE * node.precision + tau * np.outer(f, f),
        shift=FADE * node.shift + nu * f,
    )
    now_p, now_s = _message(at, node)
    family = FamilyEvidence(
        precision=standing.family.precision + (now_p - sent_p),
        shift=standing.family.shift + (now_s - sent_s),
    )
    return SkillSettlement(
        node=node,
        family=family,
        before=before,
        after=predict(at, Standing(node=node, family=family), f),
        p=success_probability(*before),
        tau=tau,
        nu=nu,
        jumped=jumped,
    )


def absorb(
    at: Space, *, into: NodeEvidence, source: NodeEvidence, family: FamilyEvidence
) -> tuple[NodeEvidence, NodeEvidence, FamilyEvidence]:
    """Return a node with another's evidence added, the other emptied, and their family's row.

    Both belong to the same family; nothing counts twice afterwards.
    """
    merged = replace(
        into, precision=into.precision + source.precision, shift=into.shift + source.shift
    )
    empty = replace(
        source, precision=np.zeros((SIZE, SIZE)), shift=np.zeros(SIZE), fell=0.0, rose=0.0
    )
    precision, shift = family.precision, family.shift
    for node, sign in ((into, -1.0), (source, -1.0), (merged, 1.0), (empty, 1.0)):
        told_p, told_s = _message(at, node)
        precision, shift = precision + sign * told_p, shift + sign * told_s
    return merged, empty, FamilyEvidence(precision=precision, shift=shift)


def node_row(node: NodeEvidence) -> list[float]:
    """Return a node's evidence as the floats of its database row, the head start not among them."""
    return [*node.precision[_LOWER].tolist(), *node.shift.tolist(), node.lift, node.fell, node.rose]


def node_from_row(row: Sequence[float] | Array, declared: Sequence[float] | Array) -> NodeEvidence:
    """Return a node's evidence from its row; an empty row has seen nothing.

    Raises:
        ValueError: It has another length.
    """
    values = _row(row, NODE_ROW)
    return NodeEvidence(
        precision=_unpacked(values[:HALF]),
        shift=values[HALF : HALF + SIZE],
        declared=_row(declared, SIZE),
        lift=float(values[-3]),
        fell=float(values[-2]),
        rose=float(values[-1]),
    )


def nodes_from_rows(rows: Array, declared: Array) -> list[NodeEvidence]:
    """Return many nodes' evidence at once from their rows, none of them empty.

    Args:
        rows: Shape (nodes, `NODE_ROW`).
        declared: Head starts, shape (nodes, `SIZE`).
    """
    precision = np.zeros((len(rows), SIZE, SIZE))
    down, across = _LOWER
    precision[:, down, across] = precision[:, across, down] = rows[:, :HALF]
    return [
        NodeEvidence(
            precision=precision[n],
            shift=row[HALF : HALF + SIZE],
            declared=declared[n],
            lift=float(row[-3]),
            fell=float(row[-2]),
            rose=float(row[-1]),
        )
        for n, row in enumerate(rows)
    ]


def family_row(family: FamilyEvidence) -> list[float]:
    """Return a family's evidence as the floats of its database row."""
    return [*family.precision[_LOWER].tolist(), *family.shift.tolist()]


def family_from_row(row: Sequence[float] | Array) -> FamilyEvidence:
    """Return a family's evidence from its row; an empty row has seen nothing.

    Raises:
        ValueError: It has another length.
    """
    values = _row(row, FAMILY_ROW)
    return FamilyEvidence(precision=_unpacked(values[:HALF]), shift=values[HALF:])


def _row(row: Sequence[float] | Array, length: int) -> Array:
    if not len(row):
        return np.zeros(length)
    if len(row) != length:
        raise ValueError(f"a row of {len(row)} floats, expected {length}")
    return np.array(row, dtype=np.float64)


def _unpacked(values: Array) -> Array:
    matrix = np.zeros((SIZE, SIZE))
    matrix[_LOWER] = values
    matrix.T[_LOWER] = values
    return matrix


def _offset(at: Space, node: NodeEvidence) -> Array:
    return node.declared + node.lift * at.level


def _message(at: Space, node: NodeEvidence) -> tuple[Array, Array]:
    """Return what a node's evidence says about its family."""
    own = node.precision @ inverse(at.node_p + node.precision)
    precision = node.precision - own @ node.precision
    rest = node.shift - node.precision @ _offset(at, node)
    return 0.5 * (precision + precision.T), rest - own @ rest


def _likelihood(seen: Observation, skills: Array) -> Array:
    knots = np.linspace(0.0, 1.0, len(seen.likelihood))
    return np.interp(chances_at(skills), knots, seen.likelihood)


def _site(before: Gaussian, seen: Observation) -> tuple[float, float]:
    """Match moments of likelihood(z) N(z; m, v): precision and shift it adds."""
    m, v = before
    zs = skills_of(before)
    ls = SPREAD_WEIGHTS * _likelihood(seen, zs)
    ls = ls / ls.sum()
    mean = float(ls @ zs)
    variance = float(ls @ (zs - mean) ** 2)
    tau = 1.0 / variance - 1.0 / v
    if tau > TAU_MIN:
        return tau, mean / variance - m / v
    return TAU_MIN, TAU_MIN * m + (mean - m) / v


def _jump(
    at: Space, node: NodeEvidence, before: Gaussian, seen: Observation
) -> tuple[NodeEvidence, int]:
    """Look for a shift of the node's whole level; found, learn the level anew, keep the profile."""
    skills = skills_of(before)

    def log_odds(shift: float) -> float:
        return math.log(float(SPREAD_WEIGHTS @ _likelihood(seen, skills + shift)))

    usual = log_odds(0.0)
    fell = max(0.0, node.fell + log_odds(-JUMP) - usual)
    rose = max(0.0, node.rose + log_odds(JUMP) - usual)
    if max(fell, rose) <= JUMP_AT:
        return replace(node, fell=fell, rose=rose), 0
    sign = -1 if fell > rose else 1
    level = at.level
    along = node.precision @ level
    scale = 1.0 / JUMP_V + float(level @ along)
    precision = node.precision - np.outer(along, along) / scale
    shift = node.shift - along * float(level @ node.shift) / scale
    shift = shift + sign * JUMP * (precision @ level)
    anew = replace(
        node,
        precision=JUMP_KEEP * precision,
        shift=JUMP_KEEP * shift,
        lift=node.lift + sign * JUMP,
        fell=0.0,
        rose=0.0,
    )
    return anew, sign
