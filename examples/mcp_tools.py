"""Tools of an MCP server, here one over stdio: this file serves itself."""

import asyncio
import os
import sys
from pathlib import Path

from agents.assembly.mcp_source import McpSource
from agents.core.runtime import Agent
from agents.providers.openai_compat import OpenAIProvider

HERE = Path(__file__).resolve()


def serve() -> None:
    from mcp.server import MCPServer  # noqa: PLC0415 -- only in the server's process

    server = MCPServer(name="looms")

    @server.tool()
    def price(metres: int) -> str:
        """Return what so many metres of linen cost."""
        return f"{metres * 12} euros"

    server.run()


async def main() -> None:
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    source = McpSource(
        name="looms",
        command=[sys.executable, str(HERE), "serve"],
        environment={"PYTHONPATH": str(HERE.parents[1])},
    )
    async with source as tools, Agent(provider=provider, tools=tools) as agent:
        print("tools:", ", ".join(tool.spec.name for tool in tools))
        goal = 'What do 7 metres of linen cost? [[tool=looms__price {"metres": 7}]]'
        print((await agent.run(goal)).text)


if sys.argv[1:] == ["serve"]:
    serve()
else:
    asyncio.run(main())
