"""Kinds of work, learned from what comes in: centroids follow their tasks, new kinds take form."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

FAR: Final = 0.30
"""A goal whose nearest domain has a smaller cosine is like none of them."""
JOIN: Final = 0.45
"""Goals this near to one another are of one kind."""
BORN_AT: Final = 6
"""So many goals of one new kind make it a domain."""
DOMAINS_MAX: Final = 24
FORMING_MAX: Final = 32
WORDS_N: Final = 5
"""A description counts as much as this many tasks."""
MEMORY_N: Final = 200
"""A centroid is the mean of about this many tasks, so that it can follow them."""
WORD: Final = re.compile(r"[^\W\d_]{4,}")
_EMPTY: Final = (
    "about after also another because been before being between both could each from give have "
    "into just like make many more most much must need only other over please should some such "
    "than that their them then there these they this those through under very what when where "
    "which while will with within would write your"
)
EMPTY_WORDS: Final = frozenset(_EMPTY.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a goal belongs: to a `known` domain, to one that is `forming`, or to none yet."""

    kind: Literal["known", "forming", "new"]
    slug: str = ""


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the cosine of two directions; 0 where one has none, or they cannot be compared."""
    if len(a) != len(b):
        return 0.0
    scale = math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / scale if scale > 0 else 0.0


def place(
    embedding: Sequence[float],
    *,
    known: Mapping[str, Sequence[float]],
    forming: Mapping[str, Sequence[float]],
) -> Placement:
    """Return where a goal belongs, by the nearest centroid; ties go to the first slug."""
    near, slug = _nearest(embedding, known)
    if near >= FAR:
        return Placement(kind="known", slug=slug)
    near, slug = _nearest(embedding, forming)
    if near >= JOIN:
        return Placement(kind="forming", slug=slug)
    return Placement(kind="new")


def drifted(
    centroid: Sequence[float], n: float, embedding: Sequence[float], *, told: bool
) -> list[float]:
    """Return a centroid after one more task, of unit length.

    Args:
        centroid: Before; its length does not matter.
        n: Tasks that moved it so far.
        embedding: Of the task.
        told: It began as the embedding of a description.
    """
    weight = min(n + (WORDS_N if told else 0.0), MEMORY_N)
    total = [weight * x + y for x, y in zip(_unit(centroid), _unit(embedding), strict=True)]
    return _unit(total)


def named(goals: Sequence[str], *, taken: frozenset[str]) -> str:
    """Return a slug for a new kind of work, from the words that its goals share."""
    counts: Counter[str] = Counter()
    for goal in goals:
        counts.update(
            {
                word
                for word in WORD.findall(goal.lower())
                if word not in EMPTY_WORDS and word.isascii()
            }
        )
    words = sorted(counts, key=lambda word: (-counts[word], word))[:2]
    stem = "-".join(words)[:50] or "kind"
    names = [stem, *(f"{stem}-{n}" for n in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _nearest(
    embedding: Sequence[float], centroids: Mapping[str, Sequence[float]]
) -> tuple[float, str]:
    cosines = [(cosine(embedding, point), slug) for slug, point in sorted(centroids.items())]
    return max(cosines, key=lambda item: item[0], default=(-1.0, ""))


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(x * x for x in vector))
    return [x / length for x in vector] if length > 0 else list(vector)
