"""Reads: collections and documents of one workspace."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import (
    Aggregate,
    Count,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
)
from django.db.models.functions import Coalesce

from knowledge.core.errors import (
    CollectionMissing,
    DocumentMissing,
    ReembeddingMissing,
    SearchInvalid,
)
from knowledge.models import Chunk, Collection, Document, Reembedding
from loomsite.access.ids import uuid_of, uuids_of
from loomsite.access.paging import Page, page_by_name, page_by_time


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRef:
    """A collection as services and the index need it."""

    id: int
    slug: str
    language: str


def collection_get(*, workspace_id: UUID | str, slug: str) -> CollectionRef:
    """Return a collection of this workspace.

    Raises:
        CollectionMissing: There is none of that name here.
    """
    (found,) = collection_list_searchable(workspace_id=workspace_id, slugs=[slug])
    return found


def collection_list_searchable(
    *, workspace_id: UUID | str, slugs: Sequence[str] | None
) -> list[CollectionRef]:
    """Return the named collections of this workspace, or all that hold documents; never memories.

    Raises:
        CollectionMissing: One of the names is not here.
    """
    rows = Collection.objects.filter(workspace_id=workspace_id)
    rows = rows.exclude(kind=Collection.Kind.MEMORY)
    rows = (
        rows.filter(kind=Collection.Kind.DOCUMENTS)
        if slugs is None
        else rows.filter(slug__in=[slug for slug in slugs if "\x00" not in slug])
    )
    found = [CollectionRef(id=row.id, slug=row.slug, language=row.language) for row in rows]
    missing = sorted(set(slugs or ()) - {ref.slug for ref in found})
    if missing:
        raise CollectionMissing(f"There is no collection {missing[0]!r} in this workspace.")
    return found


def scope_list(*, workspace_id: UUID | str, scopes: Sequence[str]) -> list[int]:
    """Return the numbers of the hidden collections that hold what these scopes remember."""
    rows = Collection.objects.filter(
        workspace_id=workspace_id,
        kind=Collection.Kind.MEMORY,
        slug__in=[scope_slug(scope) for scope in scopes],
    )
    return list(rows.order_by("id").values_list("id", flat=True))


def memory_ids(*, chunk_ids: Iterable[int]) -> dict[int, str]:
    """Return which memory each of these chunks is; they were found in what the asker may see."""
    rows = Chunk.objects.filter(pk__in=list(chunk_ids), document__collection__kind="memory")
    return dict(rows.values_list("pk", "document__external_id"))


def scope_slug(scope: str) -> str:
    """Return the name of a scope's collection; no door can name one that holds a colon."""
    return f"memory:{hashlib.sha256(scope.encode()).hexdigest()[:48]}"


def document_texts(*, workspace_id: UUID | str, document_ids: Iterable[str]) -> dict[str, str]:
    """Return the stored texts of those of these documents that are in this workspace."""
    rows = Document.objects.filter(workspace_id=workspace_id, id__in=uuids_of(document_ids))
    rows = rows.exclude(collection__kind=Collection.Kind.MEMORY)
    return {str(id_): text for id_, text in rows.values_list("id", "text")}


def document_titles(*, workspace_id: UUID | str, document_ids: Iterable[str]) -> dict[str, str]:
    """Return the titles of those of these documents that are in this workspace."""
    rows = Document.objects.filter(workspace_id=workspace_id, id__in=uuids_of(document_ids))
    rows = rows.exclude(collection__kind=Collection.Kind.MEMORY)
    return {str(id_): title for id_, title in rows.values_list("id", "title")}


