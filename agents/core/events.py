"""What a run says while it happens, and the bus it says it on."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from agents.core.types import Usage as UsageCount

logger = logging.getLogger(__name__)
DRAIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """Base of all events; `seq` counts from 0 within a run and has no gaps.

    A run that another process takes up goes on at the next million, so that numbers only grow.
    """

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
    """A model call begins; told again for the same step: forget that step's deltas."""

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


Handler = Callable[[RunEvent], Awaitable[None] | None]


class EventBus:
    """Hand events to whoever subscribed; what a child is told, its parents are told too.

    A handler that fails is logged and noted in `failures`; it disturbs neither the run nor other
    handlers. Handlers that are coroutine functions run as tasks, begun in order; `drain` awaits
    them.
    """

    def __init__(self, parent: "EventBus | None" = None) -> None:
        self.parent = parent
        self.failures: deque[tuple[RunEvent, Exception]] = deque(maxlen=100)
        self._exact: dict[str, list[Handler]] = {}
        self._prefixes: list[tuple[str, Handler]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def child(self) -> "EventBus":
        """Return a bus whose events reach this one too."""
        return EventBus(parent=self)

    def subscribe(self, pattern: str | type[RunEvent], handler: Handler) -> Callable[[], None]:
        """Call the handler for each matching event; the returned function ends that.

        Args:
            pattern: An event class or its type (`"text_delta"`), a prefix (`"tool_call.*"`,
                `"tool_call*"`), or `"*"` for all. `tool_call.start` is `tool_call_start`.
            handler: A function or coroutine function of one event.
        """
        name = pattern if isinstance(pattern, str) else pattern.type
        name = name.strip().replace(".", "_")
        if not name:
            raise ValueError("An event pattern is empty: name an event type, a prefix* or '*'.")
        if name.endswith("*"):
            entry = (name[:-1], handler)
            self._prefixes.append(entry)
            return lambda: _discard(self._prefixes, entry)
        handlers = self._exact.setdefault(name, [])
        handlers.append(handler)
        return lambda: _discard(handlers, handler)

    def wants(self, event_type: str) -> bool:
        """Return whether anybody here or above would be told of events of that type."""
        return (
            bool(self._exact.get(event_type))
            or any(event_type.startswith(prefix) for prefix, _ in self._prefixes)
            or (self.parent is not None and self.parent.wants(event_type))
        )

    def publish(self, event: RunEvent) -> None:
        """Tell the exact subscribers, then those of prefixes, each in order, then the parent's."""
        for handler in tuple(self._exact.get(event.type, ())):
            self._tell(handler, event)
        for prefix, handler in tuple(self._prefixes):
            if event.type.startswith(prefix):
                self._tell(handler, event)
        if self.parent is not None:
            self.parent.publish(event)

    async def drain(self) -> None:
        """Wait for the handlers that are at work now, here and above, but not for ever."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=DRAIN_S)
        if self.parent is not None:
            await self.parent.drain()

    def _tell(self, handler: Handler, event: RunEvent) -> None:
        try:
            told = handler(event)
        except Exception as error:  # noqa: BLE001 -- a subscriber's fault is not the run's
            self._failed(event, error)
            return
        if told is not None:
            task = asyncio.ensure_future(self._finish(told, event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _finish(self, told: Awaitable[None], event: RunEvent) -> None:
        try:
            await told
        except Exception as error:  # noqa: BLE001 -- as above
            self._failed(event, error)

    def _failed(self, event: RunEvent, error: Exception) -> None:
        logger.error("a handler of %r failed", event.type, exc_info=error)
        self.failures.append((event, error))


def _discard(items: list[Any], item: object) -> None:
    if item in items:
        items.remove(item)
