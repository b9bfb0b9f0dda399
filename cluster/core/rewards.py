"""What an answer was worth: one score from everybody who looked."""

import math
from collections.abc import Sequence
from typing import Final

from cluster.core.errors import ScoreInvalid
from cluster.core.posterior import checked_score
from cluster.core.types import ScorePart

CHECK_WEIGHT: Final = 1.0
JUDGE_WEIGHT: Final = 0.5
PERSON_WEIGHT: Final = 2.0
REQUIRED_CAP: Final = 0.2
"""No praise lifts an answer above this when a required check failed."""


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
