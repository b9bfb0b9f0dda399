"""Tools over schedules: submit a goal later, or again and again."""

from typing import Annotated

from mcp.server import MCPServer
from mcp_types import ToolAnnotations
from pydantic import Field

from cluster.selectors import schedules as selectors
from cluster.services import schedules as services
from loomsite.access.bridge import db
from loomsite.access.core.errors import InputInvalid
from mcp_server.bridge import Desk
from mcp_server.schemas import Scheduled


def register(server: MCPServer, desk: Desk) -> None:
    """Add the tools to `server`."""

    @server.tool(
        title="Schedule a task",
        annotations=ToolAnnotations(
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=False,
            open_world_hint=True,
        ),
    )
    async def schedule_task(  # noqa: PLR0917 -- a tool's arguments come by name
        goal: str,
        cron: Annotated[
            str | None, Field(description="minute hour day month weekday, e.g. 0 7 * * 1")
        ] = None,
        at: Annotated[str | None, Field(description="Once, at 2030-01-31T07:00:00+00:00")] = None,
        every_s: Annotated[int | None, Field(description="Each so many seconds.")] = None,
        timezone: Annotated[str | None, Field(description="For cron; default UTC.")] = None,
        agent: Annotated[str | None, Field(description="Slug from list_agents.")] = None,
    ) -> Scheduled:
        """Submit a goal by the clock. Give one of cron, at and every_s."""
        async with desk.serving("tasks:write") as caller:
            times = {"cron": cron, "once": at, "interval": every_s}
            kinds = [kind for kind, value in times.items() if value is not None]
            if len(kinds) != 1:
                raise InputInvalid("Give one of cron, at and every_s.")
            schedule_id = await db(
                services.schedule_create,
                workspace_id=caller.workspace_id,
                actor=caller.actor,
                kind=kinds[0],
                cron=cron,
                at=at,
                every_s=every_s,
                timezone=timezone or "UTC",
                submission={"goal": goal, "agent": agent} if agent else {"goal": goal},
            )
            shown = await db(
                selectors.schedule_detail, workspace_id=caller.workspace_id, schedule_id=schedule_id
            )
            return Scheduled(schedule_id=schedule_id, next_at=shown["next_at"])
