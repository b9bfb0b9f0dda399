"""The tools of an MCP server for programs of one's own, without Django or a database."""

import shlex
from collections.abc import Mapping, Sequence
from types import TracebackType

from cryptography.fernet import Fernet

from agents.assembly.mcp_servers import McpServers
from agents.assembly.mcp_tools import McpGrant, McpTool, listing_of
from agents.assembly.mcp_values import McpServer
from agents.assembly.secrets import SecretBox
from agents.core.errors import ToolFailed
from agents.core.ports import Tool
from agents.providers.world import system_world


class McpSource:
    """An MCP server whose tools an agent is given: `async with McpSource(…) as tools`.

    The connection is opened when it is needed, opened again when it breaks, and closed with the
    block. Entries of the server's list that cannot be used are in `left_out`, with the reason.

    Args:
        url: Of a server over Streamable HTTP; private addresses have to be `listed`.
        command: Else the program that starts one over stdio, and its arguments.
        environment: Variables that the program is given.
        secret: Sent as a bearer token to the `url`.
        name: The first part of the tools' names.
        trusted: Whether to believe which of its tools only read, and which may be repeated.
        listed: Private addresses that may be reached.

    Raises:
        ValueError: Neither a url nor a command is given, or both.
    """

    def __init__(
        self,
        *,
        url: str = "",
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        secret: str = "",
        name: str = "mcp",
        trusted: bool = False,
        listed: Sequence[str] = (),
    ) -> None:
        if bool(url) == bool(command):
            raise ValueError("Give either the url of a server or the command that starts one.")
        box = SecretBox(Fernet.generate_key().decode(), {})  # for as long as this object lives
        variables = dict(environment or {})
        allowed = " ".join([*(f"{variable}=" for variable in variables), shlex.join(command)])
        self._servers = McpServers(box=box, listed=listed, commands=[allowed] if command else [])
        self._server = McpServer(
            id=name,
            slug=name,
            url=url,
            command=tuple(command),
            environment=tuple((key, box.seal(value)) for key, value in sorted(variables.items())),
            secret=box.seal(secret) if secret else "",
        )
        self._trusted = trusted
        self.left_out: tuple[str, ...] = ()

    async def __aenter__(self) -> list[Tool]:
        """Return the server's tools.

        Raises:
            ToolFailed: The server cannot be reached, or does not say what it has.
        """
        try:
            offer = await self._servers.offer(self._server)
        except ToolFailed:
            await self._servers.close()
            raise
        listing = listing_of(self._server.slug, offer, trusted=self._trusted)
        self.left_out = listing.left_out
        now = system_world().now()
        return [
            McpTool(
                McpGrant(
                    id=tool.spec.name,
                    changed_at=now,
                    server=self._server,
                    remote_name=tool.remote_name,
                    spec=tool.spec,
                ),
                self._servers,
            )
            for tool in listing.tools
        ]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._servers.close()
