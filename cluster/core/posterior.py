"""Beliefs in logit space: what a Gaussian says about a good answer, and which scores are scores."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cluster.core.errors import ScoreInvalid

EMA_ALPHA: Final = 0.3
PROBIT: Final = math.pi / 8
Array = NDArray[np.float64]
# Points and weights of N(0, 1): close enough for likelihoods much narrower than the belief.
SPREAD: Final[Array] = np.linspace(-5.0, 5.0, 61)
SPREAD_WEIGHTS: Final[Array] = np.exp(-0.5 * SPREAD**2) / np.exp(-0.5 * SPREAD**2).sum()


class Gaussian(NamedTuple):
    """Mean and variance, in logit space."""

    m: float
    v: float


class Ema(NamedTuple):
    """A running mean of scores, for people to read; it decides nothing."""

    value: float = 0.0
    n: int = 0


def sigmoid(z: float) -> float:
    """Return 1 / (1 + e^-z) without overflow."""
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


def success_probability(m: float, v: float) -> float:
    """Return the probability of a good answer, the uncertainty about the skill averaged out."""
    return sigmoid(m / math.sqrt(1.0 + PROBIT * v))


def skills_of(belief: Gaussian) -> Array:
    """Return the skills over which a belief spreads `SPREAD_WEIGHTS`."""
    return belief.m + math.sqrt(belief.v) * SPREAD


def chances_at(skills: Array) -> Array:
    """Return `sigmoid` of each of these skills."""
    return 1.0 / (1.0 + np.exp(-np.clip(skills, -60.0, 60.0)))


def credible_interval(m: float, v: float, *, sd: float = 1.645) -> tuple[float, float]:
    """Return the probabilities between which a skill lies, nine times in ten by default."""
    reach = sd * math.sqrt(v)
    return sigmoid(m - reach), sigmoid(m + reach)


def averaged(ema: Ema, score: float) -> Ema:
    """Return the running mean for people: the first score as it is, then .3 of each new one."""
    value = score if ema.n == 0 else ema.value + EMA_ALPHA * (score - ema.value)
    return Ema(value, ema.n + 1)


def checked_similarities(similarities: Mapping[str, float], label: str | None) -> dict[str, float]:
    """Return the cosines; a label without a centroid counts as near as the nearest domain.

    Raises:
        ScoreInvalid: A similarity is not a finite number.
    """
    for domain, cos in similarities.items():
        if not math.isfinite(cos):
            raise invalid(f"similarity to {domain!r}", cos, "a finite number")
    cosines = dict(similarities)
    if label is not None:
        cosines.setdefault(label, max(cosines.values(), default=0.0))
    return cosines


def checked_score(value: object, *, field: str = "score") -> float:
    """Return `value` as a score.

    Raises:
        ScoreInvalid: It is not a finite number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(field, value, "a number from 0 to 1")
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise invalid(field, value, "a number from 0 to 1")
    return float(value)


def invalid(field: str, value: object, expected: str) -> ScoreInvalid:
    """Return the error for a number that cannot be used."""
    return ScoreInvalid(f"{field} is {value!r}, expected {expected}", field=field)
