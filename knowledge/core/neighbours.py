"""What was said next to a memory speaks for it: a question's words are often in the turn before."""

from collections.abc import Iterable, Mapping, Sequence

WEIGHTS = {1: 0.5, 2: 0.3}  # by distance: of what a neighbour's score adds to one's own
REACH = max(WEIGHTS)
_FULL = 1 + 2 * sum(WEIGHTS.values())


def with_neighbours(
    scores: Mapping[str, float], neighbours: Iterable[tuple[str, str, int]]
) -> dict[str, float]:
    """Return each entry's score with what its neighbours add, scaled back into [0, 1].

    Args:
        scores: Of the entries found, by id.
        neighbours: Of each entry found: its id, the id of one that was said before or after it,
            and their distance, 1 to REACH.
    """
    joined = {memory_id: score / _FULL for memory_id, score in scores.items()}
    for memory_id, neighbour, distance in neighbours:
        share = WEIGHTS[distance] * scores[memory_id] / _FULL
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
