"""Put documents into the index: read, cut, embed, and only then one transaction a batch.

A document is given up as soon as its text is there, and what its chunks are indexed by is never in
memory all at once: what an ingest takes depends on the text of its longest document alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from knowledge.core.errors import DocumentBusy, DocumentRejected, KnowledgeError
from knowledge.core.ports import Embedder
from knowledge.core.preparing import (
    PreparedDocument,
    check_external_id,
    clean,
    clean_metadata,
    cut,
    digest_of,
    is_external_id,
    slices,
)
from knowledge.core.types import DocumentInput, LoadedText
from knowledge.models import Document
from knowledge.selectors import CollectionRef
from knowledge.services.chunks import chunks_replace
from knowledge.services.embeddings import texts_keep, vectors_index_queue
from knowledge.services.serving import EngineOf, engines_wanted, nobody, serving_held
from knowledge.store import statistics, vectors, writing

Load = Callable[[DocumentInput], LoadedText]
Engines = Mapping[int, Embedder | None]  # by the number of their model; None: nobody runs it

_BATCH_DOCUMENTS = 64
_BATCH_SIZE = 1_000_000  # bytes or letters
_LONG_TEXT = 1_000_000  # characters; stored a part at a time
_ATTEMPTS = 3
_FIELDS = (
    "title", "source_type", "metadata", "tags", "content_hash", "status", "error", "error_code",
    "chunk_count", "ingested_at", "updated_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What became of one document; `unchanged` means that nothing of it had to be done again."""

    external_id: str
    document_id: str | None
    status: Literal["ready", "unchanged", "failed"]
    chunk_count: int = 0
    error_code: str = ""
    error: str = ""


def documents_ingest(
    *,
    workspace_id: UUID | str,
    collection: CollectionRef,
    documents: Iterable[DocumentInput],
    load: Load,
    embedder: Embedder | None,
    engine_of: EngineOf = nobody,
) -> Iterator[IngestResult]:
    """Ingest documents and yield what became of each; a bad one never stops the others.

    A document replaces the one of the same external id. Chunks that did not change are neither
    stored nor embedded again, those that are gone are removed. A later document of a batch wins
    over an earlier one of the same external id. Vectors are made by the model that serves the
    collection, and by the one it is being moved to: `embedder`, or whom `engine_of` gives by name.

    Raises:
        EmbeddingUnavailable: Documents already yielded stay.
    """
    for batch in _batches(documents):
        yield from _batch_ingest(
            batch,
            workspace_id=workspace_id,
            collection=collection,
            load=load,
            engines_now=lambda: _engines(collection.id, embedder, engine_of),
        )
        if statistics.delta_count(collection.id) >= statistics.FOLD_AFTER:
            statistics.statistics_fold(collection.id)
    if embedder is not None:
        vectors_index_queue(collection_id=collection.id)
    statistics.statistics_fold(collection.id)


def _batches(documents: Iterable[DocumentInput]) -> Iterator[list[DocumentInput]]:
    """Give documents some at a time: what a batch holds in memory does not depend on their size."""
    batch: list[DocumentInput] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text or "") + len(document.content or b"")
        del document  # whoever takes the batch may drop it
        if len(batch) == _BATCH_DOCUMENTS or size >= _BATCH_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _batch_ingest(
    batch: list[DocumentInput],
    *,
    workspace_id: UUID | str,
    collection: CollectionRef,
    load: Load,
    engines_now: Callable[[], Engines],
) -> list[IngestResult]:
    """Ingest a batch, which is emptied on the way."""
    names = list(dict.fromkeys(item.external_id for item in batch))
    results: dict[str, IngestResult] = {}
    prepared: dict[str, PreparedDocument] = {}
    engines = engines_now()
    stored = _stored(
        list(filter(is_external_id, names)), collection_id=collection.id, engines=engines
    )
    batch.reverse()
    while batch:
        item = batch.pop()
        try:
            document = _prepare(item, load=load, language=collection.language, stored=stored)
        except DocumentRejected as error:
            prepared.pop(item.external_id, None)
            results[item.external_id] = _fail(item, error, workspace_id, collection)
        else:
            prepared[item.external_id] = document
            del document
        del item
    _embed(prepared.values(), engines=engines)
    for _ in range(_ATTEMPTS):
        written = _write(
            prepared, engines=engines, workspace_id=workspace_id, collection=collection
        )
        results.update(written)
        # What changed under our hands since it was looked up: cut it after all, and try again.
        prepared = {
            external_id: document if document.chunks else _cut(document, collection.language)
            for external_id, document in prepared.items()
            if external_id not in written
        }
        if not prepared:
            break
        engines = engines_now()
        _embed(prepared.values(), engines=engines)
    for external_id in prepared:
        error = DocumentBusy(f"{external_id!r} is being changed by somebody else: try again.")
        results[external_id] = _failed(external_id, error, document_id=None)
    return [results[external_id] for external_id in names]


