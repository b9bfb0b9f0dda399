"""Tools of the knowledge."""

from mcp.server import MCPServer

from mcp_server.bridge import Desk


def register(server: MCPServer, desk: Desk) -> None:
    """Add the tools to `server`."""
