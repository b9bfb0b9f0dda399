"""What a run says while it happens, and the bus it says it on."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from agents.core.types import Usage as UsageCount


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """Base of all events; `seq` counts from 0 within a run and has no gaps."""

    type: ClassVar[str] = "event"

    run_id: str
    agent: str
    workspace: str
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(RunEvent):
    type: ClassVar[str] = "text_delta"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta(RunEvent):
    type: ClassVar[str] = "reasoning_delta"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallStart(RunEvent):
    type: ClassVar[str] = "tool_call_start"
    call_id: str
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta(RunEvent):
    type: ClassVar[str] = "tool_call_delta"
    call_id: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallEnd(RunEvent):
    type: ClassVar[str] = "tool_call_end"
    call_id: str
    tool: str
    arguments: str
    result: str
    ok: bool
    latency_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStart(RunEvent):
    type: ClassVar[str] = "step_start"
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnd(RunEvent):
    type: ClassVar[str] = "step_end"
    step: int
    finish_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(RunEvent):
    type: ClassVar[str] = "usage"
    usage: UsageCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(RunEvent):
    type: ClassVar[str] = "done"
    text: str
    stop: str
    usage: UsageCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(RunEvent):
    """The `error` event."""

    type: ClassVar[str] = "error"
    code: str
    message: str
    retryable: bool
    detail: dict[str, Any] = field(default_factory=dict[str, Any])
