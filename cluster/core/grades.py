"""The other reading of a score: not of a good or a bad answer, but a noisy grade of the chance.

A rubric's mean, a share of checks passed, a judge that weighs: such scores have one hump, around
lo + (hi - lo) · chance. The line and its noise are learned from scores and what was foretold.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from cluster.core.posterior import SPREAD_WEIGHTS, Array, Gaussian, chances_at, skills_of

FADE: Final = 0.999
GAP_MIN: Final = 0.2
CHANCE_SD: Final = 0.15
"""Chances vary at least so much: scores that vary less than the line would have them say less."""
SD_MIN: Final = 0.08
"""Grades are never believed to be finer: beliefs are a model's, not the truth."""
ODD: Final = 0.05
"""Share of scores that say nothing: they could be anything."""
UNIT: Final = math.sqrt(3.0) / math.pi
"""Scale of a logistic distribution whose standard deviation is 1."""
WINDOW: Final = 0.05
"""Scores this near are taken for the same."""
SPREAD_MIN: Final = 1e-6
START_N: Final = 8.0
START_LO, START_HI, START_SD = 0.1, 0.9, 0.2
START_P, START_P_SD = 0.5, 0.3


class Grades(NamedTuple):
    """Fading sums over scores r and the chances p that were foretold.

    Attributes:
        n: How many.
        unsure: Sum of the variances of what was foretold.
    """

    n: float
    p: float
    pp: float
    r: float
    rp: float
    rr: float
    unsure: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How grades follow the chance: their mean at 0 and at 1, and their noise."""

    lo: float
    hi: float
    sd: float


def _start() -> Grades:
    """Return what a few scores on the line one starts from would have left."""
    gap = START_HI - START_LO
    pp = START_P**2 + START_P_SD**2
    return Grades(
        n=START_N,
        p=START_N * START_P,
        pp=START_N * pp,
        r=START_N * (START_LO + gap * START_P),
        rp=START_N * (START_LO * START_P + gap * pp),
        rr=START_N * (START_LO**2 + 2 * START_LO * gap * START_P + gap**2 * pp + START_SD**2),
        unsure=0.0,
    )


GRADES_START: Final = _start()


def line(grades: Grades) -> Line:
    """Return the line through what was seen.

    What is foretold is a mean over what may be, so scores are regressed on it as it is.
    """
    n = grades.n
    p, r = grades.p / n, grades.r / n
    spread = max(grades.pp / n - p * p, SPREAD_MIN)
    varied = math.sqrt(max(grades.rr / n - r * r, 0.0))
    gap = min(max((grades.rp / n - p * r) / spread, GAP_MIN), varied / CHANCE_SD)
    lo = r - gap * p
    left = (
        grades.rr / n - 2 * lo * r - 2 * gap * grades.rp / n
        + lo * lo + 2 * lo * gap * p + gap * gap * (grades.pp - grades.unsure) / n
    )  # fmt: skip
    return Line(lo=lo, hi=lo + gap, sd=max(math.sqrt(max(left, 0.0)), SD_MIN))


def likelihood(found: Line, score: float, p: Array) -> Array:
    """Return how likely each of these chances makes a score, any score alike being 1.

    Noise is logistic, which forgives outliers. What would lie beyond 0 and 1 is seen there.
    """
    mean, unit = found.lo + (found.hi - found.lo) * p, found.sd * UNIT
    below = chances_at((score - WINDOW - mean) / unit) if score > WINDOW else 0.0 * p
    above = chances_at((mean - score - WINDOW) / unit) if score < 1.0 - WINDOW else 0.0 * p
    return ODD + (1.0 - ODD) * (1.0 - below - above) / (2.0 * WINDOW)


def learn(grades: Grades, score: float, before: Gaussian) -> Grades:
    """Return the sums after a score of work whose skill was believed to be `before`."""
    chances = chances_at(skills_of(before))
    p = float(SPREAD_WEIGHTS @ chances)
    return Grades(
        n=FADE * grades.n + 1.0,
        p=FADE * grades.p + p,
        pp=FADE * grades.pp + p * p,
        r=FADE * grades.r + score,
        rp=FADE * grades.rp + score * p,
        rr=FADE * grades.rr + score * score,
        unsure=FADE * grades.unsure + float(SPREAD_WEIGHTS @ (chances - p) ** 2),
    )
