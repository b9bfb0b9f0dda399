"""What a score says: how evaluated scores follow the chance of a good answer, learned from them.

Two readings compete. The *channel*: answers are good or bad, with ten bins each for their scores,
counts fading. It replaces a fixed scale: a generous judge, a harsh one and one that throws dice
each teach the market how far to believe them. *Grades*: a score is the chance itself, with noise.
Scores of good and bad answers have two humps; as long as one hump explains the scores that were
seen, they are read as grades. How well each reading foretells scores would decide worse: two free
histograms foretell any scores well, and believing in them leaves skills too vague to tell.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

import numpy as np

from cluster.core import grades
from cluster.core.grades import GRADES_START, Grades
from cluster.core.posterior import (
    Array,
    Gaussian,
    checked_score,
    sigmoid,
    success_probability,
)

BINS: Final = 10
START_N: Final = 8.0
FADE: Final = 0.999
RARE: Final = 1e-12
"""Counts are never read as less: a score not seen for long says little, and breaks nothing."""
GAP_MIN: Final = 0.2
KNOTS: Final[Array] = np.linspace(0.0, 1.0, 21)
"""Chances at which a reading is kept; between them it is a straight line."""
HUMPS_EVEN: Final = 1.0
"""Evidence for two humps, in nats, at which both readings are believed alike."""
HUMPS_STEEP: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What is known of the evaluators of a workspace.

    Attributes:
        good: Counts of scores by bin, from good answers; `bad` from bad ones.
        seen: Counts of all scores, with nothing in them at the start.
        grades: The other reading.
    """

    good: tuple[float, ...]
    bad: tuple[float, ...]
    seen: tuple[float, ...] = (0.0,) * BINS
    grades: Grades = GRADES_START


CENTRES: Final = tuple((i + 0.5) / BINS for i in range(BINS))
# Squared: what is good and what is bad can only be told apart by where one starts. From a flatter
# start, a node that does nearly all the work makes its own failures look like good answers.
_LEANING: Final = tuple(c * c for c in CENTRES)
CHANNEL_START: Final = Channel(
    good=tuple(START_N * weight / sum(_LEANING) for weight in _LEANING),
    bad=tuple(START_N * weight / sum(_LEANING) for weight in reversed(_LEANING)),
)


def read(channel: Channel, score: float) -> tuple[float, ...]:
    """Return how likely chances from 0 to 1, evenly apart, make a score; any score alike is 1.

    Raises:
        ScoreInvalid: It is not a number from 0 to 1.
    """
    good, bad = _densities(channel, checked_score(score))
    believed = graded(channel)
    grade = grades.likelihood(grades.line(channel.grades), score, KNOTS)
    return tuple(((1.0 - believed) * (bad + (good - bad) * KNOTS) + believed * grade).tolist())


def graded(channel: Channel) -> float:
    """Return how far scores are believed to be grades, from 0 to 1."""
    return sigmoid(HUMPS_STEEP * (HUMPS_EVEN - two_humps(channel.seen)))


def learn(channel: Channel, score: float, before: Gaussian) -> Channel:
    """Return the channel after the score of work whose skill was believed to be `before`."""
    good, bad = _densities(channel, score)
    p = success_probability(*before)
    usual = p * good + (1.0 - p) * bad
    low, high, share = _between(score)

    def added(counts: tuple[float, ...], weight: float) -> tuple[float, ...]:
        faded = [FADE * count for count in counts]
        faded[low] += weight * (1.0 - share)
        faded[high] += weight * share
        return tuple(faded)

    return Channel(
        good=added(channel.good, p * good / usual),
        bad=added(channel.bad, (1.0 - p) * bad / usual),
        seen=added(channel.seen, 1.0),
        grades=grades.learn(channel.grades, score, before),
    )


def scale(channel: Channel) -> tuple[float, float]:
    """Return the usual score where a good answer is out of the question, and where it is certain.

    They are kept apart by at least .2.
    """
    lo, hi = _median(channel.bad), _median(channel.good)
    believed, found = graded(channel), grades.line(channel.grades)
    lo += believed * (found.lo - lo)
    hi += believed * (found.hi - hi)
    return lo, max(hi, lo + GAP_MIN)


@lru_cache(maxsize=256)
def two_humps(counts: tuple[float, ...]) -> float:
    """Return by how much, in nats, the best histogram with one hump explains these counts worse."""
    return min(
        sum(
            count * math.log(count / mean)
            for count, mean in zip(counts, _one_hump(counts, top), strict=True)
            if count > 0
        )
        for top in range(len(counts))
    )


def _one_hump(counts: tuple[float, ...], top: int) -> list[float]:
    """Return the nearest counts that rise up to the bin `top` and fall behind it."""
    return _rising(counts[:top]) + _rising(counts[top:][::-1])[::-1]


def _rising(counts: tuple[float, ...]) -> list[float]:
    """Return the nearest counts that never fall: neighbours that do are averaged."""
    blocks: list[tuple[float, int]] = []
    for count in counts:
        total, width = count, 1
        while blocks and blocks[-1][0] * width > total * blocks[-1][1]:
            before, more = blocks.pop()
            total, width = total + before, width + more
        blocks.append((total, width))
    return [total / width for total, width in blocks for _ in range(width)]


def _densities(channel: Channel, score: float) -> tuple[float, float]:
    """Return how likely good and bad answers make a score, if answers are good or bad."""
    low, high, share = _between(score)

    def density(counts: tuple[float, ...]) -> float:
        count = (1.0 - share) * counts[low] + share * counts[high]
        return max(count, RARE) * BINS / sum(counts)

    return density(channel.good), density(channel.bad)


def _between(score: float) -> tuple[int, int, float]:
    """Return the two bins whose centres a score lies between, and how near the second it is."""
    at = score * BINS - 0.5
    low = min(max(int(at // 1), 0), BINS - 1)
    return low, min(low + 1, BINS - 1), min(max(at - low, 0.0), 1.0)


def _median(counts: tuple[float, ...]) -> float:
    total = sum(counts)
    sums = list(accumulate(counts))
    at = next(i for i, value in enumerate(sums) if value >= total / 2)
    return (at + (total / 2 - (sums[at] - counts[at])) / counts[at]) / BINS
