"""What retrieval needs of the world."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from knowledge.core.types import CorpusStatistics, Passage, Scored


class Embedder(Protocol):
    """Turn texts into unit vectors of `dim` numbers, one each, in order; blocks, any thread.

    Raises:
        EmbeddingUnavailable: from `embed`, when no usable vectors came back.
    """

    @property
    def model_id(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


class Reranker(Protocol):
    """Judge passages against a query, together; blocks, any thread.

    Raises:
        RerankUnavailable: from `rerank`, when no usable scores came back.
    """

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]: ...


class Index(Protocol):
    """The chunks somebody may search: bound to a workspace, collections and filters when made.

    Lists are best first, equal scores by falling chunk id.
    """

    def statistics(self, terms: Sequence[int]) -> CorpusStatistics:
        """Return what is stored of these terms over the collections searched."""
        ...

    def lexical(
        self, weights: Mapping[int, float], *, statistics: CorpusStatistics, limit: int
    ) -> list[Scored]:
        """Return the chunks with the largest BM25 scores; `weights` are idf times query count."""
        ...

    def dense(self, vector: Sequence[float], *, limit: int, spare: int = 0) -> list[Scored]:
        """Return the chunks whose vectors have the largest inner product with `vector`.

        Up to `spare` more where they cost next to nothing.
        """
        ...

    def dense_among(
        self, vector: Sequence[float], chunk_ids: Sequence[int], *, limit: int
    ) -> list[Scored]:
        """Return the same of these chunks, which `dense` of this index gave."""
        ...

    def vectors(self, chunk_ids: Sequence[int]) -> list[list[float]]:
        """Return the vectors of those of these chunks that have one, in the order given."""
        ...

    def term_counts(
        self, chunk_ids: Sequence[int], terms: Sequence[int] | None
    ) -> dict[int, tuple[int, dict[int, int]]]:
        """Return for each chunk its length and how often each of these terms, or any, occurs."""
        ...

    def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        """Return the passages that still exist, in the order given."""
        ...
