"""Approximate search in large collections: one HNSW index for each, and fresh rows beside it.

A collection up to EXACT_LIMIT chunks is scanned exactly. Above, its rows are marked `indexed` and
an HNSW index of its own is built over them: one shared by tenants gives the small ones few hits.
New rows stay unmarked, and are scanned exactly, until they are moved: a live HNSW index takes about
150 rows a second, an ingest brings more.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db import connection, transaction

from knowledge.store.rows import dense_text, rows

EXACT_LIMIT = 20_000
MOVE_AFTER = 2_000  # fresh rows; a search scans them exactly
_MOVED = 500  # rows a transaction
_REMOVED = 5_000
_GRAPH_BYTES = 700  # a row's links while an index is built
_BUILD_MB = 1_024  # at most, while an index is built
_BUILD_LOCK = 0x686E7377  # the first half of the advisory lock; the second is the collection


def ready_indexes(collection_ids: Sequence[int], *, model_id: int) -> list[int]:
    """Return those of these collections whose HNSW index can be used."""
    names = {_name(collection_id, model_id): collection_id for collection_id in collection_ids}
    found = rows(
        "SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid "
        "WHERE c.relname = ANY(%(names)s) AND i.indisvalid",
        {"names": list(names)},
    )
    return sorted(names[row[0]] for row in found)


def wants_indexing(collection_id: int, *, model_id: int) -> bool:
    """Return whether a collection has grown past exact search, or has many fresh rows."""
    limit = MOVE_AFTER if ready_indexes([collection_id], model_id=model_id) else EXACT_LIMIT
    return _fresh(collection_id, model_id, at_most=limit + 1) > limit


def index_bring_up_to_date(collection_id: int, *, model_id: int, dim: int) -> bool:
    """Build a collection's HNSW index when there is none, and move its fresh rows into it.

    Searches and ingests go on meanwhile. False when somebody else is doing it. Must not be called
    inside a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_BUILD_LOCK, collection_id])
        if cursor.fetchone() == (False,):
            return False
        try:
            if ready_indexes([collection_id], model_id=model_id):
                _move_fresh(collection_id, model_id)
            else:
                _build(collection_id, model_id, dim)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_BUILD_LOCK, collection_id])
    return True


def chunks_lacking(collection_id: int, *, model_id: int, limit: int) -> list[int]:
    """Return chunks of a collection that have no vector by this model, lowest first."""
    found = rows(
        "SELECT t.chunk_id FROM knowledge_chunkterms t WHERE t.collection_id = %(c)s "
        "AND NOT EXISTS (SELECT 1 FROM knowledge_chunkvector v WHERE v.collection_id = %(c)s "
        "AND v.model_id = %(m)s AND v.chunk_id = t.chunk_id) ORDER BY 1 LIMIT %(n)s",
        {"c": collection_id, "m": model_id, "n": limit},
    )
    return [row[0] for row in found]


def documents_lacking(
    document_ids: Iterable[UUID], *, collection_id: int, model_ids: Iterable[int]
) -> set[UUID]:
    """Return those of these documents with a chunk that lacks a vector by one of these models."""
    found = rows(
        "SELECT DISTINCT k.document_id FROM knowledge_chunk k, unnest(%(m)s::int[]) AS m(id) "
        "WHERE k.document_id = ANY(%(d)s) AND NOT EXISTS (SELECT 1 FROM knowledge_chunkvector v "
        "WHERE v.collection_id = %(c)s AND v.model_id = m.id AND v.chunk_id = k.id)",
        {"c": collection_id, "m": list(model_ids), "d": list(document_ids)},
    )
    return {row[0] for row in found}


def progress(collection_id: int, *, model_id: int) -> tuple[int, int]:
    """Return how many chunks a collection has, and how many of them a vector by this model."""
    found = rows(
        "SELECT (SELECT count(*) FROM knowledge_chunkterms WHERE collection_id = %(c)s), "
        "(SELECT count(*) FROM knowledge_chunkvector WHERE collection_id = %(c)s "
        "AND model_id = %(m)s)",
        {"c": collection_id, "m": model_id},
    )
    return found[0][0], found[0][1]


def models_present(collection_id: int) -> list[int]:
    """Return the models that a collection has vectors by."""
    found = rows(
        "SELECT m.id FROM knowledge_embeddingmodel m WHERE EXISTS (SELECT 1 FROM "
        "knowledge_chunkvector v WHERE v.collection_id = %(c)s AND v.model_id = m.id) ORDER BY 1",
        {"c": collection_id},
    )
    return [row[0] for row in found]


