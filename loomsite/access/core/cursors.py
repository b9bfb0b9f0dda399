"""Opaque cursors: where a page ended, as text that goes back and forth unchanged."""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from loomsite.access.core.errors import CursorInvalid

_LONGEST = 1024
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def write(values: Sequence[str]) -> str:
    """Return the cursor for the sort values of a page's last row."""
    return base64.urlsafe_b64encode(json.dumps(list(values)).encode()).decode().rstrip("=")


def read(cursor: str, *, length: int) -> tuple[str, ...]:
    """Return the `length` values that `write` was given.

    Raises:
        CursorInvalid: It is not one of ours.
    """
    if len(cursor) > _LONGEST:
        raise CursorInvalid
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        values = json.loads(decoded)
    except (binascii.Error, ValueError, RecursionError):
        raise CursorInvalid from None
    if not isinstance(values, list):
        raise CursorInvalid
    members = cast(list[object], values)
    texts = tuple(value for value in members if isinstance(value, str) and "\x00" not in value)
    if len(texts) != length or len(members) != length:
        raise CursorInvalid
    return texts


def write_position(at: datetime, row_id: object) -> str:
    """Return the cursor of a row in a list sorted by a time and, for ties, its UUID."""
    return write([at.isoformat(), str(row_id)])


def read_position(cursor: str) -> tuple[datetime, str]:
    """Return the time and the UUID that `write_position` was given.

    Raises:
        CursorInvalid: It is not one of ours.
    """
    moment, row_id = read(cursor, length=2)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise CursorInvalid from None
    if at.tzinfo is None or not _UUID.fullmatch(row_id):
        raise CursorInvalid
    return at, row_id
