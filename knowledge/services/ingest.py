"""Put documents into the index: read, cut, embed, and only then one short transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from knowledge.core.errors import DocumentBusy, DocumentRejected, KnowledgeError
from knowledge.core.ports import Embedder
from knowledge.core.preparing import (
    MAX_EXTERNAL_ID,
    PreparedChunk,
    PreparedDocument,
    check_external_id,
    clean,
    clean_values,
    cut,
    digest_of,
)
from knowledge.core.types import DocumentInput, LoadedText
from knowledge.models import Chunk, ChunkVector, Document
from knowledge.selectors import CollectionRef
from knowledge.services.embeddings import texts_embed, vectors_index_queue
from knowledge.services.serving import EngineOf, engines_wanted, nobody, serving_held
from knowledge.store import statistics, vectors, writing

Load = Callable[[DocumentInput], LoadedText]
Engines = Mapping[int, Embedder | None]  # by the number of their model; None: nobody runs it
VectorsMade = Mapping[int, Mapping[str, Sequence[float]] | None]  # then by the chunk's digest

_BATCH_DOCUMENTS = 64
_BATCH_SIZE = 1_000_000  # bytes or letters
_ATTEMPTS = 3


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
        if len(batch) == _BATCH_DOCUMENTS or size >= _BATCH_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _batch_ingest(
    batch: Sequence[DocumentInput],
    *,
    workspace_id: UUID | str,
    collection: CollectionRef,
    load: Load,
    engines_now: Callable[[], Engines],
) -> list[IngestResult]:
    results: dict[str, IngestResult] = {}
    prepared: dict[str, PreparedDocument] = {}
    engines = engines_now()
    known = Document.objects.filter(
        collection_id=collection.id,
        external_id__in=[item.external_id for item in batch],
        status=Document.Status.READY,
    )
    lacking = vectors.documents_lacking(
        known.values_list("id", flat=True),
        collection_id=collection.id,
        model_ids=[model_id for model_id, engine in engines.items() if engine is not None],
    )
    stored = dict(known.exclude(id__in=lacking).values_list("external_id", "content_hash"))
    for item in batch:
        try:
            document = _prepare(item, load=load, language=collection.language, stored=stored)
        except DocumentRejected as error:
            prepared.pop(item.external_id, None)
            results[item.external_id] = _fail(item, error, workspace_id, collection)
        else:
            prepared[item.external_id] = document
    made = _vectors(prepared.values(), engines=engines)
    for _ in range(_ATTEMPTS):
        written = _write(prepared, made=made, workspace_id=workspace_id, collection=collection)
        results.update(written)
        # What changed under our hands since it was looked up: cut it after all, and try again.
        prepared = {
            item.external_id: _prepare(item, load=load, language=collection.language, stored={})
            for item in batch
            if item.external_id in prepared and item.external_id not in written
        }
        if not prepared:
            break
        made = _vectors(prepared.values(), engines=engines_now())
    for external_id in prepared:
        error = DocumentBusy(f"{external_id!r} is being changed by somebody else: try again.")
        results[external_id] = _failed(external_id, error, document_id=None)
    return [results[external_id] for external_id in dict.fromkeys(i.external_id for i in batch)]


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
    unchanged = stored.get(item.external_id) == digest
    return PreparedDocument(
        external_id=item.external_id,
        title=title,
        text=loaded.text,
        source_type=loaded.source_type,
        metadata=clean_values(item.metadata),
        tags=tuple(dict.fromkeys(clean(tag)[:100] for tag in item.tags)),
        digest=digest,
        chunks=() if unchanged else cut(loaded, title=title, language=language),
    )


def _vectors(documents: Iterable[PreparedDocument], *, engines: Engines) -> VectorsMade:
    """Return a vector for each chunk's digest, by each model."""
    texts = {chunk.digest: chunk.embedding_text for doc in documents for chunk in doc.chunks}
    made: dict[int, dict[str, list[float]] | None] = {}
    for model_id, engine in engines.items():
        made[model_id] = None
        if engine is not None:
            embedded = texts_embed(texts=list(texts.values()), embedder=engine)
            made[model_id] = dict(zip(texts, embedded, strict=True))
    return made


def _engines(collection_id: int, embedder: Embedder | None, engine_of: EngineOf) -> Engines:
    if embedder is None:
        return {}
    return engines_wanted(collection_id=collection_id, embedder=embedder, engine_of=engine_of)


