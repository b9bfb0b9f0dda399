"""The search itself: two lists over an index, one answer. Knows its index and embedder as ports."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from knowledge.core.analysis import analyze, highlights, term_id
from knowledge.core.errors import SearchInvalid
from knowledge.core.ports import Embedder, Index
from knowledge.core.ranking import (
    fuse_convex,
    fuse_rrf,
    query_weights,
    saturation,
    single,
    with_feedback,
)
from knowledge.core.types import CorpusStatistics, Hit, Passage, Scored, ScoreTerms, SearchQuery

DEPTH = 200  # of each list; min-max scores of shorter ones say less
MAX_LIMIT = 200
MAX_QUERY_CHARS = 200_000
_FEEDBACK_CHUNKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lists:
    lexical: Sequence[Scored]
    dense: Sequence[Scored]
    vector: Sequence[float] | None
    weights: dict[int, float]
    statistics: CorpusStatistics


def search(query: SearchQuery, *, index: Index, embedder: Embedder | None) -> list[Hit]:
    """Return the passages that answer a query, best first.

    The index is bound to what the asker may see; without an embedder words alone are searched.

    Raises:
        SearchInvalid: The query is empty, or too long.
        EmbeddingUnavailable: From the embedder.
    """
    check(query)
    lists = _lists(query, index=index, embedder=embedder)
    if query.feedback and lists.vector is not None and query.fusion in ("convex", "rrf"):
        first = _fused(query, lists)
        near = index.vectors([item.chunk_id for item in first[:_FEEDBACK_CHUNKS]])
        if near:
            moved = with_feedback(lists.vector, near)
            lists = replace(lists, dense=index.dense(moved, limit=DEPTH))
    return _hits(query, _fused(query, lists), lists, index=index)


def check(query: SearchQuery) -> None:
    """Pass when a query can be answered.

    Raises:
        SearchInvalid: It is empty or too long, or asks for too many hits or none.
    """
    if not query.text.strip():
        raise SearchInvalid("The query is empty: say what to look for.")
    if len(query.text) > MAX_QUERY_CHARS:
        raise SearchInvalid(
            f"The query has {len(query.text):,} characters: use at most {MAX_QUERY_CHARS:,}."
        )
    if not 1 <= query.limit <= MAX_LIMIT:
        raise SearchInvalid(f"limit is {query.limit}: use 1 to {MAX_LIMIT}.")


def _lists(query: SearchQuery, *, index: Index, embedder: Embedder | None) -> _Lists:
    counts: Counter[int] = Counter()
    for language in query.languages:  # a term of two languages counts once
        counts |= Counter(term_id(term) for term in _query_terms(query, language))
    statistics = index.statistics(sorted(counts))
    weights = query_weights(counts, statistics)
    lexical: list[Scored] = []
    if weights and query.fusion != "dense":
        lexical = index.lexical(weights, statistics=statistics, limit=DEPTH)
    dense: list[Scored] = []
    vector: list[float] | None = None
    if embedder is not None and query.fusion != "lexical" and statistics.chunk_count:
        (vector,) = embedder.embed([query.text])
        dense = index.dense(vector, limit=DEPTH)
    return _Lists(
        lexical=lexical, dense=dense, vector=vector, weights=weights, statistics=statistics
    )


def _query_terms(query: SearchQuery, language: str) -> list[str]:
    return analyze(query.text, language=language, query=True)


def _fused(query: SearchQuery, lists: _Lists) -> list[Scored]:
    match query.fusion:
        case "convex":
            return fuse_convex(lists.lexical, lists.dense, depth=DEPTH)
        case "rrf":
            return fuse_rrf(lists.lexical, lists.dense)
        case "lexical":
            return single(lists.lexical)
        case "dense":
            return single(lists.dense)


def _hits(
    query: SearchQuery, ranked: Sequence[Scored], lists: _Lists, *, index: Index
) -> list[Hit]:
    scores = {item.chunk_id: item.score for item in ranked}
    # Grouping drops chunks, and so may a concurrent delete: go on until there are enough.
    passages: list[Passage] = []
    documents: set[str] = set()
    step = max(2 * query.limit, 20)
    for start in range(0, len(ranked), step):
        for passage in index.passages([item.chunk_id for item in ranked[start : start + step]]):
            if query.group_by != "document" or passage.document_id not in documents:
                passages.append(passage)
                documents.add(passage.document_id)
        if len(passages) >= query.limit:
            break
    passages = passages[: query.limit]
    sought = {lang: frozenset(_query_terms(query, lang)) for lang in query.languages}
    terms = _explain(query, passages, lists, index=index) if query.explain else {}
    return [
        Hit(
            document_id=passage.document_id,
            external_id=passage.external_id,
            chunk_id=str(passage.chunk_id),
            title=passage.title,
            text=passage.text,
            score=scores[passage.chunk_id],
            start=passage.start,
            end=passage.end,
            highlights=highlights(passage.text, sought),
            terms=terms.get(passage.chunk_id),
        )
        for passage in passages
    ]


def _explain(
    query: SearchQuery, passages: Sequence[Passage], lists: _Lists, *, index: Index
) -> dict[int, ScoreTerms]:
    words: dict[int, str] = {}
    for language in query.languages:
        for term in _query_terms(query, language):
            words.setdefault(term_id(term), term)
    counts = index.term_counts([passage.chunk_id for passage in passages], list(lists.weights))
    lexical = {item.chunk_id: item.score for item in lists.lexical}
    dense = {item.chunk_id: item.score for item in lists.dense}
    average = lists.statistics.average_length
    explained: dict[int, ScoreTerms] = {}
    for passage in passages:
        length, own = counts.get(passage.chunk_id, (0, {}))
        shares = {
            words[term]: round(
                lists.weights[term] * saturation(count, length=length, average_length=average), 4
            )
            for term, count in own.items()
        }
        explained[passage.chunk_id] = ScoreTerms(
            bm25=lexical.get(passage.chunk_id),
            dense=dense.get(passage.chunk_id),
            words=dict(sorted(shares.items(), key=lambda item: (-item[1], item[0]))),
        )
    return explained


def hit_value(hit: Hit) -> dict[str, Any]:
    """Return a hit as every door shows it; `terms` only when it was asked to explain."""
    value = asdict(hit)
    if hit.terms is None:
        del value["terms"]
    return value
