"""What was said next to a memory speaks for it: a question's words are often in the turn before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from knowledge.core.ranking import fuse_convex, fuse_rrf, single
from knowledge.core.types import Fusion, Scored

WEIGHTS = {1: 0.5, 2: 0.3}  # by distance: of what a neighbour's score adds to one's own
REACH = max(WEIGHTS)
DEPTH = 1_000  # of each list: all of a usual conversation, so that least and most say something


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What words and what vectors say of the entries they found, by the entries' ids."""

    words: Mapping[str, float]
    meaning: Mapping[str, float]


def fits(
    found: Found, neighbours: Iterable[tuple[str, str, int]], *, fusion: Fusion
) -> dict[str, float]:
    """Return how well each entry fits, in [0, 1].

    Neighbours lend to what the words say only: an entry's vector was made with the turn before it,
    and the same context a second time would raise whole stretches above the entry that answers.
    """
    words = with_neighbours(found.words, neighbours)
    ids = sorted(words.keys() | found.meaning.keys(), reverse=True)
    number = {memory_id: place for place, memory_id in enumerate(ids)}
    lexical, dense = _ranked(words, number), _ranked(found.meaning, number)
    match fusion:
        case "convex":  # one longer than the list is: what is not in it has no such word
            fused = fuse_convex(lexical, dense, depth=len(lexical) + 1)
        case "rrf":
            fused = fuse_rrf(lexical, dense)
        case "lexical":
            fused = single(lexical)
        case "dense":
            fused = single(dense)
    return {ids[item.chunk_id]: item.score for item in fused}


def _ranked(scores: Mapping[str, float], number: Mapping[str, int]) -> list[Scored]:
    items = [Scored(chunk_id=number[key], score=score) for key, score in scores.items()]
    return sorted(items, key=lambda item: (-item.score, -item.chunk_id))


def with_neighbours(
    scores: Mapping[str, float], neighbours: Iterable[tuple[str, str, int]]
) -> dict[str, float]:
    """Return each entry's score with what its neighbours add.

    Args:
        scores: Of the entries found, by id.
        neighbours: Of each entry found: its id, the id of one that was said before or after it,
            and their distance, 1 to REACH.
    """
    joined = dict(scores)
    for memory_id, neighbour, distance in neighbours:
        share = WEIGHTS[distance] * scores[memory_id]
        joined[neighbour] = joined.get(neighbour, 0.0) + share
    return joined


def embedding_texts(text: str, before: str) -> list[str]:
    """Return the texts whose vectors' mean stands for an entry that was said after `before`."""
    return [text, f"{before}\n{text}"] if before else [text]


def mean(vectors: Sequence[Sequence[float]]) -> list[float]:
    """Return the unit vector between these."""
    summed = [sum(column) for column in zip(*vectors, strict=True)]
    length = sum(x * x for x in summed) ** 0.5 or 1.0
    return [x / length for x in summed]
