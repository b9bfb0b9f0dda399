"""Pages of rows, by name, by number or by time."""

import re
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from django.db.models import Q, QuerySet

from loomsite.access.core import cursors
from loomsite.access.core.errors import CursorInvalid

Line = TypeVar("Line")
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


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
    return _page(rows.order_by(name), line, lambda row: cursors.write([getattr(row, name)]), limit)


def page_by_number(
    rows: "QuerySet[Any]",
    order: str,
    line: Callable[[Any], Line],
    *,
    cursor: str | None,
    limit: int,
) -> Page[Line]:
    """Return a page of rows by a number that is unique among them; "-" before it for falling.

    Raises:
        CursorInvalid: It is not one of ours.
    """
    number = order.removeprefix("-")
    if cursor:
        (last,) = cursors.read(cursor, length=1)
        if not _NUMBER.fullmatch(last):
            raise CursorInvalid
        beyond = "gt" if number == order else "lt"
        rows = rows.filter(**{f"{number}__{beyond}": int(last)})
    return _page(
        rows.order_by(order), line, lambda row: cursors.write([str(getattr(row, number))]), limit
    )


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
    return _page(
        rows.order_by(f"-{at}", "-pk"),
        line,
        lambda row: cursors.write_position(getattr(row, at), row.pk),
        limit,
    )


def _page(
    rows: "QuerySet[Any]", line: Callable[[Any], Line], place: Callable[[Any], str], limit: int
) -> Page[Line]:
    found = list(rows[: limit + 1])
    shown = found[:limit]
    following = place(shown[-1]) if shown and len(found) > limit else None
    return Page(results=[line(row) for row in shown], next_cursor=following)
