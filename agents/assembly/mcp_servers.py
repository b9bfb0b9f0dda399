"""MCP servers as the rest of Loom sees them: the client library is loaded by their first use."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agents.assembly.mcp_values import McpServer, Offer
from agents.assembly.secrets import SecretBox

if TYPE_CHECKING:
    import mcp_types

    from agents.assembly.mcp_links import Links


class McpServers:
    """Calls tools of MCP servers; one connection to each server and event loop.

    Args:
        box: Opens secrets.
        listed: Private addresses that may be reached all the same.
        commands: What may be started, as `LOOM_MCP_COMMANDS` lists it.
    """

    def __init__(self, *, box: SecretBox, listed: Sequence[str], commands: Sequence[str]) -> None:
        self._box, self._listed, self._commands = box, tuple(listed), tuple(commands)
        self._links: Links | None = None

    async def call(
        self, server: McpServer, tool: str, arguments: Mapping[str, Any], *, again: bool
    ) -> "mcp_types.CallToolResult":
        """Return what a tool said.

        Args:
            server: Whose tool.
            tool: The server's name of it.
            arguments: For the tool.
            again: Whether the call may be made twice when the connection breaks during it.

        Raises:
            ToolFailed: The server cannot be reached, refused the call, or said nothing usable.
        """
        return await (await self._loaded()).call(server, tool, arguments, again=again)

    async def offer(self, server: McpServer) -> Offer:
        """Return what a server lists, over a connection of its own.

        Raises:
            ToolFailed: It cannot be reached or does not say; the message is for operators.
        """
        return await (await self._loaded()).offer(server)

    async def close(self) -> None:
        """Close the running loop's connections."""
        if self._links is not None:
            await self._links.close()

    async def _loaded(self) -> "Links":
        if self._links is None:
            # More than half a second of work, which would hold up all runs of the loop.
            links: Any = await asyncio.to_thread(
                importlib.import_module, "agents.assembly.mcp_links"
            )
            if self._links is None:
                self._links = links.Links(
                    box=self._box, listed=self._listed, commands=self._commands
                )
        assert self._links is not None
        return self._links
