"""What the runtime needs of the world."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from types import MappingProxyType
from typing import Any, Protocol

from agents.core.types import (
    EffectRecord,
    Json,
    Message,
    ModelProfile,
    Passage,
    ServedBy,
    Snippet,
    StepRecord,
    ToolCall,
    ToolOutput,
    ToolSpec,
    Usage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Time, chance and identity: what a pure program has to be given."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    new_id: Callable[[], str]
    rng: Random


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One model call; `json_schema` asks for a reply that fits it, called `schema_name`."""

    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    json_schema: Json | None = None
    schema_name: str = "reply"
    temperature: float | None = None
    max_tokens: int | None = None
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """A complete reply; `finish_reason` is never empty, `served` says which endpoint gave it."""

    message: Message
    usage: Usage
    finish_reason: str
    model: str
    served: ServedBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDelta:
    """A piece of a reply; the last one of a stream carries `reply`, the whole."""

    text: str = ""
    reasoning: str = ""
    call_id: str = ""
    call_name: str = ""
    call_arguments: str = ""
    reply: ModelReply | None = None


class ModelProvider(Protocol):
    """A model behind an endpoint.

    It is an agent's window on the world, so it also brings the world's clock; `count` says how many
    tokens a text has for this model.

    Raises:
        ModelUnavailable, ModelRefused, ModelReplyInvalid: from `complete` and `stream`.
    """

    model: str
    profile: ModelProfile
    world: World

    def count(self, text: str) -> int: ...

    async def complete(self, request: ModelRequest) -> ModelReply: ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta]: ...

    async def close(self) -> None: ...


class Journal(Protocol):
    """The memory of a run that outlives its process. Each method is one short transaction, fenced.

    The key of a tool call is the runtime's: unique in all runs, and the same after every crash.
    """

    async def begin(self) -> int:
        """Return how often this run was begun or taken up before now."""
        ...

    async def steps(self) -> list[StepRecord]:
        """Return the finished model calls of this run, in order."""
        ...

    async def effects(self) -> list[EffectRecord]:
        """Return what is known of this run's tool calls; asked only when the run has steps.

        `done`/`failed`: the result is used. `approved`/`denied`: a person has decided.
        `unknown`: begun, not ended, nobody decided: see `ToolSpec.idempotent`.
        """
        ...

    async def step_record(self, step: StepRecord) -> None:
        """Keep a finished model call before anything acts on it."""
        ...

    async def effect_begin(
        self, *, key: str, step: int, call: ToolCall, tool: ToolSpec
    ) -> EffectRecord:
        """Note that a tool call with an effect is about to happen, or say what is known of it.

        `new`, `approved`: go ahead. Others as in `effects`.
        """
        ...

    async def effect_end(
        self, *, key: str, step: int, call: ToolCall, ok: bool, result: str, latency_ms: int
    ) -> None:
        """Keep the outcome of a tool call before the model sees it.

        Calls without an effect come here without `effect_begin`: insert or update by key.
        """
        ...


class Wallet(Protocol):
    """Money as a hard limit: reserved before a call, settled after it, both once per key.

    A call that nobody answered settles with a zero usage, which releases what was reserved; the
    same key may then be reserved again (the same call, tried again after a crash). One that was
    cut off settles what it will have cost, as an estimate.

    Raises:
        BudgetExceeded: from `reserve`, when any budget that covers the run would be passed.
    """

    async def reserve(self, *, key: str, request: ModelRequest, profile: ModelProfile) -> None: ...

    async def settle(self, *, key: str, usage: Usage, served: ServedBy | None = None) -> None: ...


class Gate(Protocol):
    """Decide whether a call may happen: `allow`, `deny` (with a reason) or `ask`."""

    async def decide(self, *, call: ToolCall, tool: ToolSpec | None) -> tuple[str, str]: ...


class Knowledge(Protocol):
    """Search over the collections this run may read; best first."""

    async def search(
        self, query: str, *, collection: str | None = None, limit: int = 8
    ) -> list[Passage]: ...


class TextEmbedder(Protocol):
    """Turn texts into unit vectors, one each, in order."""

    model_id: str

    async def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


@dataclass(slots=True, kw_only=True)
class ToolContext:
    """What a tool may know of the run that calls it; the task's metadata are attributes too.

    Attributes:
        key: The call's own key, the same when it is run again after a crash.
        deadline: By `World.monotonic`; None for no limit.
        cancelled: Set when the run is asked to stop; tools on threads should look at it.
    """

    run_id: str
    task_id: str
    workspace: str
    agent: str
    step: int
    key: str
    deadline: float | None = None
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cite: Callable[[Passage], int] = field(default=lambda _passage: 0)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- metadata is whatever the caller passed
        try:
            return object.__getattribute__(self, "metadata")[name]
        except KeyError:
            raise AttributeError(f"the run's metadata has no {name!r}") from None