@transaction.atomic
def _write(
    prepared: dict[str, PreparedDocument],
    *,
    made: VectorsMade,
    workspace_id: UUID | str,
    collection: CollectionRef,
) -> dict[str, IngestResult]:
    """Store what was prepared; leaves out what has changed since and was not cut."""
    if made and not serving_held(collection_id=collection.id, model_ids=made):
        return {}
    rows = _rows_locked(prepared, workspace_id=workspace_id, collection=collection)
    lacking = vectors.documents_lacking(
        [row.id for row in rows.values()],
        collection_id=collection.id,
        model_ids=[model_id for model_id, by_digest in made.items() if by_digest is not None],
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
    _chunks_replace(changed, made=made, collection_id=collection.id)
    # An upsert of rows that are there: bulk_update() takes twenty times as long.
    Document.objects.bulk_create(
        [rows[external_id] for external_id in results],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=[
            "title", "text", "source_type", "metadata", "tags", "content_hash", "status", "error",
            "error_code", "chunk_count", "ingested_at", "updated_at",
        ],
    )  # fmt: skip
    return results


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
        .filter(collection_id=collection.id, external_id__in=wanted)
        .order_by("external_id")
    )
    return {row.external_id: row for row in locked}


def _fill(row: Document, document: PreparedDocument) -> None:
    row.title = document.title
    row.text = document.text
    row.source_type = document.source_type
    row.metadata = dict(document.metadata)
    row.tags = list(document.tags)
    row.content_hash = document.digest
    row.status = Document.Status.READY
    row.error = row.error_code = ""
    row.updated_at = timezone.now()


def _chunks_replace(
    documents: dict[UUID, PreparedDocument],
    *,
    made: VectorsMade,
    collection_id: int,
) -> None:
    """Keep the chunks whose digest is still there, remove the others, add the new ones."""
    old: dict[tuple[UUID, str], list[Chunk]] = defaultdict(list)
    for row in Chunk.objects.filter(document_id__in=documents).order_by("document_id", "ordinal"):
        old[row.document_id, row.content_hash].append(row)
    kept: list[Chunk] = []
    new: list[tuple[Chunk, PreparedChunk]] = []
    for document_id, document in documents.items():
        for ordinal, chunk in enumerate(document.chunks):
            same = old.get((document_id, chunk.digest))
            if same:
                row = same.pop(0)
                row.ordinal, row.start, row.end = ordinal, chunk.start, chunk.end
                kept.append(row)
            else:
                new.append((_chunk_row(document_id, ordinal, chunk), chunk))
    gone = [row.pk for rows in old.values() for row in rows]
    Chunk.objects.filter(pk__in=gone).delete()
    Chunk.objects.bulk_update(kept, ["ordinal", "start", "end"], batch_size=1_000)
    Chunk.objects.bulk_create([row for row, _ in new], batch_size=2_000)
    writing.terms_write(
        [writing.ChunkRow(chunk_id=row.pk, terms=chunk.terms) for row, chunk in new],
        collection_id=collection_id,
    )
    for model_id, by_digest in made.items():
        if by_digest is None:
            continue
        with_vector = set(
            ChunkVector.objects.filter(
                collection_id=collection_id, model_id=model_id, chunk__in=[row.pk for row in kept]
            ).values_list("chunk_id", flat=True)
        )
        rows = [row for row in kept if row.pk not in with_vector] + [row for row, _ in new]
        writing.vectors_write(
            ((row.pk, by_digest[row.content_hash]) for row in rows),
            collection_id=collection_id,
            model_id=model_id,
        )


def _chunk_row(document_id: UUID, ordinal: int, chunk: PreparedChunk) -> Chunk:
    return Chunk(
        document_id=document_id,
        ordinal=ordinal,
        start=chunk.start,
        end=chunk.end,
        heading=chunk.heading,
        text=chunk.text,
        content_hash=chunk.digest,
    )


def _fail(
    item: DocumentInput,
    error: KnowledgeError,
    workspace_id: UUID | str,
    collection: CollectionRef,
) -> IngestResult:
    """Note why a document was not ingested; an earlier version of it is still found."""
    external_id = clean(item.external_id)[:MAX_EXTERNAL_ID].strip()
    document_id: str | None = None
    if external_id:
        row, _ = Document.objects.update_or_create(
            collection_id=collection.id,
            external_id=external_id,
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
