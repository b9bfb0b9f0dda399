"""What changed between two versions, for people."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loomsite.access.admin.display import json_text

_AROUND = 3
_MOST_COMPARED = 1_500  # lines; beyond it matching takes longer than reading
_MOST_SHOWN = 600

Kind = Literal["same", "added", "removed", "gap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a diff; a gap stands for lines that did not change."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A field whose value is another one; long values have their lines compared."""

    field: str
    lines: tuple[Line, ...]


def lines_changed(before: str, after: str) -> tuple[Line, ...]:
    """Return the lines that differ, with a few around them."""
    old, new = before.splitlines(), after.splitlines()
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    middle = (
        [*_lines("removed", gone), *_lines("added", come)]
        if max(len(gone), len(come)) > _MOST_COMPARED
        else _compared(gone, come)
    )
    first = _lines("same", old[:head])
    last = _lines("same", old[len(old) - tail :])
    folded = _folded([*first, *middle, *last])
    if len(folded) > _MOST_SHOWN:
        left = len(folded) - _MOST_SHOWN
        folded = [*folded[:_MOST_SHOWN], Line(kind="gap", text=f"{left} more lines of the diff")]
    return tuple(folded)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the fields of two versions that differ, in the order of the newer one."""
    names = [*after, *(name for name in before if name not in after)]
    return [
        Change(field=name, lines=lines_changed(_text(before.get(name)), _text(after.get(name))))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    count = 0
    for left, right in zip(old, new, strict=False):
        if left != right:
            break
        count += 1
    return count


def _lines(kind: Kind, texts: Sequence[str]) -> list[Line]:
    return [Line(kind=kind, text=text) for text in texts]


def _compared(old: Sequence[str], new: Sequence[str]) -> list[Line]:
    found: list[Line] = []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag == "equal":
            found += _lines("same", old[a0:a1])
        else:
            found += _lines("removed", old[a0:a1]) + _lines("added", new[b0:b1])
    return found


def _folded(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with long runs of unchanged ones folded into gaps."""
    near = {
        place + offset
        for place, line in enumerate(lines)
        if line.kind != "same"
        for offset in range(-_AROUND, _AROUND + 1)
    }
    found: list[Line] = []
    hidden = 0
    for place, line in enumerate(lines):
        if place in near:
            found += _gap(hidden)
            hidden = 0
            found.append(line)
        else:
            hidden += 1
    return found + _gap(hidden)


def _gap(count: int) -> list[Line]:
    plural = "" if count == 1 else "s"
    return [Line(kind="gap", text=f"{count} line{plural} unchanged")] if count else []
