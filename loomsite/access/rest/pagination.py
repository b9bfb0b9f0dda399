"""Pages of a list: `?cursor=&limit=` in, `{"results", "next"}` out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from loomsite.access.core.errors import CursorInvalid, InputInvalid

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is asked for; hand both to a selector."""

    cursor: str | None
    limit: int


def page_of(request: Request) -> Page:
    """Return the page that the query string asks for.

    Raises:
        InputInvalid: `limit` is no number from 1 to 100.
        CursorInvalid: `cursor` is not printable.
    """
    cursor = request.query_params.get("cursor") or None
    if cursor is not None and not (cursor.isascii() and cursor.isprintable()):
        raise CursorInvalid
    raw = request.query_params.get("limit", str(DEFAULT_LIMIT))
    limit = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 6 else 0  # noqa: PLR2004 -- any short number
    if not 1 <= limit <= MAX_LIMIT:
        raise InputInvalid.of("limit", f"Use a number from 1 to {MAX_LIMIT}.")
    return Page(cursor=cursor, limit=limit)


def page_response(request: Request, rows: Sequence[Any], next_cursor: str | None) -> Response:
    """Return the response of a list door."""
    following = None
    if next_cursor is not None:
        following = replace_query_param(request.build_absolute_uri(), "cursor", next_cursor)
    return Response({"results": list(rows), "next": following})
