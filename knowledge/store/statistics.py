"""df, N and lengths of a collection: deltas folded in, sparse vectors kept near the average."""

from django.db import connection, transaction

from knowledge.core.analysis import TERM_SPACE
from knowledge.core.ranking import K1, B
from knowledge.store.rows import rows

FOLD_AFTER = 16  # deltas: each costs every search of the collection a little
_FOLD_LOCK = 0x6B6E6F77  # the first half of the advisory lock; the second is the collection
_REWEIGHT_ROWS = 1_000
_DRIFT = 0.1  # of the average length before sparse vectors are computed anew

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
    found = rows(
        "SELECT count(*) FROM knowledge_statisticsdelta WHERE collection_id = %(c)s",
        {"c": collection_id},
    )
    return found[0][0]


def _reweight(collection_id: int, *, average: float) -> None:
    chunks = [
        row[0]
        for row in rows(
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
