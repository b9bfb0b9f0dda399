"""Alone or split: which of the two is expected to be worth more, learned per domain and complexity.

A structural forecast says what each arm should be worth; a table of residuals says how far it has
been wrong, for this domain and bin of complexity, shrunk towards what all domains show. What makes
a domain's work worth splitting is its *ease*, how much easier a part is than the whole: it shows in
the parts themselves after one split, long before scores tell. Success of a split is what its
evaluation says, never that nothing raised, and planner, children and merge are all charged to it.
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
LOSS_MAX: Final = 0.05
"""A split that is expected to lose more is never tried."""
MARGIN: Final = 0.5
"""What splitting has to be better by, in what a unit of work and of time costs: of splits that win
less, many lose, and the more so the dearer they are."""
FADE: Final = 0.9995
SLOPE: Final = 3.0
"""What a skill loses from the easiest to the hardest work, in logits."""
WORK_BASE: Final = 0.3
PLAN_WORK: Final = 0.35
PLAN_TIME: Final = 0.25
MERGE_SUCCESS: Final = 0.95
EASE_START: Final = 0.3
"""A part of m has the complexity of the whole over m to the power of this."""
EASE_SD: Final = 0.3
EASE_DRAWN: Final = 0.5
"""How much of what is not known of it is drawn."""
EASE_SHRINK_N: Final = 0.3
EASE_START_N: Final = 2.0
SOLVED_MIN, SOLVED_MAX = 0.02, 0.99
X_MIN: Final = 0.05
PART_MIN: Final = 0.01


class Arm(StrEnum):
    SOLO = "solo"
    SPLIT = "split"


EASE: Final = "ease"
"""In place of an arm: cells of how much easier parts were, not of residuals."""


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
        ease: How much easier parts were than the whole in this domain; `pooled_ease` in all.
    """

    own: Mapping[tuple[Arm, int], Tally] = field(default_factory=dict[tuple[Arm, int], Tally])
    pooled: Mapping[tuple[Arm, int], Tally] = field(default_factory=dict[tuple[Arm, int], Tally])
    ease: Tally = Tally()
    pooled_ease: Tally = Tally()


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


def ease_of(x: float, parts: Sequence[float]) -> float | None:
    """Return how much easier the parts of a split were than the whole; None where none was split.

    Args:
        x: Complexity of the whole.
        parts: Complexity of each part.
    """
    if len(parts) <= 1:
        return None
    mean = max(math.fsum(parts) / len(parts), PART_MIN)
    found = -math.log(mean / max(x, X_MIN)) / math.log(len(parts))
    return min(max(found, 0.0), 1.0)


def forecast(
    work: Work,
    arm: Arm,
    rates: Rates,
    table: SplitTable | None = None,
    *,
    ease: float | None = None,
) -> float:
    """Return the utility that structure promises.

    Args:
        work: What is to be done.
        arm: The way of working.
        rates: Of the workspace.
        table: What was seen of the domain: how much easier parts are, and how work as easy as
            they are went, which says how likely each of them is solved.
        ease: In place of what the table says of it.
    """
    table = table or SplitTable()
    scale = rates.hi - rates.lo
    if arm is Arm.SOLO:
        units = WORK_BASE + work.x
        quality = rates.lo + scale * work.solve(work.x)
        return quality - rates.cost_weight * units - rates.wait_weight * units
    y = work.x * work.part_count ** -(_ease(table)[0] if ease is None else ease)
    off, _ = _learned(table, Arm.SOLO, bin_of(y))
    solved = min(max(work.solve(y) + off / scale, SOLVED_MIN), SOLVED_MAX)
    quality = rates.lo + scale * MERGE_SUCCESS * solved**work.part_count
    part = WORK_BASE + y
    cost = PLAN_WORK + work.part_count * part
    time = PLAN_TIME + work.depth * part
    return quality - rates.cost_weight * cost - rates.wait_weight * time


