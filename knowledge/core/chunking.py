"""Cut a text into chunks that can be found and cited on their own; offsets always point into it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from knowledge.core.types import ChunkSpan

MAX_SIZE = 1_600  # about 400 tokens of English; see `_size`
MIN_SIZE = 400  # a shorter section is joined with the next one
OVERLAP = 200
_LONGEST_HEADING = 2_000  # a longer line is text
_WRAPPED_LINE = 50  # a shorter line ends where its author ended it

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_LETTER = re.compile(r"\S")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_SENTENCE_END = re.compile(
    r"[.!?\u2026][\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f\uff0e]+\s*|\n+"
)
_GOES_ON = re.compile(r"[\w,;]\n[a-z]")
_WIDE = re.compile(
    r"[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    headings: tuple[str, ...]
    opens_section: bool
    size: int


def chunk(text: str, *, markdown: bool = True) -> list[ChunkSpan]:
    """Return the chunks of a text in order; none when it is blank.

    Cuts fall between sentences or lines, not where prose was only wrapped. A section starts a new
    chunk unless what came before is tiny; one that needs several chunks repeats its last sentences
    at each cut. In Markdown, `#` lines are headings.
    """
    spans: list[ChunkSpan] = []
    current: list[_Piece] = []
    size = 0
    for piece in _pieces(text, markdown=markdown):
        opens = piece.opens_section and size >= MIN_SIZE
        if current and (opens or size + piece.size > MAX_SIZE):
            spans.append(_span(text, current))
            same_section = not opens and current[-1].headings == piece.headings
            current = _overlap(current) if same_section else []
            size = sum(kept.size for kept in current)
            if size + piece.size > MAX_SIZE:
                current, size = [], 0
        current.append(piece)
        size += piece.size
    if current:
        spans.append(_span(text, current))
    return spans


def _span(text: str, pieces: list[_Piece]) -> ChunkSpan:
    start, end = pieces[0].start, pieces[-1].end
    body = text[start:end]
    start += len(body) - len(body.lstrip())
    end -= len(body) - len(body.rstrip())
    return ChunkSpan(start=start, end=end, headings=pieces[0].headings)


def _overlap(pieces: list[_Piece]) -> list[_Piece]:
    kept: list[_Piece] = []
    size = 0
    for piece in reversed(pieces[1:]):
        size += piece.size
        if size > OVERLAP:
            break
        kept.insert(0, piece)
    return kept


def _pieces(text: str, *, markdown: bool) -> Iterator[_Piece]:
    """Give every sentence, or paragraph's line, of a text; a heading goes with what follows it."""
    stack: list[tuple[int, str]] = []
    opened_at: int | None = None
    for start, end, heading in _blocks(text, markdown=markdown):
        if heading is not None:
            level, title = heading
            stack = [*(item for item in stack if item[0] < level), (level, title)]
            opened_at = start if opened_at is None else opened_at
            continue
        headings = tuple(title for _, title in stack)
        for i, (left, right) in enumerate(_sentence_spans(text, start, end)):
            opens = opened_at is not None and i == 0
            first = opened_at if opened_at is not None and i == 0 else left
            yield _Piece(first, right, headings, opens, _size(text[first:right]))
        opened_at = None
    if opened_at is not None:  # headings with nothing below
        headings = tuple(title for _, title in stack)
        for left, right in _sentence_spans(text, opened_at, len(text)):
            yield _Piece(left, right, headings, left == opened_at, _size(text[left:right]))


def _blocks(text: str, *, markdown: bool) -> Iterator[tuple[int, int, tuple[int, str] | None]]:
    """Give the headings, and the runs of lines between them, that are not blank."""
    start = position = 0
    fence = ""
    # One line at a time, none where no headings are sought: a list of them outweighs the text.
    for match in _LINE.finditer(text) if markdown else ():
        line = match.group()
        fenced = _FENCE.match(line)
        if fenced and (not fence or fenced.group(1).startswith(fence)):
            fence = "" if fence else fenced.group(1)
        may_head = not fence and len(line) <= _LONGEST_HEADING
        heading = _HEADING.match(line.rstrip("\r\n")) if may_head else None
        if heading and heading.group(2):
            if _LETTER.search(text, start, position):
                yield start, position, None
            start = position + len(line)
            yield position, start, (len(heading.group(1)), heading.group(2)[:200])
        position += len(line)
    if _LETTER.search(text, start):
        yield start, len(text), None


def _sentence_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    left = start
    for match in _SENTENCE_END.finditer(text, start, end):
        if _is_wrapped(text, match.start()):
            continue
        if _LETTER.search(text, left, match.end()):
            yield from _cut(text, left, match.end())
        left = match.end()  # past blank lines too: looked at again with each, they never end
    if _LETTER.search(text, left, end):
        yield from _cut(text, left, end)


def _is_wrapped(text: str, position: int) -> bool:
    """Return whether a line only breaks here because it was full, in the middle of a sentence."""
    goes_on = position and _GOES_ON.match(text, position - 1)
    return bool(goes_on) and "\n" not in text[max(0, position - _WRAPPED_LINE) : position]


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give a sentence in parts that fit into a chunk, cut at spaces where there are any."""
    while _size(text[start : min(end, start + MAX_SIZE)]) > MAX_SIZE // 2:
        room = MAX_SIZE // 2
        if _size(text[start : start + room]) > room:
            room //= 3
        cut = text.rfind(" ", start + room // 2, start + room)
        right = min(cut + 1 if cut > 0 else start + room, end)
        yield start, right
        start = right
    if start < end:
        yield start, end


def _size(text: str) -> int:
    """Return the length of a text in Latin letters: a CJK letter takes as many tokens as three."""
    return len(text) + 2 * len(_WIDE.findall(text))
