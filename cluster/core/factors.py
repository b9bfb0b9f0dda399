"""The factors of a workspace's kinds of work, and what is expected of a skill in them.

Factors are made from *anchors*: centroids as they were when their domain became one. Anchors are
only ever appended, and what is appended leaves every older number as it was; so rows keep their
meaning while centroids move and domains appear. All vectors have the same length from the start.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from cluster.core.posterior import Array

FACTORS: Final = 11
SIZE: Final = FACTORS + 1
KERNEL: Final = 2.0
"""Domains whose centroids have cosine c share exp(KERNEL (c - 1)) of their variance."""
ANCHOR_MIN: Final = 0.02
"""A domain that the anchors explain up to this share of its variance becomes no anchor."""
ANCHOR_AGAIN: Final = 0.3
"""One that has moved so far from its anchor that this share is open becomes one again."""
POPULATION_M: Final = 1.0
POPULATION_SLOPE: Final = 3.0
FAMILY_SD: Final = 1.4
FAMILY_LEVEL_V: Final = 1.5
FAMILY_SLOPE_V: Final = 0.9
NODE_SD: Final = 0.9
NODE_LEVEL_V: Final = 1.0
NODE_SLOPE_V: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A domain's centroid on the day it became an anchor."""

    domain: str
    centroid: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """The factors of a workspace's domains, and the priors in them.

    Attributes:
        anchors: What the factors were made from, in order.
        loadings: By domain; a domain's skill is its loading times the factors.
        level: The direction in which every domain rises alike.
    """

    anchors: tuple[Anchor, ...]
    loadings: Mapping[str, Array]
    level: Array

    @cached_property
    def family_mean(self) -> Array:
        """What is expected of an unknown family."""
        mean = POPULATION_M * self.level
        mean[-1] = POPULATION_SLOPE
        return mean

    @cached_property
    def family_p(self) -> Array:
        """Precision of an unknown family."""
        return inverse(_covariance(self.level, FAMILY_SD, FAMILY_LEVEL_V, FAMILY_SLOPE_V))

    @cached_property
    def node_p(self) -> Array:
        """Precision of a node around its family."""
        return inverse(_covariance(self.level, NODE_SD, NODE_LEVEL_V, NODE_SLOPE_V))


def space(centroids: Mapping[str, Sequence[float]], *, anchors: Sequence[Anchor] = ()) -> Space:
    """Return the factors of these domains: those of the anchors before, and new ones behind them.

    Args:
        centroids: By domain; only directions count.
        anchors: Of the space before.
    """
    names = sorted(centroids)
    points = [_unit(centroids[name]) for name in names]
    chosen = list(anchors)
    while len(chosen) < FACTORS and names:
        again = {anchor.domain for anchor in chosen}
        left = 1.0 - (_loadings(chosen, points) ** 2).sum(axis=1)
        open_ = left - np.array([ANCHOR_AGAIN if n in again else ANCHOR_MIN for n in names])
        most = int(open_.argmax())
        if open_[most] < 0:
            break
        chosen.append(Anchor(domain=names[most], centroid=tuple(map(float, points[most]))))
    rows = _loadings(chosen, points)
    level = np.zeros(SIZE)
    if chosen:
        level[: len(chosen)] = np.linalg.solve(_root(chosen), np.ones(len(chosen)))
    return Space(
        anchors=tuple(chosen),
        loadings=dict(zip(names, rows, strict=True)),
        level=level,
    )


def features(at: Space, weights: Mapping[str, float], x: float) -> Array:
    """Return what a piece of work asks of a skill; of domains without a place, the average one."""
    known = {d: w for d, w in weights.items() if w > 0 and d in at.loadings}
    if not known:
        known = dict.fromkeys(at.loadings, 1.0)
    asked = np.zeros(SIZE)
    if known:
        shares = np.array(list(known.values())) / math.fsum(known.values())
        asked = shares @ np.array([at.loadings[domain] for domain in known])
    asked[-1] = -(x - 0.5)
    return asked


def _unit(vector: Sequence[float]) -> Array:
    found = np.array(vector, dtype=np.float64)
    length = float(np.linalg.norm(found))
    return found / length if length > 0 else found


def _root(anchors: Sequence[Anchor]) -> Array:
    """Return the Cholesky factor of the anchors' kernel: an appended anchor appends a row."""
    points = np.array([anchor.centroid for anchor in anchors])
    return np.linalg.cholesky(np.exp(KERNEL * (points @ points.T - 1.0)))


def _loadings(anchors: Sequence[Anchor], points: Sequence[Array]) -> Array:
    rows = np.zeros((len(points), SIZE))
    if anchors and points:
        known = np.array([anchor.centroid for anchor in anchors])
        kernel = np.exp(KERNEL * (known @ np.array(points).T - 1.0))
        rows[:, : len(anchors)] = np.linalg.solve(_root(anchors), kernel).T
    return rows


def _covariance(level: Array, sd: float, level_v: float, slope_v: float) -> Array:
    own = np.diag([*([sd * sd] * FACTORS), slope_v])
    return own + level_v * np.outer(level, level)


def inverse(matrix: Array) -> Array:
    """Return inverses of symmetric positive definite matrices, exactly symmetric."""
    found = np.linalg.inv(matrix)
    return 0.5 * (found + np.swapaxes(found, -1, -2))
