"""Make, change and delete collections."""

import re
from uuid import UUID

from django.db import transaction

from knowledge.core.analysis import LANGUAGES
from knowledge.core.errors import CollectionInvalid, CollectionMissing
from knowledge.models import Collection
from knowledge.store import vectors, writing

_SLUG = re.compile(r"[A-Za-z0-9_-]{1,100}")


def collection_ensure(
    *,
    workspace_id: UUID | str,
    slug: str,
    name: str = "",
    description: str = "",
    language: str = "english",
    kind: str = Collection.Kind.DOCUMENTS,
) -> tuple[int, bool]:
    """Return the number of the collection of that name, and whether it was made just now.

    Raises:
        CollectionInvalid: The name or the language cannot be used.
    """
    if not _SLUG.fullmatch(slug):
        raise CollectionInvalid(
            f"{slug[:100]!r} cannot name a collection: use 1 to 100 letters, digits, '-' and '_'."
        )
    if language not in LANGUAGES:
        raise CollectionInvalid(
            f"{language[:40]!r} is no language with a stemmer: use one of {', '.join(LANGUAGES)}."
        )
    row, made = Collection.objects.get_or_create(
        workspace_id=workspace_id,
        slug=slug,
        defaults={
            "name": (name or slug)[:200],
            "description": description,
            "language": language,
            "kind": kind,
        },
    )
    return row.id, made


def collection_update(
    *,
    workspace_id: UUID | str,
    slug: str,
    name: str | None = None,
    description: str | None = None,
) -> None:
    """Change what a collection is called or said to be.

    Raises:
        CollectionMissing: There is none of that name in this workspace.
    """
    given = {"name": name, "description": description}
    changes = {field: value for field, value in given.items() if value is not None}
    rows = Collection.objects.filter(workspace_id=workspace_id, slug=slug)
    rows = rows.exclude(kind=Collection.Kind.MEMORY)
    if not (rows.update(**changes) if changes else rows.exists()):
        raise CollectionMissing(f"There is no collection {slug!r} in this workspace.")


def collection_delete(*, workspace_id: UUID | str, slug: str) -> None:
    """Delete a collection, its documents, and all that was derived from them.

    Raises:
        CollectionMissing: There is none of that name in this workspace.
    """
    with transaction.atomic():
        row = (
            Collection.objects.select_for_update()
            .filter(workspace_id=workspace_id, slug=slug)
            .exclude(kind=Collection.Kind.MEMORY)
            .first()
        )
        if row is None:
            raise CollectionMissing(f"There is no collection {slug!r} in this workspace.")
        vectors.indexes_drop(row.id)
        writing.collection_clear(row.id)
        row.delete()
