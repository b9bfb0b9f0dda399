"""Reads of what is remembered, history included."""

from typing import Any

from agents.models import MemoryEntry
from loomsite.access.core.errors import InputInvalid
from loomsite.access.paging import Page, page_by_time


def memory_list(
    *,
    workspace_id: str,
    scope: str | None = None,
    subject: str | None = None,
    review: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[dict[str, Any]]:
    """Return a page of what is remembered, newest first; what holds no longer is in it too.

    Raises:
        InputInvalid: There is no such state of review.
    """
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id)
    if scope is not None:
        rows = rows.filter(scope=scope)
    if subject is not None:
        rows = rows.filter(subject=subject)
    if review is not None:
        if review not in MemoryEntry.Review.values:
            raise InputInvalid.of("review", f"Use one of {', '.join(MemoryEntry.Review.values)}.")
        rows = rows.filter(review=review)
    return page_by_time(rows, "created_at", memory_value, cursor=cursor, limit=limit)


def memory_value(row: MemoryEntry) -> dict[str, Any]:
    """Return an entry as doors show it."""
    return {
        "id": str(row.pk),
        "scope": row.scope,
        "scope_id": row.scope_id,
        "kind": row.kind,
        "text": row.text,
        "occasion": row.occasion,
        "subject": row.subject,
        "topic": row.topic,
        "importance": row.importance,
        "provenance": row.provenance,
        "review": row.review,
        "valid_from": row.valid_from,
        "valid_until": row.valid_until,
        "created_at": row.created_at,
    }