def vectors_add(made: Mapping[int, Sequence[float]], *, collection_id: int, model_id: int) -> None:
    """Store vectors of chunks that are still there and have none by this model yet.

    A chunk that somebody is changing or deleting just now is left out: it can be asked for again.
    """
    chunk_ids = sorted(made)
    values = {
        "c": collection_id,
        "m": model_id,
        "ids": chunk_ids,
        "vectors": [dense_text(made[chunk_id]) for chunk_id in chunk_ids],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "WITH held AS MATERIALIZED (SELECT id FROM knowledge_chunk WHERE id = ANY(%(ids)s) "
            "FOR KEY SHARE SKIP LOCKED) "
            "INSERT INTO knowledge_chunkvector (collection_id, model_id, chunk_id, vector, indexed)"
            " SELECT %(c)s, %(m)s, x.id, x.v::halfvec, false "
            "FROM unnest(%(ids)s::bigint[], %(vectors)s::text[]) AS x(id, v) "
            "JOIN held USING (id) ORDER BY x.id ON CONFLICT DO NOTHING",
            values,
        )


def vectors_remove(collection_id: int, *, model_id: int) -> None:
    """Remove all of a collection's vectors by one model, some at a time."""
    removed = _REMOVED
    while removed == _REMOVED:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM knowledge_chunkvector WHERE collection_id = %s AND model_id = %s "
                "AND chunk_id = ANY(ARRAY(SELECT chunk_id FROM knowledge_chunkvector "
                "WHERE collection_id = %s AND model_id = %s LIMIT %s))",
                [collection_id, model_id, collection_id, model_id, _REMOVED],
            )
            removed = cursor.rowcount


def index_drop(collection_id: int, *, model_id: int) -> None:
    """Drop a collection's HNSW index of one model, if there is one; not inside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{_name(collection_id, model_id)}"')


def indexes_drop(collection_id: int) -> None:
    """Drop the HNSW indexes of a collection that is no more."""
    found = rows(
        "SELECT relname FROM pg_class WHERE relkind = 'i' AND relname LIKE %(pattern)s",
        {"pattern": f"knowledge\\_hnsw\\_{collection_id}\\_%"},
    )
    with connection.cursor() as cursor:
        for (name,) in found:
            cursor.execute(f'DROP INDEX "{name}"')


def _build(collection_id: int, model_id: int, dim: int) -> None:
    """Build the index over all rows of now: an index built at once costs a tenth of a grown one."""
    name = _name(collection_id, model_id)
    numbers = {"c": collection_id, "m": model_id}
    with connection.cursor() as cursor:
        cursor.execute(f'DROP INDEX IF EXISTS "{name}"')  # what a killed build left, never valid
        cursor.execute(
            "UPDATE knowledge_chunkvector SET indexed = true "
            "WHERE collection_id = %(c)s AND model_id = %(m)s AND NOT indexed",
            numbers,
        )
        cursor.execute(
            "SELECT count(*) FROM knowledge_chunkvector "
            "WHERE collection_id = %(c)s AND model_id = %(m)s",
            numbers,
        )
        (count,) = cursor.fetchone() or (0,)
        # A graph that outgrows this memory is finished on disk, many times slower.
        size_mb = min(max(count * (2 * dim + _GRAPH_BYTES) // 2**20, 64), _BUILD_MB)
        cursor.execute("SET maintenance_work_mem = %s", [f"{size_mb}MB"])
        try:
            # Numbers only, of our own rows: an index definition takes no parameters.
            cursor.execute(
                f'CREATE INDEX CONCURRENTLY "{name}" ON knowledge_chunkvector '
                f"USING hnsw ((vector::halfvec({int(dim)})) halfvec_ip_ops) "
                "WITH (m = 16, ef_construction = 64) "
                f"WHERE collection_id = {int(collection_id)} AND model_id = {int(model_id)} "
                "AND indexed"
            )
        finally:
            cursor.execute("RESET maintenance_work_mem")
        cursor.execute("ANALYZE knowledge_chunkvector")  # what was true of `indexed` is not now


def _move_fresh(collection_id: int, model_id: int) -> None:
    statement = (
        "UPDATE knowledge_chunkvector SET indexed = true WHERE collection_id = %s "
        "AND model_id = %s AND chunk_id = ANY(ARRAY(SELECT chunk_id FROM knowledge_chunkvector "
        "WHERE collection_id = %s AND model_id = %s AND NOT indexed "
        "ORDER BY chunk_id LIMIT %s FOR UPDATE SKIP LOCKED))"
    )
    numbers = [collection_id, model_id, collection_id, model_id, _MOVED]
    moved = _MOVED
    while moved == _MOVED:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, numbers)
            moved = cursor.rowcount


def _fresh(collection_id: int, model_id: int, *, at_most: int) -> int:
    found = rows(
        "SELECT count(*) FROM (SELECT 1 FROM knowledge_chunkvector WHERE collection_id = %(c)s "
        "AND model_id = %(m)s AND NOT indexed LIMIT %(n)s) fresh",
        {"c": collection_id, "m": model_id, "n": at_most},
    )
    return found[0][0]


def _name(collection_id: int, model_id: int) -> str:
    return f"knowledge_hnsw_{collection_id}_{model_id}"
