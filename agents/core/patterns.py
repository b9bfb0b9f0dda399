"""Patterns that users write, matched in linear time.

A backtracking engine can be made to hang by a pattern and a text, and holds the interpreter while
it hangs: every run and heartbeat of the process would stop.
"""

from collections.abc import Callable, Sequence
from typing import Any

MAX_CHARS = 500


def linear_search(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that says whether any of the patterns is found in a text, in any case.

    Raises:
        ValueError: A pattern is none, or too long.
    """
    if not patterns:
        return lambda _text: False
    import re2  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] -- for those who match; ships no stubs

    engine: Any = re2
    options = engine.Options()
    options.case_sensitive = False
    options.log_errors = False
    compiled: list[Any] = []
    for pattern in patterns:
        if len(pattern) > MAX_CHARS:
            raise ValueError(f"A pattern is longer than {MAX_CHARS} characters.")
        try:
            compiled.append(engine.compile(pattern, options))
        except engine.error as error:
            raise ValueError(f"{pattern!r} is no pattern: {error}") from None
    return lambda text: any(found.search(text) for found in compiled)
