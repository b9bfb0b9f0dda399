"""What belongs to one run, for tools and memories that are built once and shared by all runs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from agents.core.ports import (
    Knowledge,
    MemoryHit,
    MemoryStore,
    Passage,
    SessionState,
    SessionStore,
    SkillSet,
    Tool,
)
from agents.core.types import Message, Snippet


async def _unnoted(triggered: Mapping[str, float]) -> None:
    del triggered


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScope:
    """The knowledge, memory and conversations that a run may reach.

    Attributes:
        note_skills: Where it is noted which skills the goal of a run called for.
        weights: What its agent's runs have taught about its sources.
        used: How much of each source's text its answer used, once there is one.
    """

    knowledge: Knowledge
    memory: MemoryStore
    sessions: SessionStore
    note_skills: Callable[[Mapping[str, float]], Awaitable[None]] = _unnoted
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    used: dict[str, float] = field(default_factory=dict[str, float])


# Set around a run; tasks that the run starts inherit it, other runs of the process have their own.
current: ContextVar[RunScope] = ContextVar("agents_run_scope")


class ScopedSkills:
    """`SkillSet` that tells the run which skills its goal calls for.

    Args:
        withheld: By lot the run goes without: it is neither told of skills nor can it read one.
    """

    def __init__(self, skills: SkillSet, *, withheld: bool = False) -> None:
        self._skills, self._withheld = skills, withheld

    @property
    def tool(self) -> Tool | None:
        return None if self._withheld else self._skills.tool

    def catalog(self) -> str:
        return "" if self._withheld else self._skills.catalog()

    async def triggered(self, goal: str) -> Sequence[Snippet]:
        found = await self._skills.triggered(goal)
        if found:
            await current.get().note_skills({snippet.id: snippet.score for snippet in found})
        return [] if self._withheld else found


class ScopedKnowledge:
    """`Knowledge` of the run that asks."""

    async def search(
        self, query: str, *, collection: str | None = None, limit: int = 8
    ) -> list[Passage]:
        return await current.get().knowledge.search(query, collection=collection, limit=limit)


class ScopedMemory:
    """`MemoryStore` of the run that asks."""

    async def remember(
        self, text: str, *, kind: str = "fact", importance: float = 0.5, key: str = ""
    ) -> str:
        memory = current.get().memory
        return await memory.remember(text, kind=kind, importance=importance, key=key)

    async def recall(self, query: str, *, limit: int = 8, given: bool = True) -> list[MemoryHit]:
        return await current.get().memory.recall(query, limit=limit, given=given)

    async def give(self, scores: Mapping[str, float]) -> None:
        await current.get().memory.give(scores)


class ScopedSessions:
    """`SessionStore` of the run that asks."""

    async def load(self, session_id: str) -> SessionState:
        return await current.get().sessions.load(session_id)

    async def append(self, session_id: str, *, run_id: str, messages: Sequence[Message]) -> None:
        await current.get().sessions.append(session_id, run_id=run_id, messages=messages)

    async def compact(self, session_id: str, *, summary: str, dropped: int) -> None:
        await current.get().sessions.compact(session_id, summary=summary, dropped=dropped)


class ScopedWeights:
    """`Weights` of the run that asks; what it used counts when its answer has been judged."""

    def learned(self) -> Mapping[str, float]:
        return current.get().weights

    def used(self, fractions: Mapping[str, float]) -> None:
        current.get().used.update(fractions)
