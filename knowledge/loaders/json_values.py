"""JSON and JSON Lines: each value on a line with its path, so that it can be found and cited."""

import json
from collections.abc import Iterator

from knowledge.core.errors import DocumentUnreadable
from knowledge.core.types import LoadedText
from knowledge.loaders.text import decode


def read(content: bytes) -> LoadedText:
    """Return `path: value` lines; a blank line between the items of the outermost list.

    Raises:
        DocumentUnreadable: It is no JSON, or nested too deeply.
    """
    return _read(decode(content), lines=False)


def read_lines(content: bytes) -> LoadedText:
    """Return `path: value` lines of a file with one JSON value a line.

    Raises:
        DocumentUnreadable: A line is no JSON, or nested too deeply.
    """
    return _read(decode(content), lines=True)


def _read(text: str, *, lines: bool) -> LoadedText:
    try:
        value: object = _lines(text) if lines else json.loads(text)
        items = value if isinstance(value, list) else [value]
        blocks = ["\n".join(_values(item, "")) for item in items]
    except ValueError as error:
        raise DocumentUnreadable(f"The JSON cannot be read: {error}.") from error
    except RecursionError as error:
        raise DocumentUnreadable("The JSON is nested too deeply.") from error
    return LoadedText(text="\n\n".join(block for block in blocks if block), source_type="json")


def _lines(text: str) -> list[object]:
    values: list[object] = []
    # Not at every mark that Unicode knows as a line's end: a JSON text may hold some as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            if line.strip():
                values.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return values


def _values(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, path)
    elif value is not None and value != "":
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{path}: {text}" if path else text
