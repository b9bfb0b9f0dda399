"""What the tools return: small, flat, and the same as REST where it is the same thing."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

ANSWER_MAX_CHARS = 20_000
MESSAGE_LIST_MAX = 50


class Schema(BaseModel):
    """Base of all: unknown keys of a selector's dict are dropped, never shown by accident."""

    model_config = ConfigDict(extra="ignore")


class Submitted(Schema):
    """A task that has been accepted."""

    task_id: str
    status: str
    poll_after_s: float = Field(description="Ask again after so many seconds.")


class CitationOut(Schema):
    """A quoted passage of a document."""

    document_id: str
    chunk_id: str
    start: int
    end: int
    quote: str


class ErrorOut(Schema):
    """Why a task failed."""

    code: str
    message: str


class TokensOut(Schema):
    """Tokens of a task and all its parts."""

    prompt: int
    completion: int
    total: int


class PhaseOut(Schema):
    """One phase of one cycle."""

    phase: str
    cycle: int
    started_at: str | None
    ended_at: str | None


class ProgressOut(Schema):
    """How far the parts are."""

    done: int
    total: int
    message: str


class RequestOut(Schema):
    """What the task asks of a person; answer it with reply_task."""

    id: str
    kind: str
    question: str
    options: list[str]


class EventOut(Schema):
    """Something that happened to the task."""

    seq: int
    type: str
    at: str
    data: dict[str, Any]


class TaskOut(Schema):
    """A task, as on every door."""

    id: str
    workspace: str
    goal: str
    status: str
    phase: str | None
    cycle: int
    outcome: str | None
    answer: str | None
    score: float | None
    verified: bool
    citations: list[CitationOut]
    error: ErrorOut | None
    cost_usd: str
    tokens: TokensOut
    phases: list[PhaseOut]
    progress: ProgressOut
    parent_id: str | None
    children: list[str]
    request: RequestOut | None
    metadata: dict[str, Any]
    created_at: str
    finished_at: str | None
    poll_after_s: float | None = Field(None, description="Ask again after this; null at the end.")
    truncated: bool = Field(default=False, description="The whole answer is in task://{id}/result.")
    events: list[EventOut] | None = Field(None, description="The latest events, with detail.")


class TaskLine(Schema):
    """A task in a list."""

    id: str
    goal: str
    status: str
    phase: str | None
    outcome: str | None
    created_at: str
    finished_at: str | None


class TaskPage(Schema):
    """A page of tasks, newest first."""

    tasks: list[TaskLine]
    next_cursor: str | None


class AgentLine(Schema):
    """An agent in a list."""

    slug: str
    name: str
    description: str


class AgentPage(Schema):
    """A page of agents."""

    agents: list[AgentLine]
    next_cursor: str | None


class HitOut(Schema):
    """A passage that fits a query; `text` is the document's from `start` to `end`."""

    document_id: str
    external_id: str | None
    chunk_id: str
    title: str
    text: str
    score: float
    start: int
    end: int


class Hits(Schema):
    """Passages, best first."""

    hits: list[HitOut]


class Added(Schema):
    """A document that can be found from now on."""

    document_id: str
    collection: str
