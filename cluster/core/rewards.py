"""What an answer was worth: one score from everybody who looked, and who of several earned it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cluster.core.errors import ScoreInvalid
from cluster.core.posterior import checked_score
from cluster.core.types import ScorePart

CHECK_WEIGHT: Final = 1.0
JUDGE_WEIGHT: Final = 0.5
PERSON_WEIGHT: Final = 2.0
REQUIRED_CAP: Final = 0.2
"""No praise lifts an answer above this when a required check failed."""
CERTAIN: Final = 1.0 - 1e-9


def score_of(parts: Sequence[ScorePart]) -> float | None:
    """Return the weighted mean of all components, or None when nobody looked.

    A required check that was not fully passed caps the score at .2.

    Raises:
        ScoreInvalid: A score is not a number from 0 to 1, or a weight not a number above 0.
    """
    if not parts:
        return None
    for part in parts:
        checked_score(part.score, field=part.name)
        if not (math.isfinite(part.weight) and part.weight > 0):
            raise ScoreInvalid(
                f"weight of {part.name!r} is {part.weight!r}, expected a number above 0",
                field=part.name,
            )
    total = sum(part.weight for part in parts)
    score = sum(part.weight * part.score for part in parts) / total
    if any(part.source == "check" and part.required and part.score < 1.0 for part in parts):
        score = min(score, REQUIRED_CAP)
    return min(score, 1.0)


def step_share(check_count: int) -> float:
    """Return how much of a task's evaluation one of its declared checks is, before it is judged."""
    return CHECK_WEIGHT / (check_count * CHECK_WEIGHT + JUDGE_WEIGHT)


def rest_of(
    parts: Sequence[ScorePart], score: float, settled: Mapping[int, float]
) -> tuple[float, float]:
    """Return what of an evaluation the market has not learned from yet: a score, and its share.

    Args:
        parts: The evaluation's components; declared checks come first, in their order.
        score: What it came to as a whole.
        settled: By the number of a check, the share with which it was learned from as it finished.
    """
    left = max(0.0, 1.0 - math.fsum(settled.values()))
    if not settled or not parts:  # a run that gave no answer has a score, and no components
        return score, left
    rest = [
        part for i, part in enumerate(parts)
        if part.weight > 0 and not (part.source == "check" and i in settled)
    ]  # fmt: skip
    value = score_of(rest)
    if value is None:
        return score, 0.0
    broken = any(part.source == "check" and part.required and part.score < 1.0 for part in parts)
    return min(value, REQUIRED_CAP) if broken else value, left


def credit(expected: Mapping[str, float], parent_score: float) -> dict[str, float]:
    """Return a score for each child that was not scored itself, from the parent's alone.

    Success of the parent means that every child did its part. After a failure a child keeps the
    probability that it did its part all the same: the less was expected of it, the less it keeps.

    Args:
        expected: Probability of success of each child, as predicted before the work.
        parent_score: Evaluated score of the parent, in [0, 1]; in between, the two are mixed.

    Raises:
        ScoreInvalid: A number is not from 0 to 1.
    """
    share = checked_score(parent_score, field="parent_score")
    odds = {child: checked_score(p, field=child) for child, p in expected.items()}
    every = math.prod(odds.values())
    if every >= CERTAIN:
        return dict.fromkeys(odds, share)
    return {child: share + (1.0 - share) * (p - every) / (1.0 - every) for child, p in odds.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """How often it went well when this much was expected; `hi` belongs to the last bin only."""

    lo: float
    hi: float
    count: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Mean squared error of probabilities, and how far they can be taken at their word."""

    brier: float | None
    bins: tuple[ReliabilityBin, ...]


def reliability(pairs: Iterable[tuple[float, float]], *, bin_count: int = 10) -> Reliability:
    """Return Brier score and reliability by bin of (predicted probability, what came).

    Raises:
        ScoreInvalid: A number is not from 0 to 1.
    """
    seen = [(checked_score(p, field="predicted"), checked_score(r)) for p, r in pairs]
    bins: list[ReliabilityBin] = []
    for i in range(bin_count):
        own = [(p, r) for p, r in seen if min(int(p * bin_count), bin_count - 1) == i]
        if own:
            bins.append(
                ReliabilityBin(
                    lo=i / bin_count,
                    hi=(i + 1) / bin_count,
                    count=len(own),
                    predicted=sum(p for p, _ in own) / len(own),
                    observed=sum(r for _, r in own) / len(own),
                )
            )
    brier = sum((p - r) ** 2 for p, r in seen) / len(seen) if seen else None
    return Reliability(brier=brier, bins=tuple(bins))
