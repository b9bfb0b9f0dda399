"""The index in Postgres: BM25 by postings and sparse vectors, dense vectors, exact statistics."""

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from psycopg import Copy

from knowledge.core.analysis import TERM_SPACE
from knowledge.core.ranking import K1, B, chunk_weights, selective_terms
from knowledge.core.types import CorpusStatistics, Filters, Passage, Scored, TermCounts
from knowledge.models import ChunkVector

_CANDIDATES = 500  # chunks chosen by their rarest terms, then scored exactly
_FOLD_LOCK = 0x6B6E6F77  # the first half of the advisory lock; the second is the collection
_REWEIGHT_ROWS = 1_000
FOLD_AFTER = 16  # deltas: each costs every search of the collection a little
_DRIFT = 0.1  # of the average length before sparse vectors are computed anew

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

# OFFSET 0 keeps the planner from turning the index probes into a hash join over all postings.
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
        q.idf * p.count / (p.count + %(k1)s * (1 - %(b)s + %(b)s * p.length / %(average)s))
    ) DESC, p.chunk_id DESC
    LIMIT %(candidates)s
) chosen JOIN knowledge_chunkterms t USING (chunk_id)
ORDER BY score DESC, t.chunk_id DESC
LIMIT %(limit)s
"""

# + 0 keeps the planner from an HNSW index, which would look first and filter afterwards.
_DENSE = """
SELECT p.chunk_id, -(p.vector <#> %(query)s::halfvec) AS score
FROM knowledge_chunkvector p {join}
WHERE p.collection_id = ANY(%(collections)s::int[]) AND p.model_id = %(model)s {conditions}
ORDER BY (p.vector <#> %(query)s::halfvec) + 0, p.chunk_id DESC
LIMIT %(limit)s
"""

_PASSAGES = """
SELECT k.id, d.id, d.external_id, d.title, k.text, k.start, k."end", k.heading
FROM knowledge_chunk k JOIN knowledge_document d ON d.id = k.document_id
WHERE k.id = ANY(%(chunks)s) AND d.workspace_id = %(workspace)s
  AND d.collection_id = ANY(%(collections)s::int[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow:
    """What the index keeps of a stored chunk; no vector when embedding is off."""

    chunk_id: int
    terms: TermCounts


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
        self._conditions, self._values = _conditions(filters or Filters())

    def statistics(self, terms: Sequence[int]) -> CorpusStatistics:
        rows = _rows(_STATISTICS, {"collections": self._collections, "terms": list(terms)})
        sizes = next(row for row in rows if row[0] == 0)
        return CorpusStatistics(
            chunk_count=int(sizes[1] or 0),
            total_length=int(sizes[2] or 0),
            dfs={row[0]: int(row[1]) for row in rows if row[0] != 0 and row[1] > 0},
        )

    def lexical(
        self, weights: Mapping[int, float], *, statistics: CorpusStatistics, limit: int
    ) -> list[Scored]:
        terms = selective_terms(weights, statistics)
        return self._scored(
            _LEXICAL,
            {
                "query": _sparse(weights),
                "terms": terms,
                "idfs": [weights[term] for term in terms],
                "k1": K1,
                "b": B,
                "average": max(statistics.average_length, 1e-9),
                "candidates": max(_CANDIDATES, limit),
                "limit": limit,
            },
        )

    def dense(self, vector: Sequence[float], *, limit: int) -> list[Scored]:
        if self._model_id is None:
            return []
        values = {"query": _dense(vector), "model": self._model_id, "limit": limit}
        return self._scored(_DENSE, values)

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
        self, chunk_ids: Sequence[int], terms: Sequence[int]
    ) -> dict[int, tuple[int, dict[int, int]]]:
        rows = _rows(
            "SELECT chunk_id, length, terms, counts FROM knowledge_chunkterms "
            "WHERE chunk_id = ANY(%(chunks)s) AND collection_id = ANY(%(collections)s::int[])",
            {"chunks": list(chunk_ids), "collections": self._collections},
        )
        wanted = set(terms)
        return {
            chunk: (length, {t: n for t, n in zip(own, counts, strict=True) if t in wanted})
            for chunk, length, own, counts in rows
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
            for row in _rows(_PASSAGES, values)
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
        rows = _rows(filled, {**values, **self._values, "collections": self._collections})
        return [Scored(chunk_id=chunk_id, score=score) for chunk_id, score in rows]


def terms_write(rows: Iterable[ChunkRow], *, collection_id: int) -> None:
    """Index the terms of new chunks; postings and statistics follow by trigger.

    One COPY, so one delta row. Runs inside the caller's transaction.
    """
    rows = list(rows)
    if not rows:
        return
    average = _weighted_for(collection_id) or max(
        sum(row.terms.length for row in rows) / len(rows), 1.0
    )
    with _copying(
        "knowledge_chunkterms (chunk_id, collection_id, length, terms, counts, weights)"
    ) as copy:
        for row in rows:
            counts = row.terms.counts
            copy.write_row(
                (
                    row.chunk_id,
                    collection_id,
                    row.terms.length,
                    "{" + ",".join(map(str, counts)) + "}",
                    "{" + ",".join(str(min(count, 32_767)) for count in counts.values()) + "}",
                    _sparse(chunk_weights(row.terms, average_length=average)),
                )
            )


def vectors_write(
    vectors: Iterable[tuple[int, Sequence[float]]], *, collection_id: int, model_id: int
) -> None:
    """Store the vectors of chunks. Runs inside the caller's transaction."""
    with _copying(
        "knowledge_chunkvector (collection_id, model_id, chunk_id, vector, indexed)"
    ) as copy:
        for chunk_id, vector in vectors:
            copy.write_row((collection_id, model_id, chunk_id, _dense(vector), False))


def statistics_fold(collection_id: int) -> bool:
    """Fold a collection's deltas into its statistics; False when somebody else is doing it.

    Searches see the same numbers before and after. Must not be called inside a transaction.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_FOLD_LOCK, collection_id])
        if cursor.fetchone() == (False,):
            return False
        cursor.execute(_FOLD, {"collection": collection_id})
        cursor.execute(
            "DELETE FROM knowledge_termstatistic WHERE collection_id = %s AND chunk_count = 0",
            [collection_id],
        )
        cursor.execute(_DRIFTED, {"collection": collection_id, "drift": _DRIFT})
        drifted = cursor.fetchone()
    if drifted:
        _reweight(collection_id, average=drifted[0])
    return True


def delta_count(collection_id: int) -> int:
    """Return how many deltas wait to be folded."""
    rows = _rows(
        "SELECT count(*) FROM knowledge_statisticsdelta WHERE collection_id = %(c)s",
        {"c": collection_id},
    )
    return rows[0][0]


_FOLD = """
WITH folded AS (
    DELETE FROM knowledge_statisticsdelta WHERE collection_id = %(collection)s RETURNING *
), alive AS (
    SELECT id FROM knowledge_collection WHERE id = %(collection)s FOR KEY SHARE
), terms AS (
    INSERT INTO knowledge_termstatistic AS s (collection_id, term, chunk_count)
    SELECT alive.id, t.term, sum(t.df)
    FROM alive, folded f, unnest(f.terms, f.chunk_counts) AS t(term, df)
    GROUP BY alive.id, t.term
    ORDER BY t.term
    ON CONFLICT (collection_id, term)
    DO UPDATE SET chunk_count = s.chunk_count + excluded.chunk_count
)
INSERT INTO knowledge_collectionstatistics AS s (collection_id, chunk_count, total_length)
SELECT alive.id, coalesce(sum(f.chunk_count), 0), coalesce(sum(f.total_length), 0)
FROM alive LEFT JOIN folded f ON true
GROUP BY alive.id
ON CONFLICT (collection_id) DO UPDATE
SET chunk_count = s.chunk_count + excluded.chunk_count,
    total_length = s.total_length + excluded.total_length
"""

# The new average is noted before any vector is computed with it. An ingest that read the old one
# a moment ago stores vectors that are off by the drift, too little to be measured.
_DRIFTED = """
UPDATE knowledge_collectionstatistics
SET weighted_for = total_length::float8 / chunk_count
WHERE collection_id = %(collection)s AND chunk_count > 0 AND total_length > 0
  AND (weighted_for IS NULL
       OR abs(total_length::float8 / chunk_count / weighted_for - 1) > %(drift)s)
RETURNING weighted_for
"""

# SKIP LOCKED: it never waits, so it can never be part of a deadlock with a delete.
_REWEIGHT = """
WITH batch AS (
    SELECT chunk_id FROM knowledge_chunkterms
    WHERE collection_id = %(collection)s AND chunk_id = ANY(%(chunks)s)
    FOR UPDATE SKIP LOCKED
)
UPDATE knowledge_chunkterms t
SET weights = coalesce((
    SELECT '{' || string_agg(
        x.term || ':' || (x.count * (%(k1)s + 1)
            / (x.count + %(k1)s * (1 - %(b)s + %(b)s * t.length / %(average)s)))::real,
        ',' ORDER BY x.term) || '}/' || %(space)s
    FROM unnest(t.terms, t.counts) AS x(term, count)
), '{}/' || %(space)s)::sparsevec
FROM batch WHERE t.chunk_id = batch.chunk_id
"""


def _reweight(collection_id: int, *, average: float) -> None:
    chunks = [
        row[0]
        for row in _rows(
            "SELECT chunk_id FROM knowledge_chunkterms WHERE collection_id = %(c)s ORDER BY 1",
            {"c": collection_id},
        )
    ]
    for start in range(0, len(chunks), _REWEIGHT_ROWS):
        values = {
            "collection": collection_id,
            "chunks": chunks[start : start + _REWEIGHT_ROWS],
            "k1": K1,
            "b": B,
            "average": average,
            "space": str(TERM_SPACE),
        }
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_REWEIGHT, values)


def _weighted_for(collection_id: int) -> float | None:
    rows = _rows(
        "SELECT weighted_for FROM knowledge_collectionstatistics WHERE collection_id = %(c)s",
        {"c": collection_id},
    )
    return rows[0][0] if rows else None


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


def _rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


@contextmanager
def _copying(target: str) -> Generator[Copy]:
    with connection.cursor() as cursor:
        psycopg_cursor: Any = cursor  # the stubs know Django's own methods only
        with psycopg_cursor.copy(f"COPY {target} FROM STDIN") as copy:
            yield copy


def _sparse(weights: Mapping[int, float]) -> str:
    return "{" + ",".join(f"{t}:{w:.6g}" for t, w in sorted(weights.items())) + f"}}/{TERM_SPACE}"


def _dense(vector: Sequence[float]) -> str:
    return "[" + ",".join(f"{x:.6g}" for x in vector) + "]"


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value) if value else ""