def _stored(names: Sequence[str], *, collection_id: int, engines: Engines) -> dict[str, str]:
    """Return the digests of those of these documents that are stored and lack no vector."""
    known = Document.objects.filter(
        collection_id=collection_id, external_id__in=names, status=Document.Status.READY
    )
    lacking = vectors.documents_lacking(
        known.values_list("id", flat=True),
        collection_id=collection_id,
        model_ids=[model_id for model_id, engine in engines.items() if engine is not None],
    )
    return dict(known.exclude(id__in=lacking).values_list("external_id", "content_hash"))


def _prepare(
    item: DocumentInput, *, load: Load, language: str, stored: dict[str, str]
) -> PreparedDocument:
    """Read and cut a document; one whose digest is stored comes back without chunks."""
    check_external_id(item.external_id)
    loaded = load(item)
    loaded = LoadedText(
        text=clean(loaded.text), title=clean(loaded.title), source_type=loaded.source_type
    )
    title = " ".join(clean(item.title or loaded.title).split())[:500]
    digest = digest_of(loaded, title=title, language=language)
    document = PreparedDocument(
        external_id=item.external_id,
        title=title,
        text=loaded.text,
        source_type=loaded.source_type,
        metadata=clean_metadata(item.metadata),
        tags=tuple(dict.fromkeys(clean(tag)[:100] for tag in item.tags)),
        digest=digest,
        chunks=(),
    )
    return document if stored.get(item.external_id) == digest else _cut(document, language)


def _cut(document: PreparedDocument, language: str) -> PreparedDocument:
    loaded = LoadedText(text=document.text, source_type=document.source_type)
    return replace(document, chunks=cut(loaded, title=document.title, language=language))


def _embed(documents: Iterable[PreparedDocument], *, engines: Engines) -> None:
    """Let the cache hold the vectors of these documents' chunks, by each model."""
    documents = list(documents)
    for engine in engines.values():
        if engine is not None:
            texts = (chunk.embedding_text for doc in documents for chunk in doc.chunks)
            texts_keep(texts=texts, embedder=engine)


def _engines(collection_id: int, embedder: Embedder | None, engine_of: EngineOf) -> Engines:
    if embedder is None:
        return {}
    return engines_wanted(collection_id=collection_id, embedder=embedder, engine_of=engine_of)


