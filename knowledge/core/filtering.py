"""From the filters of a request to `Filters`, or a sentence that says what to change."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from knowledge.core.errors import SearchInvalid
from knowledge.core.types import Filters
from loomsite.access.core.untrusted import fault

_MAX_ITEMS = 1_000
_LISTS = ("tags", "external_ids", "source_types")
_DATES = ("created_after", "created_before")
_KNOWN = (*_LISTS, "metadata", *_DATES)


def parse_filters(raw: Mapping[str, Any] | None) -> Filters:
    """Return the filters of a request.

    Raises:
        SearchInvalid: An unknown filter, or a value of the wrong type.
    """
    if raw is None:
        return Filters()
    if not _storable(raw):
        raise SearchInvalid(
            "The filters hold a null byte, half of a surrogate pair, or what is no JSON."
        )
    unknown = sorted(str(name) for name in raw if name not in _KNOWN)
    if unknown:
        raise SearchInvalid(f"Unknown filter {unknown[0]!r}: use {', '.join(_KNOWN)}.")
    values: dict[str, Any] = {name: _words(name, raw[name]) for name in _LISTS if name in raw}
    values |= {name: _date(name, raw[name]) for name in _DATES if name in raw}
    if "metadata" in raw:
        if not isinstance(raw["metadata"], Mapping):
            raise SearchInvalid("The filter 'metadata' must be an object.")
        values["metadata"] = raw["metadata"]
    return Filters(**values)


def _storable(raw: Mapping[str, Any]) -> bool:
    """Return whether Postgres can compare with what these filters hold."""
    try:
        json.dumps(raw, default=_dated)
    except (TypeError, ValueError, RecursionError):
        return False
    return fault(raw) is None


def _dated(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError


def _words(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise SearchInvalid(f"The filter {name!r} must be a list of texts.")
    items = list(cast("list[object]", value))
    if len(items) > _MAX_ITEMS or not all(isinstance(item, str) for item in items):
        raise SearchInvalid(f"The filter {name!r} must be a list of at most {_MAX_ITEMS} texts.")
    words = cast("list[str]", items)
    return tuple(words)


def _date(name: str, value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime):
        raise SearchInvalid(f"The filter {name!r} must be an ISO 8601 date, like 2026-01-31.")
    return value if value.tzinfo else value.replace(tzinfo=UTC)
