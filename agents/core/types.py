"""The values an agent's run is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call as the model wrote it; `arguments` is the raw JSON text, not yet trusted."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a transcript; `reasoning` is kept for people and never sent back."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    reasoning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and money of one or more model calls; completion tokens include the reasoning's.

    `estimated`: some of it was counted here, because the endpoint did not get to report it.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """What a model can do; what it cannot, the runtime works around or does without."""

    tools: bool = True
    json_schema: bool = True
    reasoning: bool = False
    judging: bool = True
    streaming: bool = True
    context_tokens: int = 128_000
    usd_per_million_prompt: Decimal | None = None
    usd_per_million_completion: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBy:
    """Which endpoint and model answered, and whether their price is known."""

    endpoint: str
    model: str
    priced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A hit of the knowledge search, as the runtime sees it; offsets are into the document."""

    document_id: str
    chunk_id: str
    title: str
    text: str
    start: int
    end: int
    score: float
    terms: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A piece of text that a source offers; the higher the score, the better it says it fits.

    One with a `passage` is numbered, so that an answer can cite it.
    """

    text: str
    score: float = 0.0
    id: str = ""
    passage: Passage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as the model and the gate see it.

    Attributes:
        parameters: JSON Schema of the arguments, an object schema.
        tags: Of `read write network exec spend`; what the gate decides on.
        effect: Whether calling it changes the world outside the run. Effects are journaled before
            and after, and never repeated blindly.
        idempotent: Whether a repeated call under the same key is harmless.
        ends_run: Whether the result of a call is the run's answer.
    """

    name: str
    description: str
    parameters: Json
    tags: frozenset[str] = frozenset({"read"})
    effect: bool = False
    idempotent: bool = False
    ends_run: bool = False
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a call gave, as the model will read it; `ok` False is a failure it should know of."""

    text: str
    ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A quoted span of a document: `text[start:end] == quote` in the document's stored text."""

    document_id: str
    chunk_id: str
    start: int
    end: int
    quote: str


SuspensionKind = Literal["approval", "question", "unknown_effect", "children"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Why a run waits, and what it asks; `key` is unique in the run, so that it is asked once.

    `approval`, `unknown_effect`: `key` is the effect's, `detail` has `tool` and `arguments`; the
    answer reaches the run as the state of that effect (`approved`, `denied`; or `done` with a
    result).
    `children`: `detail["children"]` lists `{"key", "goal", "agent"}`, one for each delegated part;
    each child's answer becomes the `done` (or `failed`) result of the effect of that key.
    """

    kind: SuspensionKind
    key: str
    question: str = ""
    options: tuple[str, ...] = ()
    detail: Json = field(default_factory=dict[str, Any])


StopReason = Literal[
    "answered", "empty", "refused", "timed_out", "over_budget", "failed", "unavailable",
    "cancelled", "suspended",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Everything one run of an agent needs to know.

    Attributes:
        run_id: Stable across takeovers; a run with recorded steps goes on behind them.
        goal: The user's words, or the part of them this run is for.
        context: Text put before the goal: hand-off of the parent, results of the parts this one
            depends on, comments on a rejected answer.
        citations: Of the text in `context`; those whose quote the answer repeats become its own.
        user_id: On whose account the task runs, for budgets per user; empty for nobody's.
        session_id: The conversation whose memory the run continues; empty for none.
        metadata: Arbitrary values, as attributes of `ToolContext`.
        deadline_at: The run ends by then with `timed_out`; None leaves the agent's own limit.
        budget_usd: What the task's whole tree may cost in all; None for no limit.
    """

    run_id: str
    workspace_id: str
    agent_id: str
    task_id: str
    root_task_id: str
    goal: str
    context: str = ""
    citations: tuple[Citation, ...] = ()
    user_id: str = ""
    session_id: str = ""
    collections: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    deadline_at: datetime | None = None
    budget_usd: Decimal | None = None
    max_steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended. `unavailable` means nobody answered: try the same run again later."""

    stop: StopReason
    text: str = ""
    citations: tuple[Citation, ...] = ()
    usage: Usage = Usage()
    step_count: int = 0
    error_code: str = ""
    error_message: str = ""
    suspension: Suspension | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One journaled, finished model call of a run, in order from 0, as replay needs it.

    `report` says what filled the window: `{"context": [{"source", "tokens", "left_out", "why"}]}`.
    `opening`, of the first step, is what a run that is taken up must see again as it was: the
    user's turn with its numbered passages.
    """

    index: int
    message: Message
    usage: Usage
    finish_reason: str
    model: str
    latency_ms: int = 0
    report: Json = field(default_factory=dict[str, Any])
    opening: Json = field(default_factory=dict[str, Any])


EffectState = Literal["new", "done", "failed", "unknown", "approved", "denied"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRecord:
    """What the journal knows of one tool call.

    `unknown`: begun before a crash, and nobody can tell whether it happened.
    `arguments`: what is called in place of the model's arguments, because a person who approved
    the call changed them; None: what the model asked for.
    """

    key: str
    state: EffectState
    result: str = ""
    arguments: str | None = None
