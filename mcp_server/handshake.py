"""What only clients before 2026 call: log levels, and news without a stream to listen on."""

import asyncio
from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ResourceUpdated, ServerEvent, ToolsListChanged
from mcp_types import (
    EmptyResult,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_server.bridge import Desk
from mcp_server.notices import Notices, own_uris

_Context = ServerRequestContext[Any, Any]


def register(server: MCPServer, desk: Desk, notices: Notices | None) -> None:
    """Serve such clients; `notices` where there is one client, whose session they can go to."""
    low = server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- the SDK's documented way to serve methods that 2026 took away

    async def set_level(ctx: _Context, params: SetLevelRequestParams) -> EmptyResult:  # noqa: ARG001 -- a handler's signature
        return EmptyResult()  # there are no log messages: what happens is in a task's events

    low.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    if notices is not None:
        relay = _Relay(desk, notices)
        low.add_request_handler("resources/subscribe", SubscribeRequestParams, relay.subscribe)
        low.add_request_handler(
            "resources/unsubscribe", UnsubscribeRequestParams, relay.unsubscribe
        )
        server.middleware.append(relay.tools_listed)


class _Relay:
    """Sends one client what it subscribed to, and that its list of tools has changed."""

    def __init__(self, desk: Desk, notices: Notices) -> None:
        self._desk = desk
        self._notices = notices
        self._stops: dict[str, Callable[[], None]] = {}
        self._hears: set[str] = set()
        self._has_tools = False
        self._sending: set[asyncio.Task[None]] = set()

    async def subscribe(self, ctx: _Context, params: SubscribeRequestParams) -> EmptyResult:
        uri = str(params.uri)
        async with self._desk.reading("tasks:read") as caller:
            own = await own_uris(caller.workspace_id, [uri])
        if own and uri not in self._stops:
            self._hear(caller.workspace_id, ctx.session)
            self._stops[uri] = self._notices.watch(caller.workspace_id, uris=own)
        return EmptyResult()

    async def unsubscribe(self, ctx: _Context, params: UnsubscribeRequestParams) -> EmptyResult:  # noqa: ARG002 -- a handler's signature
        if stop := self._stops.pop(str(params.uri), None):
            stop()
        return EmptyResult()

    async def tools_listed(self, ctx: _Context, call_next: CallNext) -> HandlerResult:
        """Be ready to say that the list has changed, for a client that has read it."""
        result = await call_next(ctx)
        is_old = ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS
        if ctx.method == "tools/list" and is_old and not self._has_tools:
            self._has_tools = True
            async with self._desk.reading() as caller:
                self._hear(caller.workspace_id, ctx.session)
                self._notices.watch(caller.workspace_id, tools=True)
        return result

    def _hear(self, workspace_id: str, session: ServerSession) -> None:
        if workspace_id in self._hears:
            return
        self._hears.add(workspace_id)

        def tell(event: ServerEvent) -> None:
            task = asyncio.create_task(self._send(session, event))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

        self._notices.subscribe_for(workspace_id, tell)

    async def _send(self, session: ServerSession, event: ServerEvent) -> None:
        if isinstance(event, ToolsListChanged):
            await session.send_tool_list_changed()
        elif isinstance(event, ResourceUpdated) and event.uri in self._stops:
            await session.send_resource_updated(event.uri)
