"""Pages of rows, by name or by time."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet

from loomsite.access.core import cursors

Line = TypeVar("Line")


class Page(NamedTuple, Generic[Line]):
    """Part of a list; `next_cursor` is None at its end."""

    results: list[Line]
    next_cursor: str | None


def page_by_name(
    rows: "QuerySet[Any]",
    name: str,
    line: Callable[[Any], Line],
    *,
    cursor: str | None,
    limit: int,
) -> Page[Line]:
    """Return a page of rows whose `name` is unique among them, by that name.

    Raises:
        CursorInvalid: It is not one of ours.
    """
    if cursor:
        (after,) = cursors.read(cursor, length=1)
        rows = rows.filter(**{f"{name}__gt": after})
    found = list(rows.order_by(name)[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    following = cursors.write([getattr(found[-1], name)]) if more and found else None
    return Page(results=[line(row) for row in found], next_cursor=following)


def page_by_time(
    rows: "QuerySet[Any]",
    at: str,
    line: Callable[[Any], Line],
    *,
    cursor: str | None,
    limit: int,
) -> Page[Line]:
    """Return a page of rows with UUIDs, newest first by the time `at`, ties by falling id.

    Raises:
        CursorInvalid: It is not one of ours.
    """
    if cursor:
        moment, row_id = cursors.read_position(cursor)
        rows = rows.filter(Q(**{f"{at}__lt": moment}) | Q(**{at: moment, "pk__lt": row_id}))
    found = list(rows.order_by(f"-{at}", "-pk")[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    following = None
    if more and found:
        following = cursors.write_position(getattr(found[-1], at), found[-1].pk)
    return Page(results=[line(row) for row in found], next_cursor=following)


def is_uuid(value: str) -> bool:
    """Say whether a text can be the id of a row; what cannot is like an id that is missing."""
    try:
        UUID(value)
    except ValueError:
        return False
    return True
