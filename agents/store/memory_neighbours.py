"""Which entries were said next to others: of one scope and one occasion, in order."""

from collections.abc import Sequence

from django.db import connection

from agents.models import MemoryEntry
from knowledge.core.neighbours import REACH

_ORDERED_SCOPES = frozenset({MemoryEntry.Scope.SESSION, MemoryEntry.Scope.TASK})

_NEXT = """
SELECT e.id::text, n.id::text, n.distance
FROM agents_memoryentry e, LATERAL (
    SELECT x.id, row_number() OVER () AS distance FROM (
        SELECT m.id FROM agents_memoryentry m
        WHERE m.workspace_id = e.workspace_id AND m.scope = e.scope AND m.scope_id = e.scope_id
          AND m.occasion = e.occasion AND (m.created_at, m.id) {sign} (e.created_at, e.id)
          AND m.review <> 'rejected' AND m.valid_until IS NULL
        ORDER BY m.created_at {way}, m.id {way} LIMIT %(reach)s
    ) x
) n
WHERE e.id = ANY(%(ids)s::uuid[]) AND (e.occasion <> '' OR e.scope = ANY(%(ordered)s))
"""
_EITHER_SIDE = " UNION ALL ".join(
    _NEXT.format(sign=sign, way=way) for sign, way in (("<", "DESC"), (">", "ASC"))
)


def has_order(scope: str, occasion: str) -> bool:
    """Return whether entries follow one another there: in a conversation, not among loose facts."""
    return bool(occasion) or scope in _ORDERED_SCOPES


def of_entries(ids: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return for each of these entries its neighbours: both ids, and how far apart they are."""
    if not ids:
        return []
    values = {"ids": list(ids), "reach": REACH, "ordered": sorted(_ORDERED_SCOPES)}
    with connection.cursor() as cursor:
        cursor.execute(_EITHER_SIDE, values)
        return cursor.fetchall()
