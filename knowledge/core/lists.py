"""The two lists that a search fuses: by words, and by the vectors of one model or of several."""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from knowledge.core.analysis import analyze, term_id
from knowledge.core.ports import Embedder, Index
from knowledge.core.ranking import best, idf, min_max, query_weights, with_feedback
from knowledge.core.types import CorpusStatistics, Scored, SearchQuery

DEPTH = 200  # of each list; min-max scores of shorter ones say less
_FEEDBACK_CHUNKS = 3
# The vector moved by feedback is looked for among so many more that were near it before: what a
# scan of all of a collection would find instead is far down the list.
_SPARE = 800
_EXPANSIONS = 10
_EXPANSION_WEIGHT = 0.3  # of the query's heaviest word, for the heaviest word added


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The vectors of one model: who embeds a query for them, and the chunks that have them."""

    embedder: Embedder
    index: Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query's vector by one model, and what is near it: the list, and where it was cheap more."""

    space: Space
    vector: Sequence[float]
    near: Sequence[Scored]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What was found so far; `expanded` are the words that were added to the query."""

    lexical: Sequence[Scored]
    dense: Sequence[Scored]
    weights: Mapping[int, float]
    statistics: CorpusStatistics
    asked: Sequence[Asked]
    expanded: tuple[str, ...] = ()


Fused = Callable[[Lists], Sequence[Scored]]


def gather(query: SearchQuery, *, index: Index, spaces: Sequence[Space], fused: Fused) -> Lists:
    """Return both lists, moved by what the first hits are about where the query says so.

    Raises:
        EmbeddingUnavailable: From an embedder.
    """
    near = query.feedback and query.fusion in ("convex", "rrf")
    lists = first(query, index=index, spaces=spaces, spare=_SPARE if near else 0)
    near = near and bool(lists.asked)
    expand = query.expand and query.fusion != "dense" and bool(lists.weights)
    if not (near or expand):
        return lists
    top = [item.chunk_id for item in fused(lists)[:_FEEDBACK_CHUNKS]]
    if near:
        lists = replace(lists, dense=_moved(lists, top))
    return _expanded(query, lists, top, index=index) if expand else lists


def query_terms(query: SearchQuery, language: str) -> list[str]:
    """Return the terms of a query in one language."""
    return analyze(query.text, language=language, query=True)


def first(
    query: SearchQuery,
    *,
    index: Index,
    spaces: Sequence[Space],
    depth: int = DEPTH,
    spare: int = 0,
) -> Lists:
    """Return both lists as the query alone finds them, `depth` long each.

    What is `asked` has up to `spare` more of the vectors' lists.

    Raises:
        EmbeddingUnavailable: From an embedder.
    """
    counts: Counter[int] = Counter()
    for language in query.languages:  # a term of two languages counts once
        counts |= Counter(term_id(term) for term in query_terms(query, language))
    statistics = index.statistics(sorted(counts))
    weights = query_weights(counts, statistics)
    lexical: list[Scored] = []
    if weights and query.fusion != "dense":
        lexical = index.lexical(weights, statistics=statistics, limit=depth)
    asked: list[Asked] = []
    if query.fusion != "lexical" and statistics.chunk_count:
        for space in spaces:
            vector = space.embedder.embed([query.text])[0]
            near = space.index.dense(vector, limit=depth, spare=spare)
            asked.append(Asked(space=space, vector=vector, near=near))
    return Lists(
        lexical=lexical,
        dense=_joined([item.near[:depth] for item in asked], depth),
        weights=weights,
        statistics=statistics,
        asked=asked,
    )


def _joined(lists: Sequence[Sequence[Scored]], depth: int = DEPTH) -> Sequence[Scored]:
    if len(lists) < 2:  # noqa: PLR2004 -- with one model nothing has to be made comparable
        return lists[0] if lists else []
    # Cosines of two models do not compare; their places between their own worst and best do.
    joined = {chunk: score for scored in lists for chunk, score in min_max(scored).items()}
    return best(joined, limit=depth)


def _moved(lists: Lists, top: Sequence[int]) -> Sequence[Scored]:
    return _joined([_moved_towards(asked, top) for asked in lists.asked])


def _moved_towards(asked: Asked, top: Sequence[int]) -> Sequence[Scored]:
    index = asked.space.index
    vectors = index.vectors(top)
    if not vectors:
        return asked.near[:DEPTH]
    vector = with_feedback(asked.vector, vectors)
    if len(asked.near) > DEPTH:
        return index.dense_among(vector, [item.chunk_id for item in asked.near], limit=DEPTH)
    return index.dense(vector, limit=DEPTH)


def _expanded(query: SearchQuery, lists: Lists, top: Sequence[int], *, index: Index) -> Lists:
    """Search the words again with the ones that mark the first hits: frequent there, rare else."""
    own = index.term_counts(top, None)
    seen: Counter[int] = Counter()
    for length, counts in own.values():
        for term, count in counts.items():
            seen[term] += count / max(length, 1)  # pyright: ignore[reportArgumentType] -- shares
    new = [term for term in seen if term not in lists.weights]
    statistics = index.statistics(sorted([*lists.weights, *new]))
    size = statistics.chunk_count
    marked = {
        term: seen[term] * idf(chunk_count=max(size, df), df=df)
        for term in new
        if (df := statistics.dfs.get(term, 0)) > 1
    }
    chosen = heapq.nlargest(_EXPANSIONS, marked.items(), key=lambda item: (item[1], -item[0]))
    if not chosen:
        return lists
    share = _EXPANSION_WEIGHT * max(lists.weights.values()) / chosen[0][1]
    added = {term: weight * share for term, weight in chosen}
    weights = dict(
        sorted(
            {**lists.weights, **added}.items(), key=lambda item: (statistics.dfs[item[0]], item[0])
        )
    )
    words = _words(query, index, top)
    return replace(
        lists,
        lexical=index.lexical(weights, statistics=statistics, limit=DEPTH),
        weights=weights,
        statistics=statistics,
        expanded=tuple(words[term] for term in added if term in words),
    )


def _words(query: SearchQuery, index: Index, chunks: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for passage in index.passages(chunks):
        text = f"{passage.title}\n{passage.heading}\n{passage.text}"
        for language in query.languages:
            for term in analyze(text, language=language):
                found.setdefault(term_id(term), term)
    return found
