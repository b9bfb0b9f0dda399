"""Cursors go back and forth unchanged."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loomsite.access.core import cursors
from loomsite.access.core.errors import CursorInvalid

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
ROW = "0c5ba8e6-9a65-4ac1-8d26-2f6f4f6b6a01"


storable = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@given(st.lists(storable, max_size=3))
def test_read_returns_what_write_was_given(values):
    cursor = cursors.write(values)

    if len(cursor) <= 1024:
        assert cursors.read(cursor, length=len(values)) == tuple(values)


def test_read_position_returns_what_write_position_was_given():
    assert cursors.read_position(cursors.write_position(MOMENT, ROW)) == (MOMENT, ROW)


@pytest.mark.parametrize(
    "cursor",
    ["", "!", "é", "AAAA", "x" * 5000, cursors.write(["a"]), cursors.write(["2026-01-01", ROW]),
     cursors.write([MOMENT.isoformat(), "1; DROP TABLE"]),
     cursors.write([MOMENT.isoformat(), "\x00"])],
)  # fmt: skip
def test_a_cursor_of_somebody_else_is_invalid(cursor):
    with pytest.raises(CursorInvalid):
        cursors.read_position(cursor)


@given(st.text(max_size=40))
def test_no_text_breaks_a_cursor_in_any_other_way(text):
    with suppress(CursorInvalid):
        cursors.read_position(text)
