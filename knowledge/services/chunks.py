"""The chunks of documents: kept where their digest is still there, the others made a few at a time.

What a chunk is indexed by takes ten times the room of its text, so it is made when it is written.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from knowledge.core.preparing import PreparedChunk, PreparedDocument
from knowledge.models import Chunk
from knowledge.services.embeddings import digest_of
from knowledge.store import writing
from knowledge.store.writing import NewChunk, Place

_AT_ONCE = 500
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What stays, by the chunks' ids, what comes, by the documents', and what goes."""

    kept: Sequence[tuple[int, int, PreparedChunk]]
    new: Sequence[tuple[UUID, int, PreparedChunk]]
    gone: Sequence[int]


def chunks_replace(
    documents: Mapping[UUID, PreparedDocument], *, collection_id: int, model_ids: Sequence[int]
) -> None:
    """Let these documents have their new chunks, with vectors by these models from the cache.

    Runs inside the caller's transaction.
    """
    change = _change(documents)
    writing.chunks_remove(change.gone)
    for some in _some(change.kept):
        writing.chunks_move([(chunk_id, _place(n, chunk)) for chunk_id, n, chunk in some])
        with_ids = [(chunk_id, chunk) for chunk_id, _, chunk in some]
        _vectors_write(with_ids, collection_id=collection_id, model_ids=model_ids)
    for some in _some(change.new):
        ids = writing.chunks_write([_row(*item) for item in some])
        with_ids = list(zip(ids, (chunk for _, _, chunk in some), strict=True))
        writing.terms_write(
            [writing.ChunkRow(chunk_id=i, terms=chunk.terms()) for i, chunk in with_ids],
            collection_id=collection_id,
        )
        _vectors_write(with_ids, collection_id=collection_id, model_ids=model_ids)


def _change(documents: Mapping[UUID, PreparedDocument]) -> _Change:
    old: dict[tuple[UUID, str], list[int]] = defaultdict(list)
    stored = Chunk.objects.filter(document_id__in=documents).order_by("document_id", "-ordinal")
    for document_id, digest, chunk_id in stored.values_list("document_id", "content_hash", "pk"):
        old[document_id, digest].append(chunk_id)
    kept: list[tuple[int, int, PreparedChunk]] = []
    new: list[tuple[UUID, int, PreparedChunk]] = []
    for document_id, document in documents.items():
        for ordinal, chunk in enumerate(document.chunks):
            if same := old.get((document_id, chunk.digest)):
                kept.append((same.pop(), ordinal, chunk))
            else:
                new.append((document_id, ordinal, chunk))
    return _Change(kept=kept, new=new, gone=[pk for same in old.values() for pk in same])


def _some(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _place(ordinal: int, chunk: PreparedChunk) -> Place:
    return Place(ordinal=ordinal, start=chunk.start, end=chunk.end)


def _row(document_id: UUID, ordinal: int, chunk: PreparedChunk) -> NewChunk:
    return NewChunk(
        document_id=document_id,
        place=_place(ordinal, chunk),
        heading=chunk.heading,
        text=chunk.text,
        digest=chunk.digest,
    )


def _vectors_write(
    chunks: Iterable[tuple[int, PreparedChunk]], *, collection_id: int, model_ids: Sequence[int]
) -> None:
    if not model_ids:
        return
    digests = [(chunk_id, digest_of(chunk.embedding_text)) for chunk_id, chunk in chunks]
    for model_id in model_ids:
        writing.vectors_from_cache(digests, collection_id=collection_id, model_id=model_id)
