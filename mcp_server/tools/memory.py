"""Tools over memory: keep a fact, find it again."""

from typing import Annotated

from mcp.server import MCPServer
from mcp_types import ToolAnnotations
from pydantic import Field

from agents import wiring
from loomsite.access.bridge import db
from mcp_server import fitting
from mcp_server.bridge import Desk
from mcp_server.schemas import Memories, MemoryOut, Remembered

ScopeText = Annotated[
    str, Field(description="workspace, agent:<id>, session:<id> or task:<id>.", max_length=300)
]


def register(server: MCPServer, desk: Desk) -> None:
    """Add the tools to `server`."""

    @server.tool(
        title="Recall",
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def recall(
        query: str, scope: ScopeText = "workspace", limit: Annotated[int, Field(ge=1, le=50)] = 8
    ) -> Memories:
        """Find what was remembered and fits the query, best first."""
        async with desk.serving("memory:read") as caller:
            kind, _, scope_id = scope.partition(":")
            hits = await db(
                wiring.memory_recall,
                workspace_id=caller.workspace_id,
                query=query,
                scope=kind,
                scope_id=scope_id,
                limit=limit,
            )
            found = [MemoryOut.model_validate(hit, from_attributes=True) for hit in hits]
            shown = fitting.fitting(found, fitting.RESULT_MAX_CHARS, MemoryOut.model_dump_json)
            return Memories(memories=shown, truncated=len(shown) < len(found))

    @server.tool(
        title="Remember",
        annotations=ToolAnnotations(
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        ),
    )
    async def remember(
        text: Annotated[str, Field(description="One fact, so that it makes sense on its own.")],
        scope: ScopeText = "workspace",
        importance: Annotated[float, Field(ge=0, le=1)] = 0.5,
        subject: Annotated[str, Field(description="Whom it is about.", max_length=200)] = "",
        topic: Annotated[
            str, Field(description="What it settles, e.g. units.", max_length=200)
        ] = "",
    ) -> Remembered:
        """Keep a fact for later runs and chats; the same fact is kept once."""
        async with desk.serving("memory:write") as caller:
            kind, _, scope_id = scope.partition(":")
            memory_id = await db(
                wiring.memory_remember,
                workspace_id=caller.workspace_id,
                text=text,
                scope=kind,
                scope_id=scope_id,
                importance=importance,
                subject=subject,
                topic=topic,
                provenance={"source": caller.actor},
            )
            return Remembered(memory_id=memory_id)
