"""Input from outside, checked for what the database could not keep."""

import math
from typing import cast

DEEPEST = 32


def fault(value: object) -> str | None:
    """Say what makes a decoded JSON value impossible to keep, or None when nothing does.

    Postgres keeps no null characters; UTF-8 has no lone surrogates; JSON has no infinities.
    """
    pending: list[tuple[object, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        found = f"Values are nested more than {DEEPEST} levels deep." if depth > DEEPEST else None
        found = found or _own_fault(item)
        if found:
            return found
        pending += [(inner, depth + 1) for inner in _members(item)]
    return None


def _members(item: object) -> list[object]:
    if isinstance(item, dict):
        pairs = cast(dict[object, object], item)
        return [*pairs.keys(), *pairs.values()]
    return list(cast(list[object], item)) if isinstance(item, list | tuple) else []


def _own_fault(item: object) -> str | None:
    if isinstance(item, float) and not math.isfinite(item):
        return "A number is too large."
    return _text_fault(item) if isinstance(item, str) else None


def _text_fault(text: str) -> str | None:
    if "\x00" in text:
        return "Text holds a null character (U+0000): remove it."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Text holds half of a surrogate pair: send valid Unicode."
    return None
