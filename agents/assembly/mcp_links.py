"""Open connections to MCP servers: kept while they are used, opened again when they break."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import Context
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import mcp_types
from mcp import Client
from mcp.client._transport import TransportStreams
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agents.assembly import reach
from agents.assembly.mcp_sifting import Sifter, sifted
from agents.assembly.mcp_stdio import Stderr, stdio_streams
from agents.assembly.mcp_values import McpServer, Offer
from agents.assembly.secrets import SecretBox
from agents.core.errors import AgentsError, ToolFailed
from agents.services.mcp_commands import command_fault

CONNECT_S = 20.0
IDLE_S = 300.0
MAX_REPLY_BYTES = 16 * 1024 * 1024
MAX_PAGES, MAX_TOOLS = 50, 500
_DETAIL = 500
# What the SDK says when a reply will not come; the server may or may not have got the request.
_BROKEN_CODES = frozenset({mcp_types.CONNECTION_CLOSED})
_GONE = "Session terminated"  # the server forgot the session, so it did nothing


class _Broken(Exception):
    """The connection ended; `sent` says whether the server may have got the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Links:
    """The connections of a process, one to each server and event loop; see `McpServers`."""

    def __init__(self, *, box: SecretBox, listed: Sequence[str], commands: Sequence[str]) -> None:
        self._box, self._listed, self._commands = box, tuple(listed), tuple(commands)
        self._links: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Link]] = (
            WeakKeyDictionary()
        )

    async def call(
        self, server: McpServer, tool: str, arguments: Mapping[str, Any], *, again: bool
    ) -> mcp_types.CallToolResult:
        """Return what a tool said; see `McpServers.call`."""
        for last in (False, True):
            link = await self._link(server)
            try:
                return await link.call(tool, arguments)
            except _Broken as error:
                link.stop()
                if last:
                    raise ToolFailed(f"The MCP server {server.slug!r} broke off: {error}") from None
                if error.sent and not again:
                    raise ToolFailed(
                        f"The MCP server {server.slug!r} broke off during the call, which may or "
                        f"may not have happened: {error}"
                    ) from None
        raise AssertionError("unreachable")

    async def offer(self, server: McpServer) -> Offer:
        """Return what a server lists, over a connection of its own; see `McpServers.offer`."""
        link = _Link(server, self._connect)
        try:
            async with asyncio.timeout(2 * CONNECT_S):  # to connect, and to list
                tools = await link.tools()
                return Offer(tools=tuple(tools), unreadable=tuple(link.unreadable.values()))
        except TimeoutError:
            raise ToolFailed(f"The MCP server {server.slug!r} does not list its tools.") from None
        except _Broken as error:
            raise ToolFailed(f"The MCP server {server.slug!r} broke off: {error}") from None
        finally:
            await link.close()

    async def close(self) -> None:
        """Close the running loop's connections."""
        links = self._links.pop(asyncio.get_running_loop(), {})
        await asyncio.gather(*(link.close() for link in links.values()))

    async def _link(self, server: McpServer) -> "_Link":
        links = self._links.setdefault(asyncio.get_running_loop(), {})
        link = links.get(server.id)
        if link is not None and (link.over or link.server != server):
            link.stop()
            link = None
        if link is None:
            for key in [key for key, other in links.items() if other.over]:
                del links[key]
            link = links[server.id] = _Link(server, self._connect)
        return link

    def _connect(
        self, server: McpServer, stderr: Stderr, ended: asyncio.Event
    ) -> AbstractAsyncContextManager[TransportStreams]:
        """Return the streams to a server.

        Raises:
            AgentsError: Its command is not allowed, or a secret cannot be read.
        """
        secret = self._box.open(server.secret)
        if server.url:
            return _http_streams(server.url, secret=secret, listed=self._listed)
        environment = {name: self._box.open(value) for name, value in server.environment}
        fault = command_fault(server.command, list(environment), allowed=self._commands)
        if fault:
            raise ToolFailed(fault)
        return stdio_streams(server.command, environment=environment, stderr=stderr, ended=ended)


@asynccontextmanager
async def _http_streams(
    url: str, *, secret: str, listed: Sequence[str]
) -> AsyncGenerator[TransportStreams, None]:
    import httpx2  # noqa: PLC0415 -- only for those who have servers over HTTP
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 -- as above

    client = httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {secret}"} if secret else {},
        timeout=httpx2.Timeout(30.0, read=300.0),
        transport=reach.guarded_transport(listed=listed, max_bytes=MAX_REPLY_BYTES),
        trust_env=False,
    )
    async with (
        client,
        streamable_http_client(
            url, http_client=client, max_sse_event_size=MAX_REPLY_BYTES
        ) as streams,
    ):
        yield streams


Connect = Callable[
    [McpServer, Stderr, asyncio.Event], AbstractAsyncContextManager[TransportStreams]
]


