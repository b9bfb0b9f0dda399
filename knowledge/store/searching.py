"""The `Index` in Postgres: BM25 by postings and sparse vectors, dense vectors, exact statistics."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from knowledge.core.ranking import K1, B, best, selective_terms
from knowledge.core.types import CorpusStatistics, Filters, Passage, Scored
from knowledge.models import ChunkVector
from knowledge.store import vectors
from knowledge.store.rows import dense_text, rows, sparse_text

_CANDIDATES = 500  # chunks chosen by their rarest terms, then scored exactly

_STATISTICS = """
WITH delta AS MATERIALIZED (
    SELECT * FROM knowledge_statisticsdelta WHERE collection_id = ANY(%(collections)s)
)
SELECT 0 AS term, sum(n), sum(total) FROM (
    SELECT chunk_count AS n, total_length AS total FROM knowledge_collectionstatistics
    WHERE collection_id = ANY(%(collections)s)
    UNION ALL SELECT chunk_count, total_length FROM delta
) sizes
UNION ALL
SELECT term, sum(df), 0 FROM (
    SELECT term, chunk_count AS df FROM knowledge_termstatistic
    WHERE collection_id = ANY(%(collections)s) AND term = ANY(%(terms)s)
    UNION ALL
    SELECT t.term, t.df FROM delta d, unnest(d.terms, d.chunk_counts) AS t(term, df)
    WHERE t.term = ANY(%(terms)s)
) dfs GROUP BY term
"""

# OFFSET 0, here and below, keeps the planner from turning index probes into a join over a table.
_LEXICAL = """
SELECT t.chunk_id, -(t.weights <#> %(query)s::sparsevec) AS score
FROM (
    SELECT p.chunk_id
    FROM unnest(%(terms)s::int[], %(idfs)s::float8[]) AS q(term, idf),
         unnest(%(collections)s::int[]) AS c(id),
         LATERAL (
             SELECT chunk_id, count, length FROM knowledge_posting
             WHERE collection_id = c.id AND term = q.term OFFSET 0
         ) p {join}
    WHERE true {conditions}
    GROUP BY p.chunk_id
    ORDER BY sum(
        q.idf * p.count / (p.count + %(base)s::float8 + %(slope)s::float8 * p.length)
    ) DESC, p.chunk_id DESC
    LIMIT %(candidates)s
) chosen JOIN knowledge_chunkterms t USING (chunk_id)
ORDER BY score DESC, t.chunk_id DESC
LIMIT %(limit)s
"""

# OFFSET 0: without it the distance would be computed once for the order and once for the score.
# + 0 keeps the planner from an HNSW index, which would look first and filter afterwards.
_DENSE = """
SELECT chunk_id, -distance AS score
FROM (
    SELECT p.chunk_id, (p.vector <#> %(query)s::halfvec) + 0 AS distance
    FROM knowledge_chunkvector p {join}
    WHERE p.collection_id = ANY(%(scanned)s::int[]) AND p.model_id = %(model)s {conditions}
    OFFSET 0
) scanned
ORDER BY distance, chunk_id DESC
LIMIT %(limit)s
"""
_AMONG = """
SELECT chunk_id, -distance AS score
FROM (
    SELECT p.chunk_id, (p.vector <#> %(query)s::halfvec) + 0 AS distance
    FROM unnest(%(chunks)s::bigint[]) AS wanted(id),
         LATERAL (
             SELECT * FROM knowledge_chunkvector
             WHERE chunk_id = wanted.id AND model_id = %(model)s
               AND collection_id = ANY(%(collections)s::int[]) OFFSET 0
         ) p
    OFFSET 0
) known
ORDER BY distance, chunk_id DESC
LIMIT %(limit)s
"""
_FRESH = _DENSE.replace("{conditions}", "AND NOT p.indexed {conditions}")

# Every condition of the collection's own partial index, word for word, so that it is chosen.
_HNSW = """
SELECT p.chunk_id, -(p.vector::halfvec({dim}) <#> %(query)s::halfvec({dim})) AS score
FROM knowledge_chunkvector p {join}
WHERE p.collection_id = %(large)s AND p.model_id = %(model)s AND p.indexed {conditions}
ORDER BY p.vector::halfvec({dim}) <#> %(query)s::halfvec({dim})
LIMIT %(limit)s
"""
# Without sorts: where the statistics are older than the index the planner believes that few rows
# are in it, and would fetch and sort them all.
_HNSW_SETTINGS = """
SET LOCAL hnsw.ef_search = 200; SET LOCAL hnsw.iterative_scan = relaxed_order;
SET LOCAL enable_sort = off
"""

_FILTERED = """
SELECT count(*) FROM (
    SELECT 1 FROM knowledge_document d JOIN knowledge_chunk k ON k.document_id = d.id
    WHERE d.collection_id = ANY(%(large)s::int[]) {conditions} LIMIT %(limit)s
) found
"""

# By id, and only then by whose it is: of a collection filled a moment ago the planner believes that
# it has one row, and would read all of it for each passage.
_PASSAGES = """
SELECT k.id, d.id, d.external_id, d.title, k.text, k.start, k."end", k.heading
FROM unnest(%(chunks)s::bigint[]) AS wanted(id),
     LATERAL (SELECT * FROM knowledge_chunk WHERE id = wanted.id OFFSET 0) k,
     LATERAL (
         SELECT id, external_id, title, workspace_id, collection_id FROM knowledge_document
         WHERE id = k.document_id OFFSET 0
     ) d
WHERE d.workspace_id = %(workspace)s AND d.collection_id = ANY(%(collections)s::int[])
"""


class DatabaseIndex:
    """The `Index` of these collections for one workspace and one embedding model.

    Args:
        collection_ids: Of that workspace; nothing outside them is ever read.
        model_id: None when there are no vectors to search.
    """

    def __init__(
        self,
        *,
        workspace_id: UUID | str,
        collection_ids: Sequence[int],
        model_id: int | None,
        filters: Filters | None = None,
    ) -> None:
        self._workspace_id = str(workspace_id)
        self._collections = list(collection_ids)
        self._model_id = model_id
        self._indexed: Sequence[int] | None = None
        self._conditions, self._values = _conditions(filters or Filters())

    def statistics(self, terms: Sequence[int]) -> CorpusStatistics:
        found = rows(_STATISTICS, {"collections": self._collections, "terms": list(terms)})
        sizes = next(row for row in found if row[0] == 0)
        return CorpusStatistics(
            chunk_count=int(sizes[1] or 0),
            total_length=int(sizes[2] or 0),
            dfs={row[0]: int(row[1]) for row in found if row[0] != 0 and row[1] > 0},
        )

    def lexical(
        self, weights: Mapping[int, float], *, statistics: CorpusStatistics, limit: int
    ) -> list[Scored]:
        terms = selective_terms(weights, statistics)
        return self._scored(
            _LEXICAL,
            {
                "query": sparse_text(weights),
                "terms": terms,
                "idfs": [weights[term] for term in terms],
                "base": K1 * (1 - B),
                "slope": K1 * B / max(statistics.average_length, 1e-9),
                "candidates": max(_CANDIDATES, limit),
                "limit": limit,
            },
        )

    def dense(self, vector: Sequence[float], *, limit: int, spare: int = 0) -> list[Scored]:
        if self._model_id is None:
            return []
        values = {"query": dense_text(vector), "model": self._model_id, "limit": limit}
        large = self._large()
        if not large or self._few(large):
            scanned = {"scanned": self._collections, "limit": limit + spare}
            return self._scored(_DENSE, {**values, **scanned})
        small = sorted(set(self._collections) - set(large))
        found = self._scored(_DENSE, {**values, "scanned": small}) if small else []
        found += self._scored(_FRESH, {**values, "scanned": large})
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_HNSW_SETTINGS)
            for collection_id in large:
                found += self._scored(
                    _HNSW.replace("{dim}", str(len(vector))), {**values, "large": collection_id}
                )
        return best({item.chunk_id: item.score for item in found}, limit=limit)

    def dense_among(
        self, vector: Sequence[float], chunk_ids: Sequence[int], *, limit: int
    ) -> list[Scored]:
        values = {
            "query": dense_text(vector),
            "model": self._model_id,
            "chunks": list(chunk_ids),
            "collections": self._collections,
            "limit": limit,
        }
        return [Scored(chunk_id=row[0], score=row[1]) for row in rows(_AMONG, values)]

    def _large(self) -> Sequence[int]:
        """Return the collections with an HNSW index; looked up once, for a search asks twice."""
        if self._indexed is None and self._model_id is not None:
            self._indexed = vectors.ready_indexes(self._collections, model_id=self._model_id)
        return self._indexed or ()

    def _few(self, large: Sequence[int]) -> bool:
        """Return whether the filters leave few enough chunks of large collections for a scan."""
        if not self._conditions:
            return False
        values = {**self._values, "large": list(large), "limit": vectors.EXACT_LIMIT + 1}
        found = rows(_FILTERED.format(conditions=self._conditions), values)
        return found[0][0] <= vectors.EXACT_LIMIT

    def vectors(self, chunk_ids: Sequence[int]) -> list[list[float]]:
        stored = dict(
            ChunkVector.objects.filter(
                collection_id__in=self._collections,
                model_id=self._model_id,
                chunk_id__in=list(chunk_ids),
            ).values_list("chunk_id", "vector")
        )
        return [list(stored[chunk]) for chunk in chunk_ids if chunk in stored]

    def term_counts(
        self, chunk_ids: Sequence[int], terms: Sequence[int] | None
    ) -> dict[int, tuple[int, dict[int, int]]]:
        found = rows(
            "SELECT chunk_id, length, terms, counts FROM knowledge_chunkterms "
            "WHERE chunk_id = ANY(%(chunks)s) AND collection_id + 0 = ANY(%(collections)s::int[])",
            {"chunks": list(chunk_ids), "collections": self._collections},
        )
        wanted = None if terms is None else set(terms)
        return {
            chunk: (
                length,
                {t: n for t, n in zip(own, counts, strict=True) if wanted is None or t in wanted},
            )
            for chunk, length, own, counts in found
        }

    def passages(self, chunk_ids: Sequence[int]) -> list[Passage]:
        values = {
            "chunks": list(chunk_ids),
            "workspace": self._workspace_id,
            "collections": self._collections,
        }
        found = {
            row[0]: Passage(
                chunk_id=row[0],
                document_id=str(row[1]),
                external_id=row[2],
                title=row[3],
                text=row[4],
                start=row[5],
                end=row[6],
                heading=row[7],
            )
            for row in rows(_PASSAGES, values)
        }
        return [found[chunk_id] for chunk_id in chunk_ids if chunk_id in found]

    def _scored(self, statement: str, values: dict[str, Any]) -> list[Scored]:
        join = (
            "JOIN knowledge_chunk k ON k.id = p.chunk_id "
            "JOIN knowledge_document d ON d.id = k.document_id"
            if self._conditions
            else ""
        )
        filled = statement.format(join=join, conditions=self._conditions)
        found = rows(filled, {**values, **self._values, "collections": self._collections})
        return [Scored(chunk_id=chunk_id, score=score) for chunk_id, score in found]


def _conditions(filters: Filters) -> tuple[str, dict[str, Any]]:
    given: list[tuple[str, str, Any]] = [
        ("d.tags @> %(tags)s::varchar[]", "tags", list(filters.tags)),
        ("d.metadata @> %(metadata)s::jsonb", "metadata", _json(filters.metadata)),
        ("d.external_id = ANY(%(external_ids)s)", "external_ids", list(filters.external_ids)),
        ("d.source_type = ANY(%(source_types)s)", "source_types", list(filters.source_types)),
        ("d.created_at >= %(created_after)s", "created_after", filters.created_after),
        ("d.created_at < %(created_before)s", "created_before", filters.created_before),
    ]
    used = [item for item in given if item[2]]
    return "".join(f" AND {sql}" for sql, _, _ in used), {name: value for _, name, value in used}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value) if value else ""
