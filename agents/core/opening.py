"""The first messages of a run: instructions, earlier turns, what is worth reading, the goal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from agents.core.citations import PassageBook
from agents.core.organs import Organs
from agents.core.ports import Assembled, Opening
from agents.core.tokens import MESSAGE_TOKENS
from agents.core.transcript import Transcript, framed
from agents.core.types import Json, Message, Passage, RunRequest, Snippet

SKILLS, HAND_OFF = "skills", "hand-off"
HEADING_TOKENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A transcript that ends with the goal.

    Attributes:
        start: Where this run's own messages begin.
        assembled: What of the sources' text is in it, to learn from.
        report: What filled the window.
    """

    transcript: Transcript
    start: int
    assembled: Assembled = field(default_factory=Assembled)
    report: tuple[Json, ...] = ()

    def kept(self) -> Json:
        """Return what a run that is taken up must see again as it was."""
        return {
            "text": self.transcript[self.start].content,
            "parts": [list(part) for part in self.assembled.parts],
            "passages": [asdict(passage) for passage in self.assembled.passages],
            "report": list(self.report),
        }


async def opened(organs: Organs, request: RunRequest, book: PassageBook, kept: Json) -> Opened:
    """Lay out a run's first messages.

    Args:
        organs: The agent's.
        request: Whose goal is the last message.
        book: Gets the passages that are in the window, under the numbers they have there.
        kept: Of `Opened.kept`, when the run was begun before: sources may say something else by
            now, and the replies that are journaled cite what was said then.
    """
    system = organs.config.instructions
    if organs.skills is not None:
        system = "\n\n".join(part for part in (system, organs.skills.catalog()) if part)
    before = Opening()
    if organs.memory is not None:
        before = await organs.memory.opening(request.session_id, request.goal)
    history = before.history
    trunk = history if isinstance(history, Transcript) else Transcript(history)
    transcript = trunk.branch(_lead(organs, system))
    start = len(transcript)
    if kept:
        made = _again(transcript, kept)
    elif organs.context is None:
        skills = await organs.skills.triggered(request.goal) if organs.skills else ()
        texts = [*(skill.text for skill in skills), before.notes, request.context]
        content = framed(request.goal, "\n\n".join(text for text in texts if text))
        transcript.append(Message(role="user", content=content))
        made = Opened(transcript=transcript, start=start)
    else:
        made = await _assembled(organs, request, before, transcript)
    for passage in made.assembled.passages:
        book.cite(passage)
    return made


async def _assembled(
    organs: Organs, request: RunRequest, before: Opening, transcript: Transcript
) -> Opened:
    """Let all that is worth reading share the room that the conversation leaves."""
    assert organs.context is not None
    count, start = organs.provider.count, len(transcript)
    used = sum(count(message.content) + MESSAGE_TOKENS for message in transcript)
    earlier = sum(count(message.content) + MESSAGE_TOKENS for message in before.history)
    report = _given({"notes": count(before.notes), "conversation": earlier})
    used += count(request.goal) + count(before.notes)
    handed = count(request.context) + HEADING_TOKENS if request.context else 0
    budget = _room(organs, used, handed)
    offers: dict[str, Sequence[Snippet]] = {}
    if organs.skills is not None:
        offers[SKILLS] = await organs.skills.triggered(request.goal)
    if request.context:
        offers[HAND_OFF] = _pieces(request.context, whole=handed <= budget // 2)
    assembled = await organs.context.assemble(
        request.goal,
        session_id=request.session_id,
        budget_tokens=budget,
        count=count,
        offers=offers,
    )
    context = "\n\n".join(part for part in (before.notes, assembled.text) if part)
    transcript.append(Message(role="user", content=framed(request.goal, context)))
    return Opened(
        transcript=transcript,
        start=start,
        assembled=assembled,
        report=(*report, *assembled.report),
    )


def _room(organs: Organs, used: int, handed: int) -> int:
    """Return the tokens that sources may fill: up to half of the window, conversation included.

    What was handed on makes room for itself, if need be up to three quarters of the window.
    """
    window = organs.provider.profile.context_tokens
    half = min(window // 2 - used, organs.config.context_tokens + handed)
    return max(0, half, min(handed, window * 3 // 4 - used))


def _again(transcript: Transcript, kept: Json) -> Opened:
    start = len(transcript)
    transcript.append(Message(role="user", content=str(kept["text"])))
    assembled = Assembled(
        parts=tuple((str(name), str(text)) for name, text in kept["parts"]),
        passages=tuple(Passage(**passage) for passage in kept["passages"]),
    )
    return Opened(
        transcript=transcript, start=start, assembled=assembled, report=tuple(kept["report"])
    )


def _pieces(text: str, *, whole: bool) -> list[Snippet]:
    """Return a text as one piece where it fits well, else by its paragraphs, in their order."""
    if whole:
        return [Snippet(text=text)]
    return [Snippet(text=part) for part in text.split("\n\n") if part.strip()]


def _given(sizes: Mapping[str, int]) -> tuple[Json, ...]:
    """Return what is in the window besides the sources' text, as the report has it."""
    return tuple(
        {"source": name, "tokens": tokens, "left_out": 0, "why": ""}
        for name, tokens in sizes.items()
        if tokens
    )


def _lead(organs: Organs, system: str) -> Message | None:
    """Return the system's message, the same object in all runs while the text is the same."""
    if not system:
        return None
    kept = organs.leads.get(system)
    if kept is None:
        organs.leads.clear()
        kept = organs.leads[system] = Message(role="system", content=system)
    return kept
