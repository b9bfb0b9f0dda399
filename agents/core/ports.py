"""What the runtime needs of the world."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.core.types import (
    EffectRecord,
    Json,
    Message,
    ModelProfile,
    StepRecord,
    ToolCall,
    ToolSpec,
    Usage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One model call; `json_schema` asks for a reply that fits it."""

    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    json_schema: Json | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """A complete reply; `finish_reason` is never empty."""

    message: Message
    usage: Usage
    finish_reason: str
    model: str


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

    Raises:
        ModelUnavailable, ModelRefused, ModelReplyInvalid: from `complete` and `stream`.
    """

    model: str
    profile: ModelProfile

    async def complete(self, request: ModelRequest) -> ModelReply: ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta]: ...

    async def close(self) -> None: ...


class Journal(Protocol):
    """The memory of a run that outlives its process. Each method is one short transaction, fenced."""

    async def steps(self) -> list[StepRecord]:
        """Return the finished model calls of this run, in order."""
        ...

    async def step_record(self, step: StepRecord) -> None:
        """Keep a finished model call before anything acts on it."""
        ...

    async def effect_begin(self, *, step: int, call: ToolCall, tool: ToolSpec) -> EffectRecord:
        """Note that a tool call is about to happen, or say what is known of it from before.

        `new`: go ahead. `done`/`failed`: use `result`. `unknown`: see `ToolSpec.idempotent`.
        `approved`/`denied`: a person has decided.
        """
        ...

    async def effect_end(self, *, key: str, ok: bool, result: str, latency_ms: int) -> None:
        """Keep the outcome of a tool call before the model sees it."""
        ...


class Wallet(Protocol):
    """Money as a hard limit: reserved before a call, settled after it.

    Raises:
        BudgetExceeded: from `reserve`, when any budget that covers the run would be passed.
    """

    async def reserve(self, *, key: str, request: ModelRequest, profile: ModelProfile) -> None: ...

    async def settle(self, *, key: str, usage: Usage) -> None: ...


class Gate(Protocol):
    """Decide whether a call may happen: `allow`, `deny` (with a reason) or `ask`."""

    async def decide(self, *, call: ToolCall, tool: ToolSpec | None) -> tuple[str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A hit of the knowledge search, as the runtime sees it; offsets are into the document's text."""

    document_id: str
    chunk_id: str
    title: str
    text: str
    start: int
    end: int
    score: float
    terms: dict[str, Any] = field(default_factory=dict)


class Knowledge(Protocol):
    """Search over the collections this run may read; best first."""

    async def search(
        self, query: str, *, collection: str | None = None, limit: int = 8
    ) -> list[Passage]: ...


class TextEmbedder(Protocol):
    """Turn texts into unit vectors, one each, in order."""

    model_id: str

    async def embed(self, texts: Sequence[str]) -> list[list[float]]: ...
