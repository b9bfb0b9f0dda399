"""A tool that does nothing, on the stack that ours are on: what a call costs without its work."""

from mcp.server import MCPServer
from pydantic import BaseModel

from loomsite.asgi import build_application


class Nothing(BaseModel):
    done: bool


def build_bare() -> MCPServer:
    """Return a server with the one tool `nothing`."""
    server = MCPServer(name="bare", version="1", log_level="WARNING")

    @server.tool()
    async def nothing() -> Nothing:
        """Do nothing."""
        return Nothing(done=True)

    return server


application = build_application(build_bare())
