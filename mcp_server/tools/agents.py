"""Tools over agents: who can be asked by name."""

from typing import Annotated

from mcp.server import MCPServer
from mcp_types import ToolAnnotations
from pydantic import Field

from agents.selectors import catalogue
from loomsite.access.bridge import db
from mcp_server.bridge import Desk
from mcp_server.schemas import AgentLine, AgentPage


def register(server: MCPServer, desk: Desk) -> None:
    """Add the tools to `server`."""

    @server.tool(
        title="List agents",
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def list_agents(
        query: Annotated[str | None, Field(description="Words in name or description.")] = None,
        cursor: Annotated[str | None, Field(description="next_cursor of the page before.")] = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> AgentPage:
        """List the agents that a task may be given to with submit_task(agent=slug)."""
        async with desk.serving("agents:read") as caller:
            page = await db(
                catalogue.agent_list,
                workspace_id=caller.workspace_id,
                query=query or "",
                cursor=cursor,
                limit=limit,
            )
            agents = [AgentLine.model_validate(row, from_attributes=True) for row in page.results]
            return AgentPage(agents=agents, next_cursor=page.next_cursor)
