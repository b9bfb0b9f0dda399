"""From the runtime's plain event callback to an async listener, in order, off the run's path."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from agents.core.events import RunEvent

logger = logging.getLogger(__name__)


class EventPump:
    """Hands each event to a listener while the block runs, and the last ones before it is left.

    A listener that fails is logged; the run goes on.
    """

    def __init__(self, listener: Callable[[RunEvent], Awaitable[None]] | None) -> None:
        self._listener = listener
        # As long as what one run can say: a slow listener must not slow the model's stream down.
        self._queue: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    @property
    def tell(self) -> Callable[[RunEvent], None] | None:
        """What the runtime calls; None when nobody listens, so that it makes no events."""
        return None if self._listener is None else self._queue.put_nowait

    async def __aenter__(self) -> Self:
        if self._listener is not None:
            self._task = asyncio.create_task(self._pump(self._listener))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is None:
            return
        self._queue.put_nowait(None)
        try:
            await self._task
        finally:
            self._task.cancel()

    async def _pump(self, listener: Callable[[RunEvent], Awaitable[None]]) -> None:
        while (event := await self._queue.get()) is not None:
            try:
                await listener(event)
            except Exception:
                logger.exception("a listener failed on %r", event.type)