def decide(work: Work, table: SplitTable, *, rates: Rates, rng: Random) -> SplitDecision:
    """Return whether to split: when it is expected to be worth more, or may be, at little risk.

    Args:
        work: At least two parts; with fewer there is nothing to decide and the answer is solo.
        table: The domain's residuals and the pooled ones.
        rates: Of the workspace.
        rng: Seeded by task and cycle, so that the decision can be repeated.
    """
    at = bin_of(work.x)
    promised, (off, _) = forecast(work, Arm.SOLO, rates), _learned(table, Arm.SOLO, at)
    solo = ArmForecast(forecast=promised, learned=off, sampled=promised + off)
    if work.part_count <= 1:
        return SplitDecision(split=False, solo=solo, parted=solo, reason="there is only one part")
    mean, sd = _ease(table)
    drawn = min(max(rng.gauss(mean, EASE_DRAWN * sd), 0.0), 1.0)
    off, n = _learned(table, Arm.SPLIT, at)
    noise = EXPLORE * NOISE_SD / math.sqrt(n + SHRINK_N) * rng.gauss(0.0, 1.0)
    parted = ArmForecast(
        forecast=forecast(work, Arm.SPLIT, rates, table),
        learned=off,
        sampled=forecast(work, Arm.SPLIT, rates, table, ease=drawn) + off + noise,
    )
    alone, both = solo.forecast + solo.learned, parted.forecast + parted.learned
    margin = MARGIN * (rates.cost_weight + rates.wait_weight)
    split = both - alone >= -LOSS_MAX and parted.sampled - solo.sampled > margin
    return SplitDecision(
        split=split, solo=solo, parted=parted, reason=_reason(work, alone, both, split=split)
    )


def _reason(work: Work, alone: float, both: float, *, split: bool) -> str:
    about = f"({work.part_count} parts, complexity {work.x:.2f})"
    if not split:
        return f"alone is expected to be worth {alone:.2f}, split {both:.2f} {about}"
    tried = ", and tried" if both <= alone else ""
    return f"split is expected to be worth {both:.2f}, alone {alone:.2f}{tried} {about}"


def learn(tally: Tally, *, utility: float, expected: float) -> Tally:
    """Return a cell after one result.

    Args:
        tally: The cell of the arm that was taken, own or pooled.
        utility: Score minus cost and time, all of the tree's, at the workspace's rates.
        expected: What `forecast` had said.
    """
    return Tally(n=FADE * tally.n + 1.0, total=FADE * tally.total + utility - expected)


def ease_learn(tally: Tally, ease: float) -> Tally:
    """Return the cell of how much easier parts are, own or pooled, after one split."""
    return Tally(n=FADE * tally.n + 1.0, total=FADE * tally.total + ease)


def _ease(table: SplitTable) -> tuple[float, float]:
    """Return how much easier parts are believed to be than the whole, and how unsure that is."""
    pooled, own = table.pooled_ease, table.ease
    usual = (pooled.total + EASE_START_N * EASE_START) / (pooled.n + EASE_START_N)
    mean = (own.total + EASE_SHRINK_N * usual) / (own.n + EASE_SHRINK_N)
    return mean, EASE_SD / math.sqrt(own.n / EASE_SHRINK_N + 1.0)


def _learned(table: SplitTable, arm: Arm, at: int) -> tuple[float, float]:
    """Return how far an arm's forecast has been wrong, and how many results say so."""
    pooled = table.pooled.get((arm, at), Tally())
    prior = pooled.total / (pooled.n + SHRINK_N)
    n = total = 0.0
    for near, weight in ((at, 1.0), (at - 1, NEIGHBOUR), (at + 1, NEIGHBOUR)):
        cell = table.own.get((arm, near), Tally())
        n += weight * cell.n
        total += weight * cell.total
    return (total + SHRINK_N * prior) / (n + SHRINK_N), n