class _Link:
    """One connection, owned by a task of its own so that any task may use it."""

    def __init__(self, server: McpServer, connect: Connect) -> None:
        self.server = server
        self._connect = connect
        self._stderr, self._ended = Stderr(), asyncio.Event()
        self._sifter = Sifter()
        self._stop = asyncio.Event()
        self._calls = 0
        self._used = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._client: asyncio.Future[Client] = loop.create_future()
        # A context of its own: the run that happened to open it must not be kept alive by it.
        self._task = loop.create_task(self._own(), context=Context())

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Return why entries of the server's list are no tools, by their names."""
        return self._sifter.unreadable

    @property
    def over(self) -> bool:
        return self._task.done() or self._stop.is_set() or self._ended.is_set()

    def stop(self) -> None:
        self._stop.set()

    async def close(self) -> None:
        self._stop.set()
        await asyncio.wait({self._task})

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> mcp_types.CallToolResult:
        request = mcp_types.CallToolRequest(
            params=mcp_types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        )
        # Not `Client.call_tool`: that checks results against schemas of the server's own making,
        # whose patterns may backtrack for ever.
        return await self._asked(
            lambda client: client.session.send_request(request, mcp_types.CallToolResult)
        )

    async def tools(self) -> list[mcp_types.Tool]:
        return await self._asked(_all_tools)

    async def _asked(self, ask: Callable[[Client], Any]) -> Any:  # noqa: ANN401 -- what `ask` gives
        client = await asyncio.shield(self._client)
        self._calls += 1
        self._used.set()
        try:
            return await ask(client)
        except MCPError as error:
            if error.code in _BROKEN_CODES:
                raise _Broken(self._told(error.message), sent=True) from None
            if error.message == _GONE:
                raise _Broken(error.message, sent=False) from None
            raise ToolFailed(f"{self.server.slug}: {error.message[:_DETAIL]}") from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise _Broken(self._told(type(error).__name__), sent=False) from None
        except (ValueError, RuntimeError) as error:  # pydantic's among them: not the agreed shape
            raise ToolFailed(
                f"The MCP server {self.server.slug!r} said what cannot be read: "
                f"{str(error)[:_DETAIL]}"
            ) from None
        finally:
            self._calls -= 1
            self._used.set()

    async def _own(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(CONNECT_S):
                    streams = sifted(
                        self._connect(self.server, self._stderr, self._ended), self._sifter
                    )
                    client = await stack.enter_async_context(Client(_transport(streams)))
                    self._sifter.version = client.protocol_version
                    if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                        await _all_tools(client)  # which arguments go into headers is told there
                self._client.set_result(client)
                await self._until_over()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- whatever a foreign server makes of a connection
            if not self._client.done():
                self._client.set_exception(self._unreachable(error))
        finally:
            self._stop.set()
            if self._client.done() and not self._client.cancelled():
                self._client.exception()  # seen, also when nobody waits for it

    async def _until_over(self) -> None:
        """Wait until nobody used the connection for a while, or it is over."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._stop, self._ended)]
        try:
            while True:
                self._used.clear()
                used = asyncio.ensure_future(self._used.wait())
                try:
                    done, _ = await asyncio.wait(
                        [*waits, used],
                        timeout=None if self._calls else IDLE_S,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                finally:
                    used.cancel()
                if used not in done:
                    return
        finally:
            for wait in waits:
                wait.cancel()

    def _unreachable(self, error: BaseException) -> AgentsError:
        if isinstance(error, AgentsError):
            return error
        words = f"no answer within {CONNECT_S:g} s" if isinstance(error, TimeoutError) else ""
        cause = _leaf(error)
        words = words or str(cause) or type(cause).__name__
        return ToolFailed(
            f"The MCP server {self.server.slug!r} cannot be reached: {self._told(words)}"
        )

    def _told(self, words: str) -> str:
        said = str(self._stderr)
        return f"{words[:_DETAIL]}; it said: {said[-_DETAIL:]}" if said else words[:_DETAIL]


def _transport(
    streams: AbstractAsyncContextManager[TransportStreams],
) -> Any:  # noqa: ANN401 -- the SDK's protocol is narrower than what it takes
    return streams


async def _all_tools(client: Client) -> list[mcp_types.Tool]:
    """Return the tools of all pages.

    Raises:
        ToolFailed: The pages do not end, or there are too many tools.
    """
    found: list[mcp_types.Tool] = []
    cursors: set[str] = set()
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        found += page.tools
        if len(found) > MAX_TOOLS:
            raise ToolFailed(f"The server lists more than {MAX_TOOLS} tools.")
        cursor = page.next_cursor
        if not cursor:
            return found
        if cursor in cursors:
            break
        cursors.add(cursor)
    raise ToolFailed("The server's list of tools does not end.")


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error
