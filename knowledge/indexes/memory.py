"""The index in this process: exact, for tests and for agents that run without a database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knowledge.core.preparing import PreparedChunk
from knowledge.core.ranking import best, saturation
from knowledge.core.types import CorpusStatistics, Passage, Scored, TermCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    passage: Passage
    terms: TermCounts
    vector: Sequence[float] | None


class MemoryIndex:
    """An `Index` over the chunks added to it; nothing is approximated."""

    def __init__(self) -> None:
        self._stored: dict[int, _Stored] = {}

    def add(
        self,
        chunks: Sequence[PreparedChunk],
        *,
        document_id: str,
        title: str,
        vectors: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Add a document's chunks, with a vector each or with none."""
        for position, chunk in enumerate(chunks):
            chunk_id = len(self._stored) + 1
            self._stored[chunk_id] = _Stored(
                passage=Passage(
                    chunk_id=chunk_id,
                    document_id=document_id,
                    external_id=document_id,
                    title=title,
                    text=chunk.text,
                    start=chunk.start,
                    end=chunk.end,
                    heading=chunk.heading,
                ),
                terms=chunk.terms(),
                vector=None if vectors is None else vectors[position],
            )

    def statistics(self, terms: Sequence[int]) -> CorpusStatistics:
        dfs: Counter[int] = Counter()
        for stored in self._stored.values():
            dfs.update(term for term in terms if term in stored.terms.counts)
        return CorpusStatistics(
            chunk_count=len(self._stored),
            total_length=sum(stored.terms.length for stored in self._stored.values()),
            dfs=dict(dfs),
        )

    def lexical(
        self, weights: Mapping[int, float], *, statistics: CorpusStatistics, limit: int
    ) -> list[Scored]:
        scores: dict[int, float] = {}
        for chunk_id, stored in self._stored.items():
            own = stored.terms
            shares = [
                weight
                * saturation(
                    own.counts[term],
                    length=own.length,
                    average_length=statistics.average_length,
                )
                for term, weight in weights.items()
                if term in own.counts
            ]
            if shares:
                scores[chunk_id] = sum(shares)
        return best(scores, limit=limit)

    def dense(self, vector: Sequence[float], *, limit: int, spare: int = 0) -> list[Scored]:
        return self.dense_among(vector, list(self._stored), limit=limit + spare)

    def dense_among(
        self, vector: Sequence[float], chunk_ids: Sequence[int], *, limit: int
    ) -> list[Scored]:
        scores = {
            chunk_id: sum(a * b for a, b in zip(vector, own, strict=True))
            for chunk_id in chunk_ids
            if (own := self._stored[chunk_id].vector) is not None
        }
        return best(scores, limit=limit)

    def vectors(self, chunk_ids: Sequence[int]) -> list[list[float]]:
        found = [self._stored[i].vector for i in chunk_ids if i in self._stored]
        return [list(vector) for vector in found if vector is not None]

    def term_counts(
        self, chunk_ids: Sequence[int], terms: Sequence[int] | None
    ) -> dict[int, tuple[int, dict[int, int]]]:
        wanted = None if terms is None else set(terms)
        return {
            i: (own.length, {t: n for t, n in own.counts.items() if wanted is None or t in wanted})
            for i in chunk_ids
            if i in self._stored
            for own in [self._stored[i].terms]
        }

    def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        return [self._stored[i].passage for i in chunk_ids if i in self._stored]
