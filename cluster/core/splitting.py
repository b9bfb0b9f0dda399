"""Alone or split: which of the two is expected to be worth more, learned per domain and complexity.

A structural forecast says what each arm should be worth; a table of residuals says how far it has
been wrong, for this domain and bin of complexity, shrunk towards what all domains show. Success of
a split is what its evaluation says, never that nothing raised, and planner, children and merge are
all charged to it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

from cluster.core.posterior import success_probability

BINS: Final = 6
SHRINK_N: Final = 4.0
"""A cell counts as much as the pooled one once it has seen this many results."""
NEIGHBOUR: Final = 0.4
NOISE_SD: Final = 0.33
EXPLORE: Final = 0.1
FADE: Final = 0.9995
SLOPE: Final = 3.0
"""What a skill loses from the easiest to the hardest work, in logits."""
WORK_BASE: Final = 0.3
PLAN_WORK: Final = 0.35
PLAN_TIME: Final = 0.25
MERGE_SUCCESS: Final = 0.95
HANDICAP: Final = 0.15
"""What splitting has to be better by before it has shown anything."""


class Arm(StrEnum):
    SOLO = "solo"
    SPLIT = "split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Residuals of utility seen in one cell: how many, and their sum, both fading."""

    n: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitTable:
    """The rows that a decision in one domain needs; a missing cell has seen nothing.

    Attributes:
        own: This domain's cells.
        pooled: The same cells over all domains.
    """

    own: Mapping[tuple[Arm, int], Tally] = field(default_factory=dict[tuple[Arm, int], Tally])
    pooled: Mapping[tuple[Arm, int], Tally] = field(default_factory=dict[tuple[Arm, int], Tally])


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be done, as far as a forecast needs to know.

    Attributes:
        x: Sensed complexity, in [0, 1].
        part_count: Parts of the plan; a guess before there is one.
        depth: Parts on the longest path: 1 when all run side by side.
        solve: Probability that whoever would take it solves work of a complexity.
    """

    x: float
    part_count: int
    depth: int
    solve: Callable[[float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a unit of work costs, and a unit of time, in units of score; the scores' scale."""

    cost_weight: float = 0.15
    wait_weight: float = 0.10
    lo: float = 0.0
    hi: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmForecast:
    """One arm: what structure says, what experience adds, and the sample that decides."""

    forecast: float
    learned: float
    sampled: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitDecision:
    split: bool
    solo: ArmForecast
    parted: ArmForecast
    reason: str


def solver(m: float, v: float, x: float) -> Callable[[float], float]:
    """Return how likely work of a complexity is solved by whom `m`, `v` are believed of at `x`."""
    return lambda y: success_probability(m + SLOPE * (x - y), v)


def depth_of(needs: Mapping[str, Sequence[str]]) -> int:
    """Return how many parts are on the longest path of a plan without circles."""
    depths: dict[str, int] = {}
    left = dict(needs)
    while left:
        free = [key for key, before in left.items() if not set(before) & left.keys()]
        if not free:
            return len(needs)
        for key in free:
            depths[key] = 1 + max((depths.get(n, 0) for n in left[key]), default=0)
        for key in free:
            del left[key]
    return max(depths.values(), default=1)


def utility(score: float, *, cost: float, time: float, rates: Rates) -> float:
    """Return what a result was worth: cost and time in units of an average task's work."""
    return score - rates.cost_weight * cost - rates.wait_weight * time


def bin_of(x: float) -> int:
    """Return the cell's number for a complexity."""
    return min(max(int(x * BINS), 0), BINS - 1)


def forecast(work: Work, arm: Arm, rates: Rates) -> float:
    """Return the utility that structure alone promises."""
    scale = rates.hi - rates.lo
    if arm is Arm.SOLO:
        units = WORK_BASE + work.x
        quality = rates.lo + scale * work.solve(work.x)
        return quality - rates.cost_weight * units - rates.wait_weight * units
    part = WORK_BASE + work.x / math.sqrt(work.part_count)
    every = work.solve(work.x / math.sqrt(work.part_count)) ** work.part_count
    quality = rates.lo + scale * MERGE_SUCCESS * every
    cost = PLAN_WORK + work.part_count * part
    time = PLAN_TIME + work.depth * part
    return quality - HANDICAP - rates.cost_weight * cost - rates.wait_weight * time


def decide(work: Work, table: SplitTable, *, rates: Rates, rng: Random) -> SplitDecision:
    """Return whether to split, by expected utility with a little exploration.

    Args:
        work: At least two parts; with fewer there is nothing to decide and the answer is solo.
        table: The domain's residuals and the pooled ones.
        rates: Of the workspace.
        rng: Seeded by task and cycle, so that the decision can be repeated.
    """
    solo = _arm(work, Arm.SOLO, table, rates, rng)
    if work.part_count <= 1:
        return SplitDecision(split=False, solo=solo, parted=solo, reason="there is only one part")
    parted = _arm(work, Arm.SPLIT, table, rates, rng)
    split = parted.sampled > solo.sampled
    better, other = ("split", "alone") if split else ("alone", "split")
    high, low = (parted, solo) if split else (solo, parted)
    return SplitDecision(
        split=split,
        solo=solo,
        parted=parted,
        reason=(
            f"{better} is expected to be worth {high.forecast + high.learned:.2f}, "
            f"{other} {low.forecast + low.learned:.2f} "
            f"({work.part_count} parts, complexity {work.x:.2f})"
        ),
    )


def learn(tally: Tally, *, utility: float, expected: float) -> Tally:
    """Return a cell after one result.

    Args:
        tally: The cell of the arm that was taken, own or pooled.
        utility: Score minus cost and time, all of the tree's, at the workspace's rates.
        expected: What `forecast` had said.
    """
    return Tally(n=FADE * tally.n + 1.0, total=FADE * tally.total + utility - expected)


def _arm(work: Work, arm: Arm, table: SplitTable, rates: Rates, rng: Random) -> ArmForecast:
    promised = forecast(work, arm, rates)
    at = bin_of(work.x)
    pooled = table.pooled.get((arm, at), Tally())
    prior = pooled.total / (pooled.n + SHRINK_N)
    n = total = 0.0
    for near, weight in ((at, 1.0), (at - 1, NEIGHBOUR), (at + 1, NEIGHBOUR)):
        cell = table.own.get((arm, near), Tally())
        n += weight * cell.n
        total += weight * cell.total
    learned = (total + SHRINK_N * prior) / (n + SHRINK_N)
    noise = EXPLORE * NOISE_SD / math.sqrt(n + SHRINK_N) * rng.gauss(0.0, 1.0)
    return ArmForecast(forecast=promised, learned=learned, sampled=promised + learned + noise)
