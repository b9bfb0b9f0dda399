"""Following a task: until it ends, until it needs somebody, or as server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from cluster import live
from cluster.core.types import FINAL, Status
from cluster.selectors import tasks as selectors
from loomsite.access.bridge import db

BATCH = 500
KEEP_ALIVE_S = 15.0
LONGEST_S = 900.0  # then the client comes back with Last-Event-ID, and its key is checked again


LOOK_AGAIN_S = 5.0  # a hint may be lost
Watcher = Callable[[dict[str, Any], int], Awaitable[None]]  # the task, its last event's number
_NEWS = {*FINAL, Status.INPUT_REQUIRED}


async def task_wait(
    *, workspace_id: str, task_id: str, wait_s: float, on_change: Watcher | None = None
) -> dict[str, Any]:
    """Return the task when it has ended or needs a person, or as it is after `wait_s`.

    Nothing happens to the task when the caller goes away.

    Raises:
        TaskUnknown: No such task in this workspace.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    where = {"workspace_id": workspace_id, "task_id": task_id}
    task = await db(selectors.task_detail, **where)
    if task["status"] in _NEWS or wait_s <= 0:
        return task
    told = -1
    async with live.task_changes(task["id"]) as changes:
        while True:
            status, seq = await db(selectors.task_state, **where)
            left_s = until - loop.time()
            if status in _NEWS or left_s <= 0:
                return await db(selectors.task_detail, **where)
            if on_change is not None and seq > told:
                await on_change(await db(selectors.task_detail, **where), seq)
                told = seq
            await changes.wait(min(left_s, LOOK_AGAIN_S))


def frame(*, type: str, data: Any, seq: int | None = None) -> bytes:  # noqa: A002, ANN401 -- the wire's own word; any JSON
    """Return one server-sent event; without `seq` it moves no client's cursor."""
    head = f"id: {seq}\n" if seq is not None else ""
    text = json.dumps(data, ensure_ascii=False, default=str)
    return f"{head}event: {type}\ndata: {text}\n\n".encode()


async def task_stream(*, workspace_id: str, task_id: str, after: int) -> AsyncGenerator[bytes]:
    """Yield the events behind `after`, then each new one, until the task has ended.

    The text of the step in flight comes first as one `text_snapshot`, then as `text_delta`s.
    """
    yield b"retry: 2000\n\n"
    text = _Text(task_id)
    where = {"workspace_id": workspace_id, "task_id": task_id}
    until = asyncio.get_running_loop().time() + LONGEST_S
    async with live.task_changes(task_id, text=True) as changes:
        while asyncio.get_running_loop().time() < until:
            status, _ = await db(selectors.task_state, **where)  # before the events: misses none
            rows = await db(selectors.task_events, **where, after=after, limit=BATCH)
            for row in rows:
                after = row["seq"]
                yield frame(type=row["type"], data=row, seq=after)
            if len(rows) == BATCH:
                continue
            if status in FINAL:
                return
            for piece in await text.news():
                yield piece
            if not rows:
                yield b": keep-alive\n\n"
            await changes.wait(KEEP_ALIVE_S)


class _Text:
    """The text of the step in flight, as far as it has been told."""

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id
        self._after = "0"

    async def news(self) -> list[bytes]:
        first = self._after == "0"
        pieces, self._after = await asyncio.to_thread(
            live.deltas_read, self._task_id, after=self._after
        )
        if first and pieces:
            last = (pieces[-1]["type"], pieces[-1]["step"])
            told = "".join(p["text"] for p in pieces if (p["type"], p["step"]) == last)
            return [frame(type="text_snapshot", data={**pieces[-1], "text": told})]
        return [frame(type=piece["type"], data=piece) for piece in pieces]
