"""Hints between processes, through Redis: a task has changed, a step's text has grown.

Nothing depends on a hint arriving: who waits also looks into the database, and a broker that is
down only makes the answer a second later. So errors of Redis end here.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

_PREFIX = "loom:task:"
_CHANGED, _DELTA = "changed", "delta"
DELTAS_MAX = 2_000
DELTAS_KEPT_S = 3_600


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.5, decode_responses=True
    )


def task_channel(task_id: str) -> str:
    """Return where changes of a task are told."""
    return _PREFIX + task_id


def task_announce(task_id: str) -> None:
    """Tell whoever waits that a task has changed, once this transaction is committed."""
    transaction.on_commit(lambda: _publish(task_id))


def task_wake(task_id: str) -> None:
    """Queue the job that makes a worker look for the task, once this transaction is committed."""
    transaction.on_commit(lambda: _send(task_id))


def webhooks_wake() -> None:
    """Queue the job that sends what is due to webhooks, once this transaction is committed."""
    transaction.on_commit(partial(_queue, "cluster.tasks.webhooks_send_job"))


def _publish(task_id: str) -> None:
    try:
        _client().publish(_PREFIX + task_id, _CHANGED)
    except redis.RedisError as error:
        logger.debug("task %s: not announced: %s", task_id, error)


def _send(task_id: str) -> None:
    _queue("cluster.tasks.task_wake_job", task_id)


def _queue(job: str, *arguments: str) -> None:
    try:
        current_app.send_task(job, list(arguments), retry=False, ignore_result=True)
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("%s %s: not sent, a worker will find it: %s", job, arguments, error)


def _stream(task_id: str) -> str:
    return f"{_PREFIX}{task_id}:deltas"


class DeltaWriter:
    """Sends a run's text as it grows, coalesced; one per run, on the reactor's loop."""

    def __init__(self, task_id: str, *, pause_s: float = 0.1) -> None:
        self._task_id = task_id
        self._name = uuid.uuid4().hex[:8]  # a run that was taken over tells its step again
        self._pause_s = pause_s
        self._pending: list[tuple[str, int, str]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, kind: str, step: int, text: str) -> None:
        """Queue a piece of text of one step; sent within `pause_s`."""
        self._pending.append((kind, step, text))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.get_running_loop().create_task(self._flush_soon())

    async def close(self) -> None:
        """Send what is left, at once."""
        self._closing.set()
        if self._flusher is not None:
            await self._flusher

    async def _flush_soon(self) -> None:
        while self._pending:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._pause_s)
            await self._flush()

    async def _flush(self) -> None:
        pending, self._pending = self._pending, []
        merged: list[tuple[str, int, str]] = []
        for kind, step, text in pending:
            if merged and merged[-1][:2] == (kind, step):
                merged[-1] = (kind, step, merged[-1][2] + text)
            else:
                merged.append((kind, step, text))
        with contextlib.suppress(redis.RedisError, OSError):
            await asyncio.to_thread(self._write, merged)

    def _write(self, merged: list[tuple[str, int, str]]) -> None:
        pipe = _client().pipeline(transaction=False)
        key = _stream(self._task_id)
        for kind, step, text in merged:
            pipe.xadd(
                key, {"type": kind, "step": str(step), "text": text, "teller": self._name},
                maxlen=DELTAS_MAX, approximate=True,
            )  # fmt: skip
        pipe.expire(key, DELTAS_KEPT_S)
        pipe.publish(_PREFIX + self._task_id, _DELTA)
        pipe.execute()


def deltas_read(task_id: str, *, after: str = "0") -> tuple[list[dict[str, Any]], str]:
    """Return the text pieces of a task sent since `after`, oldest first, and the next `after`."""
    try:
        rows: Any = _client().xrange(_stream(task_id), min=f"({after}" if after != "0" else "-")
    except redis.RedisError:
        return [], after
    pieces = [
        {
            "type": row["type"],
            "step": int(row["step"]),
            "text": row["text"],
            "teller": row.get("teller", ""),
        }
        for _, row in rows
    ]
    return pieces, rows[-1][0] if rows else after


@contextlib.asynccontextmanager
async def task_changes(task_id: str, *, text: bool = False) -> AsyncIterator["Changes"]:
    """Give an object whose `wait(timeout_s)` returns when the task may have changed.

    Enter it before reading the task, so that no change between reading and waiting is missed.
    However many wait in a process, they share one connection. With `text` it returns for each
    piece of text as well.
    """
    async with _subscriber().waiting(_PREFIX + task_id, Changes(text=text)) as changes:
        yield changes


@contextlib.asynccontextmanager
async def channel_changes(channel: str) -> AsyncIterator["Changes"]:
    """Give an object whose `wait(timeout_s)` returns when something was told on a channel."""
    async with _subscriber().waiting(channel, Changes(text=False)) as changes:
        yield changes


class Changes:
    """Waits for hints about one task; without Redis, for a second."""

    LOOK_AGAIN_S = 1.0

    def __init__(self, *, text: bool) -> None:
        self.happened = asyncio.Event()
        self.is_heard = True
        self.wants_text = text

    async def wait(self, timeout_s: float) -> bool:
        """Return on the next hint, or after `timeout_s`; say whether there was one."""
        if not self.is_heard:
            timeout_s = min(timeout_s, self.LOOK_AGAIN_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.happened.wait(), timeout_s)
        happened = self.happened.is_set()
        self.happened.clear()
        return happened


class _Subscriber:
    """The one connection over which an event loop hears hints; open while anybody waits."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Changes]] = {}
        self._pubsub: Any = None  # redis ships no usable type for it
        self._client: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def waiting(self, channel: str, changes: Changes) -> AsyncIterator[Changes]:
        await self._join(channel, changes)
        try:
            yield changes
        finally:
            # Also when the waiter is cancelled, so not interrupted half-way.
            await asyncio.shield(self._leave(channel, changes))

    async def _join(self, channel: str, changes: Changes) -> None:
        async with self._lock:
            others = self._waiting.setdefault(channel, set())
            others.add(changes)
            try:
                if self._pubsub is None:
                    await self._open()
                elif len(others) == 1:
                    await self._pubsub.subscribe(channel)
            except (redis.RedisError, OSError):
                self._deaf()
                await self._close()

    async def _leave(self, channel: str, changes: Changes) -> None:
        async with self._lock:
            others = self._waiting.get(channel, set())
            others.discard(changes)
            if others:
                return
            self._waiting.pop(channel, None)
            if not self._waiting:
                await self._close()
            elif self._pubsub is not None:
                with contextlib.suppress(redis.RedisError, OSError):
                    await self._pubsub.unsubscribe(channel)

    async def _open(self) -> None:
        """Connect, and hear again for those that went deaf."""
        self._client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=0.5, decode_responses=True
        )
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        await self._pubsub.subscribe(*self._waiting)
        for changes in self._everybody():
            changes.is_heard = True
        self._reader = asyncio.get_running_loop().create_task(self._read(self._pubsub))

    async def _read(self, pubsub: Any) -> None:  # noqa: ANN401 -- as above
        try:
            while True:
                message = await pubsub.get_message(timeout=None)
                if message:
                    self._tell(message["channel"], is_text=message["data"] == _DELTA)
        except (redis.RedisError, OSError) as error:
            logger.debug("hints are not heard: %s", error)
        if self._pubsub is pubsub:
            self._deaf()
            self._reader = None
            await self._close()  # the next who waits connects anew

    def _tell(self, channel: str, *, is_text: bool) -> None:
        for changes in self._waiting.get(channel, ()):
            if changes.wants_text or not is_text:
                changes.happened.set()

    def _deaf(self) -> None:
        for changes in self._everybody():
            changes.is_heard = False
            changes.happened.set()

    def _everybody(self) -> list[Changes]:
        return [changes for waiting in self._waiting.values() for changes in waiting]

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        pubsub, self._pubsub = self._pubsub, None
        client, self._client = self._client, None
        if reader is not None:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
        with contextlib.suppress(redis.RedisError, OSError):
            if pubsub is not None:
                await pubsub.aclose()
            if client is not None:
                await client.aclose()


_subscribers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Subscriber] = WeakKeyDictionary()


def _subscriber() -> _Subscriber:
    return _subscribers.setdefault(asyncio.get_running_loop(), _Subscriber())
