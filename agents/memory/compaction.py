"""From turns that leave the window to a summary that stays."""

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from agents.core import sentences
from agents.core.errors import ModelError
from agents.core.ports import ModelProvider, ModelRequest
from agents.core.types import Message

_ASKED = (
    "Summarise this conversation for whoever goes on with it. Keep, in order: what was asked, "
    "decided and found out, names, numbers and open points. Add nothing. At most {words} words."
)
_WORDS_PER_TOKEN = 0.7
MAX_TURN_CHARS = 4_000
_LINE = re.compile(r"\n+")


class Summariser(Protocol):
    """Makes a summary of the one before and of the turns after it, oldest first."""

    async def __call__(
        self,
        summary: str,
        turns: Sequence[Message],
        *,
        max_tokens: int,
        count: Callable[[str], int],
    ) -> str: ...


async def extract(
    summary: str, turns: Sequence[Message], *, max_tokens: int, count: Callable[[str], int]
) -> str:
    """Return a summary made of the turns' own words: their first sentences, in order.

    When it grows too long, the middle goes first: how a conversation began and where it is now say
    most.
    """
    lines = [line for line in _LINE.split(summary) if line]
    lines += [line for turn in turns if (line := _line(turn))]
    return _fitting(lines, max_tokens, count)


class ModelSummariser:
    """Have a model write the summary; when it does not answer, `extract`."""

    def __init__(self, provider: ModelProvider, *, timeout_s: float = 60.0) -> None:
        self._provider = provider
        self._timeout_s = timeout_s

    async def __call__(
        self,
        summary: str,
        turns: Sequence[Message],
        *,
        max_tokens: int,
        count: Callable[[str], int],
    ) -> str:
        before = f"Summary of what was before:\n{summary}\n\n" if summary else ""
        said = "\n".join(f"{turn.role}: {turn.content[:MAX_TURN_CHARS]}" for turn in turns)
        asked = _ASKED.format(words=int(max_tokens * _WORDS_PER_TOKEN))
        request = ModelRequest(
            messages=[
                Message(role="system", content=asked),
                Message(role="user", content=f"{before}{said}"),
            ],
            max_tokens=max_tokens,
            timeout_s=self._timeout_s,
        )
        try:
            written = (await self._provider.complete(request)).message.content.strip()
        except ModelError:
            written = ""
        if written and count(written) <= max_tokens * 1.2:
            return written
        return await extract(summary, turns, max_tokens=max_tokens, count=count)


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
