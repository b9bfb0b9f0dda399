from datetime import UTC, datetime

import pytest

from knowledge.core.errors import SearchInvalid
from knowledge.core.filtering import parse_filters
from knowledge.core.types import Filters


def test_filters_are_read_and_dates_are_utc():
    parsed = parse_filters(
        {"tags": ["a"], "metadata": {"year": 2026}, "created_after": "2026-01-31"}
    )

    assert parsed == Filters(
        tags=("a",),
        metadata={"year": 2026},
        created_after=datetime(2026, 1, 31, tzinfo=UTC),
    )


def test_no_filters_let_everything_through():
    assert parse_filters(None) == parse_filters({}) == Filters()


@pytest.mark.parametrize(
    "raw",
    [
        {"tag": ["a"]},
        {"tags": 3},
        {"tags": [3]},
        {"tags": ["a\x00"]},
        {"tags": ["\ud800"]},
        {"metadata": []},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": "\x00"}},
        {"metadata": {"a": object()}},
        {"created_after": "yesterday"},
        {"created_before": 5},
    ],
)
def test_a_filter_that_cannot_be_understood_is_refused(raw):
    with pytest.raises(SearchInvalid):
        parse_filters(raw)
