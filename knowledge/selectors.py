"""Reads: collections and documents of one workspace."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from knowledge.core.errors import CollectionMissing, DocumentMissing
from knowledge.models import Collection, Document


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
    """Return the named collections of this workspace, or all that hold documents.

    Raises:
        CollectionMissing: One of the names is not here.
    """
    rows = Collection.objects.filter(workspace_id=workspace_id)
    rows = (
        rows.filter(kind=Collection.Kind.DOCUMENTS)
        if slugs is None
        else rows.filter(slug__in=list(slugs))
    )
    found = [CollectionRef(id=row.id, slug=row.slug, language=row.language) for row in rows]
    missing = sorted(set(slugs or ()) - {ref.slug for ref in found})
    if missing:
        raise CollectionMissing(f"There is no collection {missing[0]!r} in this workspace.")
    return found


def document_texts(*, workspace_id: UUID | str, document_ids: Iterable[str]) -> dict[str, str]:
    """Return the stored texts of those of these documents that are in this workspace."""
    rows = Document.objects.filter(workspace_id=workspace_id, id__in=_uuids(document_ids))
    return {str(id_): text for id_, text in rows.values_list("id", "text")}


def document_text(*, workspace_id: UUID | str, document_id: str) -> str:
    """Return the stored text of a document: what offsets of its hits point into.

    Raises:
        DocumentMissing: There is none in this workspace.
    """
    texts = document_texts(workspace_id=workspace_id, document_ids=[document_id])
    if not texts:
        raise DocumentMissing(f"There is no document {document_id!r} in this workspace.")
    return next(iter(texts.values()))


def _uuids(values: Iterable[str]) -> list[UUID]:
    found: list[UUID] = []
    for value in values:
        try:
            found.append(UUID(str(value)))
        except ValueError:
            continue
    return found