@transaction.atomic
def _write(
    prepared: dict[str, PreparedDocument],
    *,
    engines: Engines,
    workspace_id: UUID | str,
    collection: CollectionRef,
) -> dict[str, IngestResult]:
    """Store what was prepared; leaves out what has changed since and was not cut."""
    if engines and not serving_held(collection_id=collection.id, model_ids=engines):
        return {}
    rows = _rows_locked(prepared, workspace_id=workspace_id, collection=collection)
    model_ids = [model_id for model_id, engine in engines.items() if engine is not None]
    lacking = vectors.documents_lacking(
        [row.id for row in rows.values()], collection_id=collection.id, model_ids=model_ids
    )
    now = timezone.now()
    results: dict[str, IngestResult] = {}
    changed: dict[UUID, PreparedDocument] = {}
    for external_id, document in prepared.items():
        row = rows.get(external_id)
        if row is None:  # deleted by somebody between our insert and our lock
            continue
        same = row.status == Document.Status.READY and row.content_hash == document.digest
        unchanged = same and row.id not in lacking
        if not unchanged and not document.chunks:
            continue
        if not unchanged:
            changed[row.id] = document
            row.chunk_count = len(document.chunks)
            row.ingested_at = now
        _fill(row, document)
        results[external_id] = IngestResult(
            external_id=external_id,
            document_id=str(row.id),
            status="unchanged" if unchanged else "ready",
            chunk_count=row.chunk_count,
        )
    chunks_replace(changed, collection_id=collection.id, model_ids=model_ids)
    _rows_write([rows[external_id] for external_id in results], texts=changed)
    return results


def _rows_write(rows: Sequence[Document], *, texts: Mapping[UUID, PreparedDocument]) -> None:
    """Store the rows, with the texts of those that changed."""
    short = [row for row in rows if row.id in texts and len(texts[row.id].text) <= _LONG_TEXT]
    for row in short:
        row.text = texts[row.id].text
    ids = {row.id for row in short}
    rest = [row for row in rows if row.id not in ids]
    for row in rest:
        row.text = ""  # stands for it; it is not among the fields
    # Upserts of rows that are there: bulk_update() takes twenty times as long.
    for some, fields in ((short, ("text", *_FIELDS)), (rest, _FIELDS)):
        Document.objects.bulk_create(
            some, update_conflicts=True, unique_fields=["id"], update_fields=fields
        )
    for row in rest:
        if row.id in texts:
            writing.text_write(row.id, slices(texts[row.id].text))


def _rows_locked(
    prepared: dict[str, PreparedDocument], *, workspace_id: UUID | str, collection: CollectionRef
) -> dict[str, Document]:
    """Return the locked rows of these documents; always in one order, so that nobody deadlocks."""
    wanted = sorted(prepared)
    Document.objects.bulk_create(
        [
            Document(
                workspace_id=workspace_id,
                collection_id=collection.id,
                external_id=external_id,
                status=Document.Status.INGESTING,
            )
            for external_id in wanted
        ],
        ignore_conflicts=True,
    )
    locked = (
        Document.objects.select_for_update()
        .defer("text")  # may be long, and is replaced or stays
        .filter(collection_id=collection.id, external_id__in=wanted)
        .order_by("external_id")
    )
    return {row.external_id: row for row in locked}


def _fill(row: Document, document: PreparedDocument) -> None:
    row.title = document.title
    row.source_type = document.source_type
    row.metadata = dict(document.metadata)
    row.tags = list(document.tags)
    row.content_hash = document.digest
    row.status = Document.Status.READY
    row.error = row.error_code = ""
    row.updated_at = timezone.now()


def _fail(
    item: DocumentInput,
    error: KnowledgeError,
    workspace_id: UUID | str,
    collection: CollectionRef,
) -> IngestResult:
    """Note why a document was not ingested; an earlier version of it is still found."""
    document_id: str | None = None
    with suppress(DocumentRejected):  # a name that is none leaves no row: cut, it may be another's
        row, _ = Document.objects.update_or_create(
            collection_id=collection.id,
            external_id=check_external_id(item.external_id),
            defaults={
                "status": Document.Status.FAILED,
                "error": str(error),
                "error_code": error.code,
            },
            create_defaults={
                "workspace_id": workspace_id,
                "title": clean(item.title)[:500],
                "status": Document.Status.FAILED,
                "error": str(error),
                "error_code": error.code,
            },
        )
        document_id = str(row.id)
    return _failed(item.external_id, error, document_id=document_id)


def _failed(external_id: str, error: KnowledgeError, *, document_id: str | None) -> IngestResult:
    return IngestResult(
        external_id=external_id,
        document_id=document_id,
        status="failed",
        error_code=error.code,
        error=str(error),
    )
