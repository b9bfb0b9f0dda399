"""The search itself: two lists over an index, one answer. Knows the world as ports."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from knowledge.core.analysis import highlights, term_id
from knowledge.core.errors import RerankUnavailable, SearchInvalid
from knowledge.core.lists import DEPTH, Lists, Space, gather, query_terms
from knowledge.core.ports import Index, Reranker
from knowledge.core.ranking import fuse_convex, fuse_rrf, saturation, single
from knowledge.core.types import Hit, Passage, Scored, ScoreTerms, SearchQuery

MAX_LIMIT = 200
MAX_QUERY_CHARS = 200_000
_RERANKED = 50  # passages that a reranker is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """Passages, best first, and how they came to be there."""

    passages: Sequence[Passage]
    scores: Mapping[int, float]
    fused: Mapping[int, float]
    reranked: Mapping[int, float]
    notes: tuple[str, ...]


def search(
    query: SearchQuery,
    *,
    index: Index,
    spaces: Sequence[Space] = (),
    reranker: Reranker | None = None,
    notes: Sequence[str] = (),
) -> list[Hit]:
    """Return the passages that answer a query, best first.

    The index is bound to what the asker may see; without spaces words alone are searched. A
    reranker that fails leaves the order as it was, and the hits' terms say so.

    Args:
        query: What is asked.
        index: All that may be found.
        spaces: The vectors to search, by one model or by several.
        reranker: Orders the best passages anew.
        notes: What the caller had to leave out, for those who ask for an explanation.

    Raises:
        SearchInvalid: The query is empty, or too long.
        EmbeddingUnavailable: From an embedder.
    """
    check(query)
    lists = gather(query, index=index, spaces=spaces, fused=lambda lists: _fused(query, lists))
    answer = _passages(query, _fused(query, lists), index=index, reranker=reranker)
    answer = replace(answer, notes=(*notes, *answer.notes))
    return _hits(query, answer, lists, index=index)


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


def _fused(query: SearchQuery, lists: Lists) -> list[Scored]:
    match query.fusion:
        case "convex":
            return fuse_convex(lists.lexical, lists.dense, depth=DEPTH)
        case "rrf":
            return fuse_rrf(lists.lexical, lists.dense)
        case "lexical":
            return single(lists.lexical)
        case "dense":
            return single(lists.dense)


def _passages(
    query: SearchQuery, ranked: Sequence[Scored], *, index: Index, reranker: Reranker | None
) -> _Answer:
    fused = {item.chunk_id: item.score for item in ranked}
    wanted = query.limit if reranker is None else max(query.limit, _RERANKED)
    # Grouping drops chunks, and so may a concurrent delete: go on until there are enough.
    passages: list[Passage] = []
    documents: set[str] = set()
    step = max(2 * wanted, 20)
    for start in range(0, len(ranked), step):
        for passage in index.passages([item.chunk_id for item in ranked[start : start + step]]):
            if query.group_by != "document" or passage.document_id not in documents:
                passages.append(passage)
                documents.add(passage.document_id)
        if len(passages) >= wanted:
            break
    answer = _Answer(
        passages=passages[: query.limit], scores=fused, fused=fused, reranked={}, notes=()
    )
    if reranker is None or not passages:
        return answer
    return _reranked(query, passages[:wanted], answer, reranker)


def _reranked(
    query: SearchQuery, passages: Sequence[Passage], answer: _Answer, reranker: Reranker
) -> _Answer:
    shown, rest = passages[:_RERANKED], passages[_RERANKED:]
    try:
        said = reranker.rerank(query.text, [f"{item.title}\n{item.text}".strip() for item in shown])
    except RerankUnavailable as error:
        return replace(answer, notes=(f"not reranked: {error}",))
    reranked = {item.chunk_id: score for item, score in zip(shown, said, strict=True)}
    low, high = min(said), max(said)
    # What the reranker saw takes the upper half of the scale, in its order; the rest the lower.
    scores = {chunk: score / 2 for chunk, score in answer.fused.items()}
    for chunk, score in reranked.items():
        scores[chunk] = 0.5 + ((score - low) / (high - low) / 2 if high > low else 0.25)
    ordered = sorted(enumerate(shown), key=lambda place: (-reranked[place[1].chunk_id], place[0]))
    best = [item for _, item in ordered] + list(rest)
    return replace(answer, passages=best[: query.limit], scores=scores, reranked=reranked)


def _hits(query: SearchQuery, answer: _Answer, lists: Lists, *, index: Index) -> list[Hit]:
    sought = {lang: frozenset(query_terms(query, lang)) for lang in query.languages}
    terms = _explain(query, answer, lists, index=index) if query.explain else {}
    return [
        Hit(
            document_id=passage.document_id,
            external_id=passage.external_id,
            chunk_id=str(passage.chunk_id),
            title=passage.title,
            text=passage.text,
            score=answer.scores[passage.chunk_id],
            start=passage.start,
            end=passage.end,
            highlights=highlights(passage.text, sought),
            terms=terms.get(passage.chunk_id),
        )
        for passage in answer.passages
    ]


def _explain(
    query: SearchQuery, answer: _Answer, lists: Lists, *, index: Index
) -> dict[int, ScoreTerms]:
    words: dict[int, str] = {term_id(term): term for term in lists.expanded}
    for language in query.languages:
        for term in query_terms(query, language):
            words.setdefault(term_id(term), term)
    chunks = [passage.chunk_id for passage in answer.passages]
    counts = index.term_counts(chunks, list(lists.weights))
    lexical = {item.chunk_id: item.score for item in lists.lexical}
    dense = {item.chunk_id: item.score for item in lists.dense}
    # Fused alone, each list gives what it adds to the sum.
    parts = {
        "words": _by_chunk(_fused(query, replace(lists, dense=()))),
        "meaning": _by_chunk(_fused(query, replace(lists, lexical=()))),
    }
    return {
        chunk: ScoreTerms(
            bm25=lexical.get(chunk),
            dense=dense.get(chunk),
            words=_shares(lexical.get(chunk, 0.0), counts.get(chunk), lists, words),
            parts={name: part[chunk] for name, part in parts.items() if chunk in part},
            fused=answer.fused.get(chunk),
            rerank=answer.reranked.get(chunk),
            expanded=lists.expanded,
            notes=answer.notes,
        )
        for chunk in chunks
    }


def _by_chunk(scored: Sequence[Scored]) -> dict[int, float]:
    return {item.chunk_id: item.score for item in scored}


def _shares(
    bm25: float,
    counted: tuple[int, Mapping[int, int]] | None,
    lists: Lists,
    words: Mapping[int, str],
) -> dict[str, float]:
    """Return what each word of the query adds to a chunk's BM25, the most first.

    The index may have scored with an average length that has drifted since: its score is shared out
    as today's average has it.
    """
    length, own = counted or (0, {})
    average = lists.statistics.average_length
    raw: dict[str, float] = {}
    for term, count in own.items():
        share = lists.weights[term] * saturation(count, length=length, average_length=average)
        word = words.get(term, "?")
        raw[word] = raw.get(word, 0.0) + share
    scale = bm25 / (sum(raw.values()) or 1.0)
    shares = {word: round(share * scale, 6) for word, share in raw.items() if scale}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def hit_value(hit: Hit) -> dict[str, Any]:
    """Return a hit as every door shows it; `terms` only when it was asked to explain."""
    value = asdict(hit)
    if hit.terms is None:
        del value["terms"]
    return value
