"""Take documents in at a door, ingest them in a job, delete them."""

from datetime import timedelta
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from knowledge.core.errors import (
    DocumentMissing,
    DocumentRejected,
    EmbeddingUnavailable,
    KnowledgeError,
)
from knowledge.core.ports import Embedder
from knowledge.core.preparing import check_external_id, clean, clean_metadata
from knowledge.core.types import DocumentInput
from knowledge.models import Chunk, Collection, Document, DocumentSource
from knowledge.selectors import CollectionRef
from knowledge.services.ingest import Load, documents_ingest
from knowledge.services.serving import EngineOf, nobody
from knowledge.store import statistics, writing
from loomsite.access.ids import uuid_of

INGEST_JOB = "knowledge.tasks.document_ingest_job"
TEXT_FILE = "text"  # the file name of a document that came as text


def document_submit(
    *, workspace_id: UUID | str, collection: CollectionRef, document: DocumentInput
) -> str:
    """Take a document in and queue its ingest; return its id.

    The same external id again replaces the document; until that is done the old version is found.

    Raises:
        DocumentRejected: It has no usable external id, or metadata that is not JSON.
    """
    external_id = check_external_id(document.external_id)
    metadata = clean_metadata(document.metadata)
    content = document.content
    if document.text is not None:
        content = document.text.encode("utf-8", "replace")
    with transaction.atomic():
        row, _ = Document.objects.update_or_create(
            collection_id=collection.id,
            external_id=external_id,
            defaults={
                "title": clean(document.title)[:500],
                "metadata": metadata,
                "tags": [clean(tag)[:100] for tag in document.tags],
                "status": Document.Status.PENDING,
                "error": "",
                "error_code": "",
                "attempt": 0,
            },
            create_defaults={
                "workspace_id": workspace_id,
                "title": clean(document.title)[:500],
                "metadata": metadata,
                "tags": [clean(tag)[:100] for tag in document.tags],
            },
        )
        file_name = TEXT_FILE if document.text is not None else clean(document.file_name)[-500:]
        DocumentSource.objects.update_or_create(
            document=row,
            defaults={
                "content": content or b"",
                "file_name": file_name,
                "submitted_at": timezone.now(),
            },
        )
        _queue(row.id)
    return str(row.id)


def document_retry(*, workspace_id: UUID | str, document_id: UUID | str) -> None:
    """Queue the ingest of a document again that failed or was forgotten.

    Raises:
        DocumentMissing: There is none in this workspace.
        DocumentRejected: Its source is not kept: send it again.
    """
    with transaction.atomic():
        row = _locked(workspace_id, document_id)
        if not DocumentSource.objects.filter(document=row).exists():
            raise DocumentRejected("The source of this document is not kept: upload it again.")
        Document.objects.filter(pk=row.pk).update(
            status=Document.Status.PENDING, error="", error_code="", attempt=0
        )
        _queue(row.id)


def documents_retry(*, workspace_id: UUID | str, collection: str | None = None) -> int:
    """Queue the ingest of all failed documents again whose source is kept; return how many."""
    rows = Document.objects.filter(
        workspace_id=workspace_id,
        collection__kind=Collection.Kind.DOCUMENTS,
        status=Document.Status.FAILED,
        source__isnull=False,
    )
    if collection is not None:
        rows = rows.filter(collection__slug=collection)
    ids = list(rows.values_list("id", flat=True))
    for document_id in ids:
        document_retry(workspace_id=workspace_id, document_id=document_id)
    return len(ids)


def document_ingest(
    *,
    document_id: UUID | str,
    load: Load,
    embedder: Embedder | None,
    engine_of: EngineOf = nobody,
) -> str:
    """Ingest a document that was taken in, and return its status; safe to run twice.

    Raises:
        EmbeddingUnavailable: The document is pending again.
    """
    row = (
        Document.objects.select_related("collection", "source")
        .filter(pk=document_id, source__isnull=False)
        .first()
    )
    if row is None:
        return "gone"
    Document.objects.filter(pk=row.pk).update(
        status=Document.Status.INGESTING, attempt=F("attempt") + 1, updated_at=timezone.now()
    )
    content = bytes(row.source.content)
    is_text = row.source.file_name == TEXT_FILE
    document = DocumentInput(
        external_id=row.external_id,
        title=row.title,
        text=content.decode("utf-8", "replace") if is_text else None,
        content=None if is_text else content,
        file_name=row.source.file_name,
        metadata=row.metadata,
        tags=row.tags,
    )
    collection = CollectionRef(
        id=row.collection_id, slug=row.collection.slug, language=row.collection.language
    )
    try:
        (result,) = documents_ingest(
            workspace_id=row.workspace_id,
            collection=collection,
            documents=[document],
            load=load,
            embedder=embedder,
            engine_of=engine_of,
        )
    except EmbeddingUnavailable as error:
        Document.objects.filter(pk=row.pk).update(
            status=Document.Status.PENDING if error.retryable else Document.Status.FAILED,
            error=str(error),
            error_code=error.code,
        )
        raise
    if result.status != "failed":
        # Not a newer source that came meanwhile: its own job is on its way.
        DocumentSource.objects.filter(
            document_id=row.pk, submitted_at=row.source.submitted_at
        ).delete()
    return result.status


def document_give_up(*, document_id: UUID | str, error: KnowledgeError) -> None:
    """Note that a document's ingest has been tried often enough."""
    Document.objects.filter(pk=document_id).update(
        status=Document.Status.FAILED,
        error=str(error),
        error_code=error.code,
        updated_at=timezone.now(),
    )


def documents_requeue(*, older_than_s: float, limit: int = 500) -> int:
    """Queue documents again whose job was lost, and return how many."""
    before = timezone.now() - timedelta(seconds=older_than_s)
    with transaction.atomic():
        ids = list(
            Document.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(
                Q(status=Document.Status.PENDING) | Q(status=Document.Status.INGESTING),
                updated_at__lt=before,
                source__isnull=False,
            )
            .order_by("updated_at")
            .values_list("id", flat=True)[:limit]
        )
        Document.objects.filter(pk__in=ids).update(updated_at=timezone.now())
        for document_id in ids:
            _queue(document_id)
    return len(ids)


def document_delete(*, workspace_id: UUID | str, document_id: UUID | str) -> None:
    """Delete a document and all that was derived from it but cached embeddings.

    Raises:
        DocumentMissing: There is none in this workspace.
    """
    with transaction.atomic():
        row = _locked(workspace_id, document_id)
        collection_id = row.collection_id
        # Django would fetch every chunk with its text before it deletes one.
        writing.chunks_remove(Chunk.objects.filter(document=row).values_list("pk", flat=True))
        row.delete()
    if statistics.delta_count(collection_id) >= statistics.FOLD_AFTER:
        statistics.statistics_fold(collection_id)


def _locked(workspace_id: UUID | str, document_id: UUID | str) -> Document:
    rows = Document.objects.select_for_update(of=("self",)).filter(workspace_id=workspace_id)
    rows = rows.exclude(collection__kind=Collection.Kind.MEMORY).defer("text")
    row = rows.filter(pk=uuid_of(document_id)).first()
    if row is None:
        raise DocumentMissing(f"There is no document {str(document_id)[:100]!r} here.")
    return row


def _queue(document_id: UUID) -> None:
    transaction.on_commit(
        lambda: current_app.send_task(INGEST_JOB, args=[str(document_id)]), robust=True
    )
