"""The suite's fixtures, on the same ASGI stack as the product.

`LOOM_CONFORMANCE_SESSIONS=1` keeps sessions, as the tools of clients before 2026 need them that are
asked something in the middle of a call; the product keeps none, and so never asks that way.
"""

import os

from mcp.server import MCPServer
from mcp.server.mcpserver.tools import Tool

from loomsite.asgi import build_application
from mcp_server.task_extension import TasksExtension
from tests.conformance import contents, inputs, long_calls


def build_fixtures() -> MCPServer:
    """Return a server with everything that the suite calls by name."""
    server = MCPServer(
        name="loom-conformance",
        version="1",
        tools=[_strict_tool()],
        extensions=[TasksExtension(long_calls.MemoryBoard())],
        log_level="WARNING",
    )
    for module in (contents, inputs, long_calls):
        module.register(server)
    return server


def _strict_tool() -> Tool:
    async def json_schema_2020_12_tool(name: str = "") -> str:
        """Have a schema with everything."""
        return name

    tool = Tool.from_function(json_schema_2020_12_tool)
    return tool.model_copy(update={"parameters": contents.STRICT_SCHEMA})


application = build_application(
    build_fixtures(), sessions=os.environ.get("LOOM_CONFORMANCE_SESSIONS") == "1"
)
