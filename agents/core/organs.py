"""What an agent, and what a run of it, is made of."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from agents.core.budget import Limits
from agents.core.events import EventBus, RunEvent
from agents.core.ports import (
    Artifacts,
    ContextAssembler,
    Gate,
    Interceptor,
    Journal,
    Memory,
    ModelProvider,
    SkillSet,
    Tool,
    Wallet,
    World,
)
from agents.core.types import Citation, Json, Message, StopReason, ToolSpec, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """Who an agent is and how far it may go; every limit is finite.

    Attributes:
        max_repeats: Steps in a row with the same calls that are run; twice as many end the run.
        max_result_chars: A longer tool result becomes an artifact with a preview of this size.
        context_tokens: What the context's sources may fill, at most half of the model's window.
    """

    name: str = "agent"
    instructions: str = ""
    workspace: str = ""
    max_steps: int = 32
    max_tokens: int = 1_000_000
    max_cost_usd: Decimal = Decimal(5)
    timeout_s: float = 1_800.0
    call_timeout_s: float = 120.0
    max_output_tokens: int | None = None
    temperature: float | None = None
    max_repeats: int = 3
    max_result_chars: int = 16_000
    parallel_tools: int = 8
    context_tokens: int = 4_000

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("An agent needs a name.")
        for name in ("max_repeats", "max_result_chars", "parallel_tools"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}.")
        self.limits()

    def limits(self) -> Limits:
        return Limits(
            steps=self.max_steps,
            tokens=self.max_tokens,
            cost_usd=self.max_cost_usd,
            timeout_s=self.timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """The answer of a run and what it took; `messages` is the whole transcript."""

    text: str
    stop: StopReason = "answered"
    citations: tuple[Citation, ...] = ()
    usage: Usage = field(default_factory=Usage)
    step_count: int = 0
    run_id: str = ""
    reasoning: str = ""
    messages: tuple[Message, ...] = ()
    report: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Organs:
    """What an agent is made of; `leads` holds the system's message between runs."""

    config: AgentConfig
    provider: ModelProvider
    world: World
    tools: Mapping[str, Tool]
    specs: tuple[ToolSpec, ...] = ()
    interceptors: Sequence[Interceptor] = ()
    memory: Memory | None = None
    context: ContextAssembler | None = None
    skills: SkillSet | None = None
    events: EventBus | None = None
    leads: dict[str, Message] = field(default_factory=dict[str, Message])


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run is given from outside; each may be missing."""

    journal: Journal | None = None
    wallet: Wallet | None = None
    gate: Gate | None = None
    artifacts: Artifacts | None = None
    cancelled: asyncio.Event | None = None
    on_event: Callable[[RunEvent], None] | None = None
