"""The parts that a goal itself lists, found without a model.

A list counts when its markers run from the first without a gap and each item has words of its own:
numbers, letters, roman and Chinese numerals, circled digits, bullets; one item a line or all in a
sentence. A list of rules, options or fields is no list of parts.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

PARTS_MIN: Final = 2
GOAL_MAX: Final = 200_000
"""A longer text is material with a goal in it; its lists are not looked for."""
TRIES_MAX: Final = 50
"""Lists, or paragraphs, of one text that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """A goal taken apart: its parts in order, and the text around them that all of them need."""

    parts: tuple[str, ...]
    shared: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marker:
    """Where an item begins: `start` of the marker, `text_at` of its words."""

    start: int
    text_at: int
    value: int
    indent: int = 0
    heading: bool = False


def parts_enumerated(goal: str) -> list[str]:
    """Return the goal's own parts in order, or nothing when it does not list at least two."""
    found = enumeration(goal)
    return list(found.parts) if found else []


def shared_preamble(goal: str) -> str:
    """Return the text around the goal's own list, which every part needs; empty without a list."""
    found = enumeration(goal)
    return found.shared if found else ""


def enumeration(goal: str) -> Enumeration | None:
    """Return the goal's own list: the first kind of marker that gives one, its longest list."""
    if len(goal) > GOAL_MAX:
        return None
    text = _without_fences(goal.translate(_PLAIN))
    for scheme in _LINE_SCHEMES:
        runs = _runs(text, _line_markers(text, scheme), bullets=scheme is _BULLET)
        for run in sorted(runs, key=len, reverse=True)[:TRIES_MAX]:
            found = _line_list(goal, text, run)
            if found:
                return found
    for scheme in _INLINE_SCHEMES:
        for start, end in _paragraphs(text)[:TRIES_MAX]:
            found = _inline_list(goal, start, end, text, scheme)
            if found:
                return found
    return None


# ---------------------------------------------------------------- markers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scheme:
    """A way to number: what a marker looks like, and which number it stands for (0: none)."""

    pattern: re.Pattern[str]
    value: Callable[[str], int]


def _digits(mark: str) -> int:
    return int(mark)


def _letter(mark: str) -> int:
    return ord(mark.lower()) - ord("a") + 1


def _circled(mark: str) -> int:
    return int(unicodedata.numeric(mark))


_ROMAN: Final = {
    mark: number
    for number, mark in enumerate(
        ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"), 1
    )
}
_CHINESE: Final = {mark: number for number, mark in enumerate("一二三四五六七八九十", 1)}
_ORDINALS: Final = {
    mark: number
    for number, marks in enumerate(
        (
            ("first", "firstly", "第一", "首先"),
            ("second", "secondly", "第二", "其次"),
            ("third", "thirdly", "第三", "再次"),
            ("fourth", "fourthly", "第四"),
            ("fifth", "fifthly", "第五"),
            ("sixth", "sixthly", "第六"),
        ),
        1,
    )
    for mark in marks
}
_LAST: Final = -1
"""The number of «finally»: whatever comes next."""


def _roman(mark: str) -> int:
    return _ROMAN.get(mark.lower(), 0)


def _chinese(mark: str) -> int:
    tens, ones = (10, mark[1:]) if len(mark) > 1 else (0, mark)
    return tens + _CHINESE[ones]


def _ordinal(mark: str) -> int:
    return _ORDINALS.get(mark.lower(), _LAST)


def _bullet(_mark: str) -> int:
    return 1


