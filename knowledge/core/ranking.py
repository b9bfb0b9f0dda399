"""How hits are scored: BM25 in Lucene's form, and the ways to make one list of two."""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence

from knowledge.core.types import CorpusStatistics, Scored, TermCounts

K1 = 1.2
B = 0.75
RRF_K = 60
MAX_QUERY_TERMS = 256  # of a longer query, those that weigh most
_CANDIDATES = 20_000  # postings read for the first selection …
_CANDIDATES_COMMON = 40_000  # … when even the rarest term is in a quarter of that many chunks


def idf(*, chunk_count: int, df: int) -> float:
    """Return the weight of a term that occurs in `df` of the chunks; never negative."""
    return math.log(1 + (chunk_count - df + 0.5) / (df + 0.5))


def saturation(count: int, *, length: int, average_length: float) -> float:
    """Return what a term's count is worth in a chunk of this length, without its idf."""
    return count * (K1 + 1) / (count + K1 * (1 - B + B * length / max(average_length, 1e-9)))


def query_weights(counts: Mapping[int, int], statistics: CorpusStatistics) -> dict[int, float]:
    """Return idf times count for the query's terms that occur at all, the rarest first."""
    weights = {
        term: count * idf(chunk_count=max(statistics.chunk_count, df), df=df)
        for term, count in counts.items()
        if (df := statistics.dfs.get(term, 0)) > 0
    }
    heaviest = heapq.nlargest(
        MAX_QUERY_TERMS, weights.items(), key=lambda item: (item[1], -item[0])
    )
    return dict(sorted(heaviest, key=lambda item: (statistics.dfs[item[0]], item[0])))


def selective_terms(weights: Mapping[int, float], statistics: CorpusStatistics) -> list[int]:
    """Return the rarest terms whose postings together are enough to choose candidates from.

    Source: docs/decisions/0005-bm25-in-postgres.md
    """
    terms = list(weights)
    if not terms:
        return []
    common = statistics.dfs[terms[0]] > _CANDIDATES / 4
    budget = _CANDIDATES_COMMON if common else _CANDIDATES
    chosen: list[int] = []
    seen = 0
    for term in terms:
        chosen.append(term)
        seen += statistics.dfs[term]
        if seen > budget:
            break
    return chosen


def chunk_weights(terms: TermCounts, *, average_length: float) -> dict[int, float]:
    """Return a chunk's terms with their saturation: its sparse vector."""
    return {
        term: saturation(count, length=terms.length, average_length=average_length)
        for term, count in terms.counts.items()
    }


def best(scores: Mapping[int, float], *, limit: int) -> list[Scored]:
    """Return the largest scores first, equal ones by falling chunk id."""
    top = heapq.nlargest(limit, scores.items(), key=lambda item: (item[1], item[0]))
    return [Scored(chunk_id=chunk_id, score=score) for chunk_id, score in top]


def fuse_convex(
    lexical: Sequence[Scored], dense: Sequence[Scored], *, depth: int, weight: float = 0.5
) -> list[Scored]:
    """Return one list by the weighted sum of both lists' scores, each scaled to [0, 1].

    `depth` is how long the lists were asked to be: a lexical list that is shorter holds every chunk
    that matches, and what is not in it has a score of 0.
    """
    floor = 0.0 if len(lexical) < depth else None
    totals: dict[int, float] = {}
    for scaled, share in ((min_max(lexical, floor), 1 - weight), (min_max(dense), weight)):
        for chunk_id, score in scaled.items():
            totals[chunk_id] = totals.get(chunk_id, 0.0) + share * score
    return best(totals, limit=len(totals))


def fuse_rrf(lexical: Sequence[Scored], dense: Sequence[Scored]) -> list[Scored]:
    """Return one list by reciprocal rank, scaled so that first in both lists is 1."""
    totals: dict[int, float] = {}
    for scored in (lexical, dense):
        for rank, item in enumerate(scored, start=1):
            share = (RRF_K + 1) / (RRF_K + rank) / 2
            totals[item.chunk_id] = totals.get(item.chunk_id, 0.0) + share
    return best(totals, limit=len(totals))


def single(scored: Sequence[Scored]) -> list[Scored]:
    """Return one list alone, its scores scaled to [0, 1]."""
    return best(min_max(scored), limit=len(scored))


def with_feedback(
    query: Sequence[float], vectors: Iterable[Sequence[float]], *, weight: float = 0.5
) -> list[float]:
    """Return the query moved towards the mean of these vectors."""
    rows = list(vectors)
    if not rows:
        return list(query)
    share = weight / len(rows)
    return [
        q + share * sum(column) for q, column in zip(query, zip(*rows, strict=True), strict=True)
    ]


def min_max(scored: Sequence[Scored], floor: float | None = None) -> dict[int, float]:
    """Return a list's scores between 0, or `floor`, and 1, by chunk."""
    if not scored:
        return {}
    low = min(item.score for item in scored) if floor is None else floor
    high = max(item.score for item in scored)
    if high == low:
        return {item.chunk_id: 1.0 for item in scored}
    return {item.chunk_id: (item.score - low) / (high - low) for item in scored}
