"""Chunks into the index, by COPY, inside the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection

from knowledge.core.ranking import chunk_weights
from knowledge.core.types import TermCounts
from knowledge.store.rows import copying, dense_text, rows, sparse_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow:
    """What the index keeps of a stored chunk; no vector when embedding is off."""

    chunk_id: int
    terms: TermCounts


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
