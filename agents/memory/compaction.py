"""From turns that leave the window to a summary that stays."""

import re
from collections.abc import Callable, Sequence

from agents.core import sentences
from agents.core.types import Message

_LINE = re.compile(r"\n+")


def extract(
    summary: str, turns: Sequence[Message], *, max_tokens: int, count: Callable[[str], int]
) -> str:
    """Return a summary made of the turns' own words: their first sentences, in order.

    When it grows too long, the middle goes first: how a conversation began and where it is now say
    most.
    """
    lines = [line for line in _LINE.split(summary) if line]
    lines += [line for turn in turns if (line := _line(turn))]
    return _fitting(lines, max_tokens, count)


def _line(turn: Message) -> str:
    text = turn.content.strip()
    if turn.tool_calls:
        names = ", ".join(call.name for call in turn.tool_calls)
        text = f"{text} (called {names})".strip()
    if not text or turn.role == "system":
        return ""
    first = next(sentences.spans(text), (0, len(text)))
    said = " ".join(text[first[0] : first[1]].split())
    limit = 160 if turn.role == "user" else 100
    said = said if len(said) <= limit else said[: limit - 1] + "…"
    return f"{turn.role}: {said}"


def _fitting(lines: Sequence[str], max_tokens: int, count: Callable[[str], int]) -> str:
    sizes = [count(line) + 1 for line in lines]
    kept: set[int] = set()
    left = max_tokens
    front, back = 0, len(lines) - 1
    while front <= back:
        # One line from the beginning for each two from the end.
        for place in (front, back, back - 1):
            if place in kept or place < front or place > back:
                continue
            if sizes[place] > left:
                return _joined(lines, kept)
            kept.add(place)
            left -= sizes[place]
        front, back = front + 1, back - 2
    return _joined(lines, kept)


def _joined(lines: Sequence[str], kept: set[int]) -> str:
    return "\n".join(lines[place] for place in sorted(kept))