# Wide punctuation and digits become their plain twins, one character for one: offsets stay.
_PLAIN: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3002: ord("."),
    0x2013: ord("-"),
    0x2014: ord("-"),
    0x2022: ord("*"),
    0x00B7: ord("*"),
}
_LINE: Final = r"^(?P<indent>[ \t]*)(?P<head>#{1,6}[ \t]+)?(?:\*\*|__)?"
_GAP: Final = r"(?:\*\*|__)?(?:[ \t]+|(?=[^\x00-\x7f]))"
_LINE_SCHEMES: Final[tuple[_Scheme, ...]] = tuple(
    _Scheme(pattern=re.compile(_LINE + mark, re.MULTILINE | re.IGNORECASE), value=value)
    for mark, value in (
        (r"\(?(?P<mark>\d{1,3})[.):、]" + _GAP, _digits),
        (
            r"(?:step|part|task|question|item|section)[ \t]+(?P<mark>\d{1,3})[ \t]*[:.)-]" + _GAP,
            _digits,
        ),
        (r"(?P<mark>[①-⑳])[ \t]*", _circled),
        (r"\(?第?(?P<mark>十?[一二三四五六七八九十])[)、.:,][ \t]*", _chinese),
        (r"\(?(?P<mark>[a-z])[.)、]" + _GAP, _letter),
        (r"\(?(?P<mark>[ivx]{1,4})[.)、]" + _GAP, _roman),
        (r"(?P<mark>[-*])[ \t]+(?:\[[ xX]?\][ \t]+)?", _bullet),
    )
)
_BULLET: Final = _LINE_SCHEMES[-1]
_EDGE: Final = r"(?:^|(?<=[\s:;,.!?、]))"
_ORDINAL: Final = (
    r"(?:^|(?<=[.;:!?,\n])|(?<=[.;:!?,\n] )|(?<=[.;:!?,\n] and ))(?P<mark>"
    r"(?:first|second|third|fourth|fifth|sixth)(?:ly)?|finally|lastly"
    r"|第[一二三四五六]|首先|其次|再次|最后|最後)[,:、][ \t]*"
)
_INLINE_SCHEMES: Final[tuple[_Scheme, ...]] = tuple(
    _Scheme(pattern=re.compile(pattern, re.IGNORECASE), value=value)
    for pattern, value in (
        (r"\((?P<mark>\d{1,2})\)[ \t]*", _digits),
        (_EDGE + r"(?P<mark>\d{1,2})[)、][ \t]*", _digits),
        (r"(?P<mark>[①-⑳])[ \t]*", _circled),
        (r"\(?(?P<mark>[一二三四五六七八九十])[)、][ \t]*", _chinese),
        (r"\((?P<mark>[a-z])\)[ \t]*", _letter),
        (r"\((?P<mark>[ivx]{1,4})\)[ \t]*", _roman),
        (_EDGE + r"(?P<mark>[a-z])\)[ \t]+", _letter),
        (_EDGE + r"(?P<mark>\d{1,2})\.[ \t]+", _digits),
        (_ORDINAL, _ordinal),
    )
)

# What a list is introduced as when it is no list of parts.
_NO_PARTS: Final = re.compile(
    r"(?:\b(?:requirement|constraint|rule|guideline|criterion|note|condition|hint|tip|option|choice"
    r"|example|column|field|source|input|assumption|fact)s?|\b(?:criteria|format|style|background"
    r"|context)|要求|规则|规定|选项|格式|背景)[ \t]*:?[ \t*_]*$"
    r"|\bwhich (?:one )?of\b|\b(?:it|they|you|answer|text|report) (?:must|should)\b[^.\n]{0,40}:$",
    re.IGNORECASE,
)
_INTRODUCTION_MAX: Final = 300
_JOINTS: Final = " \t\r\n;,、\uff0c\uff1b"
_JOINING_WORDS: Final = frozenset({"and", "or", "then", "und", "以及", "并且", "和"})


# ---------------------------------------------------------------- one item a line


def _line_markers(text: str, scheme: _Scheme) -> list[_Marker]:
    return [
        _Marker(
            start=match.start(),
            text_at=match.end(),
            value=scheme.value(match["mark"]),
            indent=len(match["indent"].expandtabs(4)),
            heading=match["head"] is not None,
        )
        for match in scheme.pattern.finditer(text)
    ]


