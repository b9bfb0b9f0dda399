"""The one way an agent is put together, for a cluster's runs as for programs without Django."""

from collections.abc import Callable, Iterable, Sequence

from agents.core.context import ContextOrchestrator, Weights
from agents.core.events import EventBus
from agents.core.interceptors import MarkInjections
from agents.core.ports import (
    Interceptor,
    Knowledge,
    MemoryStore,
    ModelProvider,
    SessionStore,
    SkillSet,
    TextEmbedder,
    Tool,
)
from agents.core.runtime import Agent, AgentConfig
from agents.memory.agent_memory import AgentMemory
from agents.memory.recall import KnowledgeSource, MemorySource
from agents.skills.loader import Skill
from agents.skills.skill_library import SkillLibrary

WINDOW_TOKENS = 8_000
NOTES_TOKENS = 600


def build_agent(
    *,
    provider: ModelProvider,
    config: AgentConfig,
    tools: Iterable[Tool],
    memory: MemoryStore,
    interceptors: Sequence[Interceptor],
    sessions: SessionStore | None = None,
    knowledge: Knowledge | None = None,
    skills: Sequence[Skill] = (),
    embedder: Callable[[], TextEmbedder] | None = None,
    events: EventBus | None = None,
    window_tokens: int = WINDOW_TOKENS,
    notes_tokens: int = NOTES_TOKENS,
    compact: bool = True,
    weights: Weights | None = None,
    shelf: Callable[[SkillSet], SkillSet] | None = None,
) -> Agent:
    """Return an agent with every organ: memory, context, skills, interceptors, events.

    Args:
        provider: Its model.
        config: Who it is and how far it may go.
        tools: What it may call, besides reading its skills.
        memory: Where it recalls from; what it finds shares the window.
        interceptors: See each model call; tool results are marked as data after them.
        sessions: Keeps conversations; in this process when left out.
        knowledge: Documents that it is given passages of; for agents that do not search themselves.
        skills: Written know-how.
        embedder: Of skills that fit by meaning.
        events: The bus it tells of its runs.
        window_tokens: When a conversation is longer, its oldest turns are compacted.
        notes_tokens: For what is left of those.
        compact: False keeps every turn for ever.
        shelf: Puts something before its skills; nothing when left out.
        weights: Where it keeps what runs teach about its sources; in itself when left out.
    """
    sources: list[MemorySource | KnowledgeSource] = [MemorySource(memory)]
    if knowledge is not None:
        sources.append(KnowledgeSource(knowledge))
    library: SkillSet | None = None
    if skills:
        library = SkillLibrary(
            skills, embedder=None if embedder is None else embedder(), count=provider.count
        )
        library = library if shelf is None else shelf(library)
    return Agent(
        provider=provider,
        config=config,
        tools=tools,
        memory=AgentMemory(
            count=provider.count,
            sessions=sessions,
            window_tokens=window_tokens,
            notes_tokens=notes_tokens,
            compact=compact,
        ),
        context=ContextOrchestrator(sources, weights=weights),
        events=events,
        interceptors=(*interceptors, MarkInjections()),
        skills=library,
    )
