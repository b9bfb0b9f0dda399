"""Hints between processes, through Redis: a task has changed, a step's text has grown.

Nothing depends on a hint arriving: who waits also looks into the database, and a broker that is
down only makes the answer a second later. So errors of Redis end here.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import redis
import redis.asyncio
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

_PREFIX = "loom:task:"
DELTAS_MAX = 2_000
DELTAS_KEPT_S = 3_600


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.5, decode_responses=True
    )


def task_announce(task_id: str) -> None:
    """Tell whoever waits that a task has changed, once this transaction is committed."""
    transaction.on_commit(lambda: _publish(task_id))


def task_wake(task_id: str) -> None:
    """Queue the job that makes a worker look for the task, once this transaction is committed."""
    transaction.on_commit(lambda: _send(task_id))


def _publish(task_id: str) -> None:
    try:
        _client().publish(_PREFIX + task_id, "changed")
    except redis.RedisError as error:
        logger.debug("task %s: not announced: %s", task_id, error)


def _send(task_id: str) -> None:
    try:
        current_app.send_task(
            "cluster.tasks.task_wake_job", [task_id], retry=False, ignore_result=True
        )
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("task %s: no wake-up sent, a worker will find it: %s", task_id, error)


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
        pipe.publish(_PREFIX + self._task_id, "delta")
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
async def task_changes(task_id: str) -> AsyncIterator["Changes"]:
    """Give an object whose `wait(timeout_s)` returns when the task may have changed.

    Enter it before reading the task, so that no change between reading and waiting is missed.
    """
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=0.5)
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    try:
        try:
            await pubsub.subscribe(_PREFIX + task_id)
            changes = Changes(pubsub)
        except (redis.RedisError, OSError):
            changes = Changes(None)
        yield changes
    finally:
        with contextlib.suppress(redis.RedisError, OSError):
            await pubsub.aclose()
            await client.aclose()


class Changes:
    """Waits for hints about one task; without Redis, for a second."""

    LOOK_AGAIN_S = 1.0

    def __init__(self, pubsub: Any) -> None:  # noqa: ANN401 -- redis ships no usable type for it
        self._pubsub = pubsub

    async def wait(self, timeout_s: float) -> None:
        """Return on the next hint, or after `timeout_s`."""
        if self._pubsub is None:
            await asyncio.sleep(min(timeout_s, self.LOOK_AGAIN_S))
            return
        try:
            await self._pubsub.get_message(timeout=timeout_s)
        except (redis.RedisError, OSError):
            self._pubsub = None
            await asyncio.sleep(min(timeout_s, self.LOOK_AGAIN_S))
