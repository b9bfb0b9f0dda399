"""A task's events as server-sent events: what happened so far, then what happens, then the end."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from cluster import live
from cluster.core.types import FINAL
from cluster.selectors import tasks as selectors
from loomsite.access.bridge import db

BATCH = 500
KEEP_ALIVE_S = 15.0
LONGEST_S = 900.0  # then the client comes back with Last-Event-ID, and its key is checked again


def frame(*, type: str, data: Any, seq: int | None = None) -> str:  # noqa: A002, ANN401 -- the wire's own word; any JSON
    """Return one server-sent event; text pieces have no id, so that they move no client's cursor."""
    head = f"id: {seq}\n" if seq is not None else ""
    return f"{head}event: {type}\ndata: {json.dumps(data, ensure_ascii=False, default=str)}\n\n"


async def task_stream(*, workspace_id: str, task_id: str, after: int) -> AsyncGenerator[str]:
    """Yield the events behind `after`, then each new one, until the task has ended.

    The text of the step in flight comes first as one `text_snapshot`, then as `text_delta`s.
    """
    yield "retry: 2000\n\n"
    text = _Text(task_id)
    until = asyncio.get_running_loop().time() + LONGEST_S
    async with live.task_changes(task_id) as changes:
        while asyncio.get_running_loop().time() < until:
            status = await db(selectors.task_status, workspace_id=workspace_id, task_id=task_id)
            rows = await db(
                selectors.task_events,
                workspace_id=workspace_id,
                task_id=task_id,
                after=after,
                limit=BATCH,
            )
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
                yield ": keep-alive\n\n"
            await changes.wait(KEEP_ALIVE_S)


class _Text:
    """The text of the step in flight, as far as it has been told."""

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id
        self._after = "0"

    async def news(self) -> list[str]:
        first = self._after == "0"
        pieces, self._after = await asyncio.to_thread(
            live.deltas_read, self._task_id, after=self._after
        )
        if first and pieces:
            last = (pieces[-1]["type"], pieces[-1]["step"])
            told = "".join(p["text"] for p in pieces if (p["type"], p["step"]) == last)
            return [frame(type="text_snapshot", data={**pieces[-1], "text": told})]
        return [frame(type=piece["type"], data=piece) for piece in pieces]