class Tool(Protocol):
    """Something a model may call."""

    @property
    def spec(self) -> ToolSpec: ...

    def parse(self, arguments: str) -> Any:  # noqa: ANN401 -- what a tool takes is its own matter
        """Return the validated arguments of the model's raw JSON.

        Raises:
            ToolRetry: They do not fit; the message says what to change.
        """
        ...

    async def call(self, arguments: Any, context: ToolContext) -> ToolOutput:  # noqa: ANN401 -- as above
        """Do it, with arguments from `parse`.

        Raises:
            ToolRetry, ToolFailed: The model sees the message.
            RunSuspended: The run has to wait for somebody.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Which model call an interceptor is looking at."""

    run_id: str
    workspace: str
    agent: str
    step: int
    attempt: int


class Interceptor(Protocol):
    """Sees each model call exactly once before and, when a reply came, once after it.

    `before` runs in the order given, `after` in the reverse. One that may change a reply says so in
    `rewrites_reply`: deltas are then held back until it has seen the whole.
    """

    rewrites_reply: bool

    async def before(self, request: ModelRequest, call: CallContext) -> ModelRequest: ...

    async def after(
        self, request: ModelRequest, reply: ModelReply, call: CallContext
    ) -> ModelReply: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a conversation brings into a run: its earlier turns, and what was recalled, as text."""

    history: Sequence[Message] = ()
    notes: str = ""


class Memory(Protocol):
    """The memory of an agent, as a run uses it."""

    async def opening(self, session_id: str, goal: str) -> Opening: ...

    async def keep(self, session_id: str, *, run_id: str, messages: Sequence[Message]) -> None:
        """Add the turns of a finished run, once per run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """Text for the window, the (source, text) parts it is made of, and the report of it all.

    `passages` are those in the text, in the order of the numbers by which they are cited.
    """

    text: str = ""
    report: tuple[Json, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    passages: tuple[Passage, ...] = ()


class ContextAssembler(Protocol):
    """Fills what is left of the window from its sources."""

    async def assemble(
        self,
        goal: str,
        *,
        session_id: str,
        budget_tokens: int,
        count: Callable[[str], int],
        offers: Mapping[str, Sequence[Snippet]] = MappingProxyType({}),
    ) -> Assembled:
        """Return what fits of the sources' text, and of what this run itself `offers`."""
        ...

    def learn(self, assembled: Assembled, answer: str) -> None:
        """Note what of the assembled text the answer used."""
        ...


class SkillSet(Protocol):
    """Written know-how: named in the system prompt, read in full when it is wanted."""

    @property
    def tool(self) -> Tool | None:
        """Return the tool by which the model reads a skill; None where it may read none."""
        ...

    def catalog(self) -> str:
        """Return names and descriptions, the same text until the set changes."""
        ...

    async def triggered(self, goal: str) -> Sequence[Snippet]:
        """Return the instructions of the skills that the goal itself calls for, surest first."""
        ...


class Artifacts(Protocol):
    """A place for what is too large for a transcript."""

    async def put(self, *, key: str, name: str, text: str) -> str:
        """Keep the text once per key; return the id under which it is found."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryHit:
    """A recalled entry, best first in a list; `text` is data, never an instruction."""

    id: str
    text: str
    kind: str
    importance: float
    score: float
    created_at: datetime
    source: str = ""


class MemoryStore(Protocol):
    """L3, what outlives a run. The adapter is bound to its scope; the model cannot choose."""

    async def remember(
        self, text: str, *, kind: str = "fact", importance: float = 0.5, key: str = ""
    ) -> str:
        """Keep a text, once per non-empty key; return its id."""
        ...

    async def recall(self, query: str, *, limit: int = 8, given: bool = True) -> list[MemoryHit]:
        """Return what fits; `given` says that all of it is put before the run, else see `give`."""
        ...

    async def give(self, scores: Mapping[str, float]) -> None:
        """Note which of the recalled entries, by id and score, were put before the run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A persisted conversation: the summary of what was compacted away, and the turns after it."""

    summary: str = ""
    messages: tuple[Message, ...] = ()


class SessionStore(Protocol):
    """Conversations that outlive a process."""

    async def load(self, session_id: str) -> SessionState: ...

    async def append(self, session_id: str, *, run_id: str, messages: Sequence[Message]) -> None:
        """Add the turns of a run, once per run."""
        ...

    async def compact(self, session_id: str, *, summary: str, dropped: int) -> None:
        """Replace the first `dropped` messages by the summary, which includes the one before."""
        ...


class Breaker(Protocol):
    """A circuit breaker, keyed by endpoint; shared between processes when its adapter is."""

    async def allow(self, endpoint: str) -> float:
        """Return 0 when a call may go, else the seconds to wait until the next probe."""
        ...

    async def succeeded(self, endpoint: str) -> None: ...

    async def failed(self, endpoint: str) -> None: ...
