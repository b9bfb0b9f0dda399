"""News for clients that listen: a task or an agent has changed, whichever process changed it."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, cast

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.subscriptions import (
    SUBSCRIPTION_ID_META_KEY,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

from agents.live import agents_channel
from cluster import live
from cluster.core.errors import TaskUnknown
from cluster.selectors import tasks as selectors
from loomsite.access.bridge import db
from mcp_server.bridge import Desk

LONGEST_S = 900.0  # then the client listens anew, and its key is checked again
MOST_URIS = 100
_RESOURCES = ("", "/result", "/events")
_TASK = re.compile(r"task://([^/]+)(?:/result|/events)?")

Listener = Callable[[ServerEvent], None]
_workspace: ContextVar[str | None] = ContextVar("listening_workspace", default=None)


class Notices:
    """What the listeners of this process are told; each hears of its own workspace alone."""

    def __init__(self) -> None:
        self._listeners: dict[object, tuple[str | None, Listener]] = {}
        self._relays: dict[tuple[str, str], tuple[int, asyncio.Task[None]]] = {}

    async def publish(self, event: ServerEvent) -> None:
        """Tell the listeners of the workspace that is served now."""
        self._tell(_workspace.get(), event)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear what is told, until the returned function is called."""
        token = object()
        self._listeners[token] = (_workspace.get(), listener)

        def unsubscribe() -> None:
            self._listeners.pop(token, None)

        return unsubscribe

    def watch(
        self, workspace_id: str, *, uris: Sequence[str] = (), tools: bool = False
    ) -> Callable[[], None]:
        """Have news of these tasks and of the tools told, until the returned function is called."""
        wanted: dict[str, list[ServerEvent]] = {}
        for task_id in {task_of(uri) for uri in uris} - {None}:
            wanted[live.task_channel(str(task_id))] = [
                ResourceUpdated(uri=f"task://{task_id}{part}") for part in _RESOURCES
            ]
        if tools:
            wanted[agents_channel(workspace_id)] = [ToolsListChanged()]
        for channel, events in wanted.items():
            self._join(workspace_id, channel, events)

        def stop() -> None:
            for channel in wanted:
                self._leave(workspace_id, channel)
            wanted.clear()

        return stop

    def subscribe_for(self, workspace_id: str, listener: Listener) -> Callable[[], None]:
        """Hear what is told in a workspace, until the returned function is called."""
        token = _workspace.set(workspace_id)
        try:
            return self.subscribe(listener)
        finally:
            _workspace.reset(token)

    def _tell(self, workspace_id: str | None, event: ServerEvent) -> None:
        for home, listener in list(self._listeners.values()):
            if home == workspace_id:
                listener(event)

    def _join(self, workspace_id: str, channel: str, events: list[ServerEvent]) -> None:
        """Relay a channel once, however many listeners want it: each picks what it asked for."""
        count, relay = self._relays.get((workspace_id, channel), (0, None))
        if relay is None:
            relay = asyncio.create_task(self._relay(workspace_id, channel, events))
        self._relays[workspace_id, channel] = (count + 1, relay)

    def _leave(self, workspace_id: str, channel: str) -> None:
        count, relay = self._relays.pop((workspace_id, channel))
        if count > 1:
            self._relays[workspace_id, channel] = (count - 1, relay)
        else:
            relay.cancel()

    async def _relay(self, workspace_id: str, channel: str, events: list[ServerEvent]) -> None:
        async with live.channel_changes(channel) as changes:
            while True:
                if await changes.wait(LONGEST_S):
                    for event in events:
                        self._tell(workspace_id, event)


class Listening:
    """The middleware around `subscriptions/listen`: only one's own tasks, and not for ever."""

    def __init__(self, desk: Desk, notices: Notices) -> None:
        self._desk = desk
        self._notices = notices

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Serve a stream of news; anything else passes."""
        if ctx.method != "subscriptions/listen":
            return await call_next(ctx)
        params = dict(ctx.params or {})
        asked = params.get("notifications")
        wanted = dict(cast(Mapping[str, Any], asked)) if isinstance(asked, Mapping) else {}
        async with self._desk.reading("tasks:read") as caller:
            uris = await own_uris(caller.workspace_id, wanted.get("resourceSubscriptions"))
        if "resourceSubscriptions" in wanted:
            wanted["resourceSubscriptions"] = uris
        stop = self._notices.watch(
            caller.workspace_id, uris=uris, tools=wanted.get("toolsListChanged") is True
        )
        token = _workspace.set(caller.workspace_id)
        try:
            with anyio.move_on_after(LONGEST_S):
                return await call_next(replace(ctx, params={**params, "notifications": wanted}))
        finally:
            _workspace.reset(token)
            stop()
        return {"resultType": "complete", "_meta": {SUBSCRIPTION_ID_META_KEY: ctx.request_id}}


def task_of(uri: str) -> str | None:
    """Return the id of the task that a resource is of."""
    found = _TASK.fullmatch(uri)
    return found[1] if found else None


async def own_uris(workspace_id: str, asked: object) -> list[str]:
    """Return those resources that can change and are this workspace's; the others never fire."""
    listed = cast(list[object], asked)[:MOST_URIS] if isinstance(asked, list) else []
    own: list[str] = []
    for uri in listed:
        task_id = task_of(uri) if isinstance(uri, str) else None
        if task_id is None:
            continue
        try:
            await db(selectors.task_state, workspace_id=workspace_id, task_id=task_id)
        except TaskUnknown:
            continue
        own.append(str(uri))
    return own
