"""What the tools return: small, flat, and the same as REST where it is the same thing."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def _without_description(schema: dict[str, Any]) -> None:
    schema.pop("description", None)  # the docstring is for readers of this file


class Schema(BaseModel):
    """Base of all: unknown keys of a selector's dict are dropped, never shown by accident."""

    model_config = ConfigDict(extra="ignore", json_schema_extra=_without_description)


class Submitted(Schema):
    """A task that has been accepted."""

    task_id: str
    status: str
    poll_after_s: float | None = Field(description="Ask again after so many seconds.")


class Asked(Schema):
    """What an agent said, or the task to follow until it has."""

    task_id: str
    status: str
    poll_after_s: float | None = Field(description="Null: it has ended. Else see get_task.")
    answer: str | None
    citations: list[dict[str, Any]]
    error: dict[str, str] | None
    request: dict[str, Any] | None = Field(description="A question: see reply_task")
    session_id: str | None
    truncated: bool


class Acted(Schema):
    """A task as it is after something was done to it."""

    task_id: str
    status: str
    outcome: str | None


class TaskOut(Schema):
    """A task, as on every door."""

    id: str
    workspace: str
    goal: str
    agent: str | None
    status: str
    phase: str | None
    cycle: int
    outcome: str | None
    answer: str | None
    score: float | None
    verified: bool
    citations: list[dict[str, Any]] = Field(description="document_id chunk_id start end quote")
    error: dict[str, str] | None = Field(description="code message")
    cost_usd: str
    tokens: dict[str, int]
    phases: list[dict[str, Any]]
    progress: dict[str, Any] = Field(description="done total message")
    parent_id: str | None
    children: list[str]
    request: dict[str, Any] | None = Field(description="id kind question options: see reply_task")
    metadata: dict[str, Any]
    created_at: str
    finished_at: str | None
    poll_after_s: float | None = Field(None, description="Null: it has ended.")
    truncated: bool = Field(default=False, description="Cut; read the linked resource.")
    events: list[dict[str, Any]] | None = Field(None, description="With detail: seq type at data")


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
    truncated: bool = Field(default=False, description="More fit; read the linked resources.")


class Added(Schema):
    """A document that can be found from now on."""

    document_id: str
    collection: str


class Scheduled(Schema):
    """A goal that will be submitted."""

    schedule_id: str
    next_at: str | None


class MemoryOut(Schema):
    """Something remembered that fits a query."""

    id: str
    text: str
    score: float


class Memories(Schema):
    """What fits a query, best first."""

    memories: list[MemoryOut]
    truncated: bool = Field(default=False, description="More fit: ask for less at once.")


class Remembered(Schema):
    """A fact that is kept."""

    memory_id: str
