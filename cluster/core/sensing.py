"""How far SENSE is believed: the weights of domains, with trust in label and embedding learned."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cluster.core.posterior import checked_similarities

DIMENSIONS: Final = 8
"""In how many directions embeddings of goals really differ, whatever their length."""
COUNT_MAX: Final = 500.0
LABEL_MIN, LABEL_MAX = 0.3, 0.98
COSINE_MIN, COSINE_MAX = 0.2, 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Running means: the cosine to what a task turned out to be, and how often the label was it."""

    cosine: float = 0.6
    cosine_n: float = 20.0
    label: float = 0.8
    label_n: float = 10.0


def weigh(similarities: Mapping[str, float], label: str | None, trust: Trust) -> dict[str, float]:
    """Return how much of each domain a task is; sums to 1.

    Args:
        similarities: Cosine of the task's embedding with each domain's centroid.
        label: The domain that SENSE named, or None.
        trust: As learned so far.

    Raises:
        ScoreInvalid: A similarity is not a finite number.
    """
    cosines = checked_similarities(similarities, label)
    r = trust.cosine
    sharpness = r * (DIMENSIONS - r * r) / (1.0 - r * r)
    top = max(cosines.values(), default=0.0)
    believed = min(max(trust.label, LABEL_MIN), LABEL_MAX)
    other = (1.0 - believed) / max(len(cosines) - 1, 1)
    raw = {
        domain: math.exp(sharpness * (cos - top))
        * (1.0 if label is None else believed if domain == label else other)
        for domain, cos in cosines.items()
    }
    total = sum(raw.values())
    return {domain: w / total for domain, w in raw.items()}


def learn(
    trust: Trust, similarities: Mapping[str, float], label: str | None, weights: Mapping[str, float]
) -> Trust:
    """Return the trust after one more task was weighed."""
    near = sum(w * similarities.get(domain, 0.0) for domain, w in weights.items())
    cosine = trust.cosine + (near - trust.cosine) / trust.cosine_n
    right, count = trust.label, trust.label_n
    if label is not None:
        right += (weights.get(label, 0.0) - right) / count
        count = min(count + 1.0, COUNT_MAX)
    return Trust(
        cosine=min(max(cosine, COSINE_MIN), COSINE_MAX),
        cosine_n=min(trust.cosine_n + 1.0, COUNT_MAX),
        label=right,
        label_n=count,
    )
