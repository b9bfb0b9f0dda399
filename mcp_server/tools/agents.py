"""Tools over agents: who can be asked by name, and asking them."""

from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import Field

from agents.selectors import catalogue
from cluster.services import tasks as services
from loomsite.access.bridge import db
from mcp_server import asking
from mcp_server.bridge import Desk
from mcp_server.following import LONGEST_WAIT_S, follow
from mcp_server.schemas import AgentLine, AgentPage, Asked


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

    @server.tool(
        title="Ask an agent",
        annotations=ToolAnnotations(
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=False,
            open_world_hint=True,
        ),
    )
    async def ask_agent(
        ctx: Context,
        agent: Annotated[str, Field(description="Slug from list_agents.")],
        message: Annotated[str, Field(description="What it is asked or told.")],
        session_id: Annotated[
            str | None,
            Field(description="The same again goes on with the conversation."),
        ] = None,
        wait_s: Annotated[float, Field(ge=0, le=LONGEST_WAIT_S)] = LONGEST_WAIT_S,
    ) -> Annotated[CallToolResult, Asked] | InputRequiredResult:
        """Ask one agent; returns its answer, or a task_id for get_task when it takes longer."""
        async with desk.serving("tasks:write") as caller:
            # A client that comes back with an answer makes the same call again: it is one task.
            task_id = ctx.request_state
            if task_id is None:
                task_id, _ = await db(
                    services.task_submit,
                    workspace_id=caller.workspace_id,
                    actor=caller.actor,
                    door="mcp",
                    goal=message,
                    agent=agent,
                    metadata={"session_id": session_id} if session_id else {},
                    max_cycles=1,
                )
            task = await follow(ctx, caller=caller, task_id=task_id, wait_s=wait_s, state=task_id)
            return task if isinstance(task, InputRequiredResult) else asking.answer_of(task)
