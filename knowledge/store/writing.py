"""Chunks into the index, by COPY, inside the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from knowledge.core.ranking import chunk_weights
from knowledge.core.types import TermCounts
from knowledge.store.rows import copying, dense_text, rows, sparse_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow:
    """What the index keeps of a stored chunk; no vector when embedding is off."""

    chunk_id: int
    terms: TermCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a chunk is in its document: the how manieth, from where to where of its text."""

    ordinal: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChunk:
    """A chunk that is to be stored."""

    document_id: UUID
    place: Place
    heading: str
    text: str
    digest: str


def chunks_write(chunks: Sequence[NewChunk]) -> list[int]:
    """Store chunks and return their ids, in order."""
    ids = [
        row[0]
        for row in rows(
            "SELECT nextval(pg_get_serial_sequence('knowledge_chunk', 'id')) "
            "FROM generate_series(1, %(n)s)",
            {"n": len(chunks)},
        )
    ]
    columns = 'id, document_id, ordinal, start, "end", heading, text, content_hash'
    with copying(f"knowledge_chunk ({columns})") as copy:
        for chunk_id, chunk in zip(ids, chunks, strict=True):
            place = (chunk.place.ordinal, chunk.place.start, chunk.place.end)
            copy.write_row(
                (chunk_id, chunk.document_id, *place, chunk.heading, chunk.text, chunk.digest)
            )
    return ids


def chunks_remove(chunk_ids: Iterable[int]) -> None:
    """Remove chunks and all that was derived from them."""
    ids = list(chunk_ids)
    if not ids:
        return
    with connection.cursor() as cursor:
        for statement in _REMOVE:
            cursor.execute(statement, [ids])


def chunks_move(places: Sequence[tuple[int, Place]]) -> None:
    """Note where stored chunks, by their ids, are now."""
    values = {
        "ids": [chunk_id for chunk_id, _ in places],
        "ordinals": [place.ordinal for _, place in places],
        "starts": [place.start for _, place in places],
        "ends": [place.end for _, place in places],
    }
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE knowledge_chunk k SET ordinal = x.ordinal, start = x.start, "end" = x.stop '
            "FROM unnest(%(ids)s::bigint[], %(ordinals)s::int[], %(starts)s::int[], "
            "%(ends)s::int[]) AS x(id, ordinal, start, stop) WHERE k.id = x.id "
            'AND (k.ordinal, k.start, k."end") IS DISTINCT FROM (x.ordinal, x.start, x.stop)',
            values,
        )


def text_write(document_id: UUID, parts: Iterable[str]) -> None:
    """Store a long text a part at a time: as one value it would be copied several times."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE knowledge_part (number int, part text)")
        with copying("knowledge_part (number, part)") as copy:
            for row in enumerate(parts):
                copy.write_row(row)
        cursor.execute(
            "UPDATE knowledge_document SET text = "
            "(SELECT string_agg(part, '' ORDER BY number) FROM knowledge_part) WHERE id = %s",
            [document_id],
        )
        cursor.execute("DROP TABLE knowledge_part")


def terms_write(stored: Iterable[ChunkRow], *, collection_id: int) -> None:
    """Index the terms of new chunks; postings and statistics follow by trigger.

    One COPY, so one delta row. Runs inside the caller's transaction.
    """
    stored = list(stored)
    if not stored:
        return
    average = _weighted_for(collection_id) or max(
        sum(row.terms.length for row in stored) / len(stored), 1.0
    )
    with copying(
        "knowledge_chunkterms (chunk_id, collection_id, length, terms, counts, weights)"
    ) as copy:
        for row in stored:
            counts = row.terms.counts
            copy.write_row(
                (
                    row.chunk_id,
                    collection_id,
                    row.terms.length,
                    "{" + ",".join(map(str, counts)) + "}",
                    "{" + ",".join(str(min(count, 32_767)) for count in counts.values()) + "}",
                    sparse_text(chunk_weights(row.terms, average_length=average)),
                )
            )


def vectors_write(
    vectors: Iterable[tuple[int, Sequence[float]]], *, collection_id: int, model_id: int
) -> None:
    """Store the vectors of chunks. Runs inside the caller's transaction."""
    with copying(
        "knowledge_chunkvector (collection_id, model_id, chunk_id, vector, indexed)"
    ) as copy:
        for chunk_id, vector in vectors:
            copy.write_row((collection_id, model_id, chunk_id, dense_text(vector), False))


def vectors_from_cache(
    digests: Sequence[tuple[int, bytes]], *, collection_id: int, model_id: int
) -> None:
    """Store the cached vectors of those of these chunks that have none by this model.

    Takes each chunk's id with its vector's name in the cache, which must hold all of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO knowledge_chunkvector (collection_id, model_id, chunk_id, vector, indexed)"
            " SELECT %(c)s, %(m)s, x.id, e.vector::halfvec, false "
            "FROM unnest(%(ids)s::bigint[], %(digests)s::bytea[]) AS x(id, digest) "
            "LEFT JOIN knowledge_cachedembedding e ON e.model_id = %(m)s AND e.digest = x.digest "
            "ORDER BY x.id ON CONFLICT DO NOTHING",
            {
                "c": collection_id,
                "m": model_id,
                "ids": [chunk_id for chunk_id, _ in digests],
                "digests": [digest for _, digest in digests],
            },
        )


def _weighted_for(collection_id: int) -> float | None:
    found = rows(
        "SELECT weighted_for FROM knowledge_collectionstatistics WHERE collection_id = %(c)s",
        {"c": collection_id},
    )
    return found[0][0] if found else None


def collection_clear(collection_id: int) -> None:
    """Remove a collection's documents, chunks and index by range, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('knowledge.dropping', %s, true)", [str(collection_id)])
        for statement in _CLEAR:
            cursor.execute(statement, [collection_id])


_REMOVE = (
    "DELETE FROM knowledge_chunkvector WHERE chunk_id = ANY(%s)",
    "DELETE FROM knowledge_chunkterms WHERE chunk_id = ANY(%s)",
    "DELETE FROM knowledge_chunk WHERE id = ANY(%s)",
)
_CLEAR = (
    "DELETE FROM knowledge_chunkvector WHERE collection_id = %s",
    "DELETE FROM knowledge_chunkterms WHERE collection_id = %s",
    "DELETE FROM knowledge_posting WHERE collection_id = %s",
    "DELETE FROM knowledge_statisticsdelta WHERE collection_id = %s",
    "DELETE FROM knowledge_termstatistic WHERE collection_id = %s",
    "DELETE FROM knowledge_collectionstatistics WHERE collection_id = %s",
    (
        "DELETE FROM knowledge_chunk k USING knowledge_document d "
        "WHERE k.document_id = d.id AND d.collection_id = %s"
    ),
    (
        "DELETE FROM knowledge_documentsource s USING knowledge_document d "
        "WHERE s.document_id = d.id AND d.collection_id = %s"
    ),
    "DELETE FROM knowledge_document WHERE collection_id = %s",
)
