"""The messages of a run, kept so that each is prepared for the wire once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from agents.core.types import Json, Message

EMPTY_REPLY = Message(
    role="user", content="Your last reply was empty. Answer, or call one of the tools."
)
CUT_REPLY = Message(role="user", content="Go on exactly where you stopped, repeating nothing.")
CONTEXT_OPEN, CONTEXT_CLOSE = "<context>", "</context>"


Render = Callable[[Message], Json]


@dataclass(slots=True, kw_only=True)
class Wire:
    """The beginning of a transcript as a provider sends it."""

    render: Render
    done: list[Json] = field(default_factory=list[Json])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """What a branch has in common with others: so much of a transcript, behind a lead."""

    transcript: "Transcript"
    length: int
    lead: Message | None

    def rendered(self, render: Render) -> list[Json]:
        common = self.transcript.rendered(render)[: self.length]
        if self.lead is None:
            return common
        return [self.transcript.rendered_lead(self.lead, render), *common]


class Transcript(Sequence[Message]):
    """Messages that are only ever added to; what was rendered once is not rendered again."""

    __slots__ = ("__weakref__", "_lead", "_messages", "_trunk", "wire")

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages = list(messages)
        self.wire: Wire | None = None
        self._trunk: Trunk | None = None
        self._lead: tuple[Message, Render, Json] | None = None

    def append(self, message: Message) -> None:
        self._messages.append(message)

    def extend(self, other: "Transcript") -> None:
        """Add another's messages, and what was rendered of them."""
        mine, its = self.wire, other.wire
        if mine is None and not self._messages and its is not None:
            mine = self.wire = Wire(render=its.render)
        whole = mine is not None and len(mine.done) == len(self._messages)
        if mine and its and whole and mine.render is its.render:
            mine.done += its.done
        self._messages += other

    def rendered(self, render: Render) -> list[Json]:
        """Return each message as `render` gives it; it is called for new messages only."""
        wire = self.wire
        if wire is None or wire.render is not render:
            wire = self.wire = Wire(render=render)
            if self._trunk is not None:
                wire.done += self._trunk.rendered(render)
        done = len(wire.done)
        if done < len(self._messages):
            wire.done += [render(message) for message in self._messages[done:]]
        return wire.done

    def branch(self, lead: Message | None = None) -> "Transcript":
        """Return a copy that grows on its own, with a message before all others if there is one.

        What they have in common is rendered here, once for all branches.
        """
        made = Transcript(self._messages if lead is None else [lead, *self._messages])
        made._trunk = Trunk(transcript=self, length=len(self._messages), lead=lead)
        return made

    def since(self, start: int) -> "Transcript":
        """Return the messages from a place on; what was rendered of them is not rendered again."""
        made = Transcript(self._messages[start:])
        if self.wire is not None:
            made.wire = Wire(render=self.wire.render, done=self.wire.done[start:])
        return made

    def rendered_lead(self, lead: Message, render: Render) -> Json:
        """Return the message that branches put first, rendered once while it stays the same."""
        known = self._lead
        if known is None or known[0] is not lead or known[1] is not render:
            known = self._lead = (lead, render, render(lead))
        return known[2]

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
