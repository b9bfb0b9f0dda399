"""Where the sentences of a text are, as offsets: what is quoted must stand in the text."""

import re
from collections.abc import Iterator

# A new block begins behind a blank line and at a list item, heading, quotation, table row or fence.
_BLOCK = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•>|]|\d{1,3}[.)]|#{1,6}|```)\s?)")
_END = re.compile(r"[.!?][\"'”»)\]]*(?=\s)|[。！？]")  # noqa: RUF001 -- wide stops end sentences too
_LEAD = re.compile(r"[\s>]*(?:[-*+•]\s+|\d{1,3}[.)]\s+|#{1,6}\s+)?")
# One letter for one, so that offsets stay.
_ALIKE = str.maketrans(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2010\u2011\u2012\u2013\u2014\u2212",
    "'" * 4 + '"' * 6 + "-" * 6,
)
_NO_END = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Ms|Mrs|No|Fig|St|approx)|\b[A-Z])\.$")


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each sentence, without list marks and the space around it.

    A line break within a paragraph ends no sentence; one before a list item or heading does.
    """
    start = 0
    for block in _BLOCK.finditer(text):
        yield from _in_block(text, start, block.start())
        start = block.end()
    yield from _in_block(text, start, len(text))


def _in_block(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    for stop in _END.finditer(text, start, end):
        if _NO_END.search(text, begin, stop.end()):
            continue
        yield from _trimmed(text, begin, stop.end())
        begin = stop.end()
    yield from _trimmed(text, begin, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    lead = _LEAD.match(text, start, end)
    start = lead.end() if lead else start
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield start, end


def find(span: str, text: str) -> tuple[int, int] | None:
    """Return where a span stands in a text word for word.

    Whatever the space between its words, and however quotation marks and dashes are drawn.
    """
    at = text.find(span)
    if at >= 0:
        return at, at + len(span)
    words, text = span.translate(_ALIKE).split(), text.translate(_ALIKE)
    if not words or words[0] not in text:
        return None
    found = re.search(r"\s+".join(re.escape(word) for word in words), text)
    return found.span() if found else None
