"""What a score says: the learned channel from good and bad answers to evaluated scores.

Ten bins each for the scores of good and of bad answers, counts fading. It replaces a fixed scale: a
generous judge, a harsh one and one that throws dice each teach the market how far to believe them.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from cluster.core.posterior import checked_score

BINS: Final = 10
START_N: Final = 8.0
FADE: Final = 0.999
GAP_MIN: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Counts of scores by bin, from good answers and from bad ones."""

    good: tuple[float, ...]
    bad: tuple[float, ...]


CENTRES: Final = tuple((i + 0.5) / BINS for i in range(BINS))
# Squared: what is good and what is bad can only be told apart by where one starts. From a flatter
# start, a node that does nearly all the work makes its own failures look like good answers.
_LEANING: Final = tuple(c * c for c in CENTRES)
CHANNEL_START: Final = Channel(
    good=tuple(START_N * weight / sum(_LEANING) for weight in _LEANING),
    bad=tuple(START_N * weight / sum(_LEANING) for weight in reversed(_LEANING)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How likely a score is from a good and from a bad answer, relative to any score alike."""

    good: float
    bad: float


def read(channel: Channel, score: float) -> Reading:
    """Return what a score says.

    Raises:
        ScoreInvalid: It is not a number from 0 to 1.
    """
    low, high, share = _between(checked_score(score))

    def density(counts: tuple[float, ...]) -> float:
        return ((1.0 - share) * counts[low] + share * counts[high]) * BINS / sum(counts)

    return Reading(good=density(channel.good), bad=density(channel.bad))


def learn(channel: Channel, score: float, p: float) -> Channel:
    """Return the channel after the score of an answer that `p` said would be good."""
    seen = read(channel, score)
    good = p * seen.good / (p * seen.good + (1.0 - p) * seen.bad)
    low, high, share = _between(score)

    def added(counts: tuple[float, ...], weight: float) -> tuple[float, ...]:
        faded = [FADE * count for count in counts]
        faded[low] += weight * (1.0 - share)
        faded[high] += weight * share
        return tuple(faded)

    return Channel(good=added(channel.good, good), bad=added(channel.bad, 1.0 - good))


def scale(channel: Channel) -> tuple[float, float]:
    """Return the median score of a bad and of a good answer, kept apart by at least .2."""
    lo, hi = _median(channel.bad), _median(channel.good)
    return lo, max(hi, lo + GAP_MIN)


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