def citations_titled(
    *, workspace_id: UUID | str, citations: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return citations with their documents' titles; None where a document is gone."""
    if not citations:
        return []
    ids = [str(each.get("document_id", "")) for each in citations]
    titles = document_titles(workspace_id=workspace_id, document_ids=set(ids))
    return [{**each, "title": titles.get(id_)} for each, id_ in zip(citations, ids, strict=True)]


def document_text(*, workspace_id: UUID | str, document_id: str) -> str:
    """Return the stored text of a document: what offsets of its hits point into.

    Raises:
        DocumentMissing: There is none in this workspace.
    """
    texts = document_texts(workspace_id=workspace_id, document_ids=[document_id])
    if not texts:
        raise DocumentMissing(f"There is no document {document_id!r} in this workspace.")
    return next(iter(texts.values()))


def collection_list(
    *, workspace_id: UUID | str, cursor: str | None = None, limit: int = 20
) -> Page[dict[str, Any]]:
    """Return a page of the collections that hold documents, by slug.

    Raises:
        CursorInvalid: From a cursor that was not handed out here.
    """
    rows = _collections(workspace_id)
    return page_by_name(rows, "slug", _collection_summary, cursor=cursor, limit=limit)


def collection_detail(*, workspace_id: UUID | str, slug: str) -> dict[str, Any]:
    """Return a collection as doors show it.

    Raises:
        CollectionMissing: There is none of that name in this workspace.
    """
    row = _collections(workspace_id).filter(slug=slug).first()
    if row is None:
        raise CollectionMissing(f"There is no collection {slug!r} in this workspace.")
    return _collection_summary(row)


def document_list(
    *,
    workspace_id: UUID | str,
    collection: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[dict[str, Any]]:
    """Return a page of documents without their texts, newest first.

    Raises:
        CursorInvalid: From a cursor that was not handed out here.
        SearchInvalid: There is no such status.
    """
    rows = _documents(workspace_id)
    if collection is not None:
        rows = rows.filter(collection__slug=collection)
    if status is not None:
        if status not in Document.Status.values:
            raise SearchInvalid(f"status is {status!r}: use {', '.join(Document.Status.values)}.")
        rows = rows.filter(status=status)
    return page_by_time(rows, "created_at", _document_summary, cursor=cursor, limit=limit)


def document_detail(*, workspace_id: UUID | str, document_id: UUID | str) -> dict[str, Any]:
    """Return a document with its text.

    Raises:
        DocumentMissing: There is none in this workspace.
    """
    rows = _documents(workspace_id).filter(id=uuid_of(document_id)).defer(None)
    row = rows.first()
    if row is None:
        raise DocumentMissing(f"There is no document {str(document_id)[:100]!r} here.")
    return {**_document_summary(row), "text": row.text}


def _collections(workspace_id: UUID | str) -> QuerySet[Collection]:
    documents = Document.objects.filter(collection=OuterRef("pk")).order_by()
    return Collection.objects.filter(
        workspace_id=workspace_id, kind=Collection.Kind.DOCUMENTS
    ).annotate(
        document_count=Coalesce(_total(documents, Count("pk")), 0),
        chunk_count=Coalesce(_total(documents, Sum("chunk_count")), 0),
    )


def _total(rows: QuerySet[Document], aggregate: Aggregate) -> Subquery:
    grouped = rows.values("collection").annotate(total=aggregate).values("total")
    return Subquery(grouped, output_field=IntegerField())


def _documents(workspace_id: UUID | str) -> QuerySet[Document]:
    return (
        Document.objects.filter(
            workspace_id=workspace_id, collection__kind=Collection.Kind.DOCUMENTS
        )
        .select_related("collection")
        .defer("text")
    )


def _collection_summary(row: Any) -> dict[str, Any]:  # noqa: ANN401 -- a row with annotations
    return {
        "id": row.slug,
        "slug": row.slug,
        "name": row.name,
        "description": row.description,
        "language": row.language,
        "document_count": row.document_count,
        "chunk_count": row.chunk_count,
        "created_at": row.created_at,
    }


def _document_summary(row: Document) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "collection": row.collection.slug,
        "external_id": row.external_id,
        "title": row.title,
        "status": row.status,
        "error": {"code": row.error_code, "message": row.error} if row.error else None,
        "source_type": row.source_type,
        "chunk_count": row.chunk_count,
        "metadata": row.metadata,
        "tags": row.tags,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "ingested_at": row.ingested_at,
    }


def reembedding_list(
    *, workspace_id: UUID | str, cursor: str | None = None, limit: int = 50
) -> Page[dict[str, Any]]:
    """Return a page of the moves between embedding models, the latest first.

    Raises:
        CursorInvalid: From a cursor that was not handed out here.
    """
    rows = _reembeddings(workspace_id)
    return page_by_time(rows, "created_at", _reembedding, cursor=cursor, limit=limit)


def reembedding_views(*, workspace_id: UUID | str, ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return those of these moves between embedding models that are here, the latest first."""
    return [_reembedding(row) for row in _reembeddings(workspace_id).filter(pk__in=uuids_of(ids))]


def reembedding_detail(*, workspace_id: UUID | str, reembedding_id: UUID | str) -> dict[str, Any]:
    """Return how far a move between embedding models is.

    Raises:
        ReembeddingMissing: There is none of that id in this workspace.
    """
    found = reembedding_views(workspace_id=workspace_id, ids=[str(reembedding_id)])
    if not found:
        raise ReembeddingMissing(f"There is no move {str(reembedding_id)[:100]!r} here.")
    return found[0]


def _reembeddings(workspace_id: UUID | str) -> QuerySet[Reembedding]:
    rows = Reembedding.objects.filter(workspace_id=workspace_id)
    return rows.select_related("collection", "from_model", "to_model")


def _reembedding(row: Reembedding) -> dict[str, Any]:
    memory = row.collection.kind == Collection.Kind.MEMORY
    return {
        "id": str(row.pk),
        "collection": f"memory of {row.collection.name}" if memory else row.collection.slug,
        "from_model": None if row.from_model is None else row.from_model.name,
        "to_model": row.to_model.name,
        "dim": row.to_model.dim,
        "status": row.status,
        "total": row.total,
        "done": row.done,
        "error": {"code": row.error_code, "message": row.error} if row.error else None,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
    }