def _runs(text: str, markers: Sequence[_Marker], *, bullets: bool) -> list[list[_Marker]]:
    """Return the lists among the markers: outermost level, from one without a gap."""
    if not markers:
        return []
    outer = min(marker.indent for marker in markers)
    margin = _margin_line(outer)
    runs: list[list[_Marker]] = []
    for marker in markers:
        if marker.indent > outer + 1:
            continue
        run = runs[-1] if runs else None
        if run is None:
            goes_on = False
        elif bullets:
            goes_on = margin.search(text, run[-1].text_at, marker.start) is None
        else:
            # Markdown lets every item be «1.»; then the numbers say nothing.
            same = marker.value == 1 and run[-1].value == 1
            goes_on = same or marker.value == run[-1].value + 1
        if run is not None and goes_on:
            run.append(marker)
        elif marker.value == 1:
            runs.append([marker])
    return [run for run in runs if len(run) >= PARTS_MIN]


def _line_list(goal: str, text: str, run: Sequence[_Marker]) -> Enumeration | None:
    ends = [marker.start for marker in run[1:]]
    tight = all(
        "\n" not in text[m.text_at : end].strip() for m, end in zip(run, ends, strict=False)
    )
    last = run[-1]
    ends.append(len(text) if last.heading else _item_end(text, last, tight=tight))
    return _list(goal, text, run, ends)


def _margin_line(indent: int) -> re.Pattern[str]:
    return re.compile(rf"\n(?=[ \t]{{0,{indent}}}\S)")


def _item_end(text: str, marker: _Marker, *, tight: bool) -> int:
    """Return where the last item ends: at words at the margin, in a loose list after a blank."""
    blank = re.compile(rf"\n[ \t]*\n(?=[ \t]{{0,{marker.indent}}}\S)")
    apart = _margin_line(marker.indent) if tight else blank
    match = apart.search(text, marker.text_at)
    return match.start() if match else len(text)


# ---------------------------------------------------------------- all in a sentence


def _paragraphs(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = 0
    for blank in re.finditer(r"\n[ \t]*\n", text):
        spans.append((start, blank.start()))
        start = blank.end()
    return [(a, b) for a, b in [*spans, (start, len(text))] if b > a]


def _inline_list(goal: str, start: int, end: int, text: str, scheme: _Scheme) -> Enumeration | None:
    run: list[_Marker] = []
    for match in scheme.pattern.finditer(text, start, end):
        value = scheme.value(match["mark"])
        if value == len(run) + 1 or (value == _LAST and run):
            run.append(_Marker(start=match.start(), text_at=match.end(), value=value))
            if value == _LAST:
                break
    if len(run) < PARTS_MIN:
        return None
    return _list(goal, text, run, [*(marker.start for marker in run[1:]), end])


def _list(goal: str, text: str, run: Sequence[_Marker], ends: Iterable[int]) -> Enumeration | None:
    before = text[max(run[0].start - _INTRODUCTION_MAX, 0) : run[0].start]
    introduced = before.rstrip().rsplit("\n", 1)[-1]
    if _NO_PARTS.search(introduced):
        return None
    spans = list(zip([marker.text_at for marker in run], ends, strict=True))
    parts = tuple(_item(goal[a:b]) for a, b in spans)
    if not all(any(c.isalnum() for c in part) for part in parts):
        return None
    around = (goal[: run[0].start].strip(), goal[spans[-1][1] :].strip())
    return Enumeration(parts=parts, shared="\n\n".join(piece for piece in around if piece))


def _item(text: str) -> str:
    """Return an item's words without what joined it to the next one."""
    words = text.strip(_JOINTS).rsplit(None, 1)
    if len(words) > 1 and words[1].lower() in _JOINING_WORDS:
        return words[0].strip(_JOINTS)
    return text.strip(_JOINTS)


def _without_fences(text: str) -> str:
    """Blank out fenced code, keeping every offset: what looks like a list there is none."""
    return re.sub(
        r"^[ \t]*(```|~~~)[^\n]*\n.*?(?:^[ \t]*\1|\Z)",
        lambda match: re.sub(r"[^\n]", " ", match[0]),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
