"""The messages of a run, kept so that each is prepared for the wire once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from agents.core.types import Json, Message

EMPTY_REPLY = Message(
    role="user", content="Your last reply was empty. Answer, or call one of the tools."
)
CUT_REPLY = Message(role="user", content="Go on exactly where you stopped, repeating nothing.")
CONTEXT_OPEN, CONTEXT_CLOSE = "<context>", "</context>"


class Transcript(Sequence[Message]):
    """Messages that are only ever added to; what was rendered once is not rendered again."""

    __slots__ = ("__weakref__", "_messages", "_render", "_rendered")

    def __init__(
        self,
        messages: Iterable[Message] = (),
        *,
        render: Callable[[Message], Json] | None = None,
        rendered: Iterable[Json] = (),
    ) -> None:
        self._messages = list(messages)
        self._render = render
        self._rendered = list(rendered)

    def append(self, message: Message) -> None:
        self._messages.append(message)

    def rendered(self, render: Callable[[Message], Json]) -> list[Json]:
        """Return each message as `render` gives it; it is called for new messages only."""
        if self._render is not render:
            self._render, self._rendered = render, []
        done = len(self._rendered)
        if done < len(self._messages):
            self._rendered += [render(message) for message in self._messages[done:]]
        return self._rendered

    def copy(self) -> "Transcript":
        """Return a transcript that grows on its own and keeps what was rendered."""
        return Transcript(self._messages, render=self._render, rendered=self._rendered)

    def behind(self, first: Message) -> "Transcript":
        """Return this transcript with a message before all others."""
        rendered: list[Json] = []
        if self._render is not None:
            rendered = [self._render(first), *self._rendered]
        return Transcript([first, *self._messages], render=self._render, rendered=rendered)

    def without(self, dropped: int) -> "Transcript":
        """Return this transcript without its first messages; the rest is not rendered again."""
        rendered = self._rendered[dropped:]
        return Transcript(self._messages[dropped:], render=self._render, rendered=rendered)

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    @overload
    def __getitem__(self, index: int) -> Message: ...

    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...

    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return self._messages[index]


def effect_key(run_id: str, step: int, index: int) -> str:
    """Return the key of the index-th call of a step: the same in every process."""
    return f"{run_id}:{step}:{index}"


def framed(goal: str, context: str) -> str:
    """Return the user's turn: the goal behind the context it is to be read in, if there is any."""
    if not context:
        return goal
    return f"{CONTEXT_OPEN}\n{context}\n{CONTEXT_CLOSE}\n\n{goal}"


def unframed(text: str) -> tuple[str, str]:
    """Return (goal, context) of a user's turn made by `framed`."""
    if not text.startswith(CONTEXT_OPEN):
        return text, ""
    context, found, goal = text.removeprefix(CONTEXT_OPEN).partition(CONTEXT_CLOSE)
    return (goal.strip(), context.strip()) if found else (text, "")


def preview(text: str, limit: int, notice: str) -> str:
    """Return the head and tail of a text that is too long, with a notice of what is missing."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    return f"{text[: limit - tail]}\n[… {notice} …]\n{text[-tail:]}"
