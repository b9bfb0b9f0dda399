"""Blocking tools, each on a thread of its own."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from agents.core.errors import ToolFailed

MAX_THREADS = 64
_free = threading.BoundedSemaphore(MAX_THREADS)


async def on_thread(function: Callable[[], Any]) -> Any:  # noqa: ANN401 -- whatever the function gives
    """Return what a blocking function gives, without blocking the loop.

    The thread is a daemon and not a pool's: a call that hangs for ever neither holds the process's
    end nor the place of a later call; there are at most `MAX_THREADS` of them.

    Raises:
        ToolFailed: That many calls hang already.
    """
    if not _free.acquire(blocking=False):
        raise ToolFailed(f"{MAX_THREADS} blocking tool calls are still at work; try again later.")
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            result, error = context.run(function), None
        except BaseException as caught:  # noqa: BLE001 -- handed to the caller, even a SystemExit
            result, error = None, caught
        finally:
            _free.release()
        with suppress(RuntimeError):  # the loop was closed in the meantime: nobody waits
            loop.call_soon_threadsafe(_deliver, future, result, error)

    threading.Thread(target=work, name="tool", daemon=True).start()
    return await future


def _deliver(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # a future cannot carry it, or it would end the process
        future.set_exception(ToolFailed(f"The tool raised {type(error).__name__}: {error}"))
