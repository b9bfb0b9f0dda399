"""Agents as tools of their own: `ask_agent` under each one's name, with its own arguments."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from jsonschema import Draft202012Validator
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel

from agents.selectors import offers
from agents.tools import foreign_schema
from loomsite.access.bridge import db
from mcp_server import fitting
from mcp_server.bridge import Desk
from mcp_server.schemas import Asked

PREFIX: Final = "agent_"
_DESCRIPTION_MAX_CHARS = 1_000
_MESSAGE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "description": "What it is asked or told."},
        "session_id": {"type": "string", "description": "The same again: the same conversation."},
    },
    "required": ["message"],
}


class PublishedAgents:
    """The middleware that lists a workspace's published agents as tools, and calls them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Add the agents to a list of tools, and turn a call of one into a question to it."""
        match ctx.method:
            case "tools/list":
                return await self._list(await call_next(ctx))
            case "tools/call":
                params = dict(ctx.params or {})
                name = params.get("name")
                if isinstance(name, str) and name.startswith(PREFIX):
                    return await self._call(name, params, ctx, call_next)
            case _:
                pass
        return await call_next(ctx)

    async def _list(self, result: HandlerResult) -> HandlerResult:
        if isinstance(result, BaseModel):
            result = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        listed = result or {}
        async with self._desk.reading() as caller:
            if not caller.allows("agents:read"):
                return listed
            found = await db(offers.agents_offered, workspace_id=caller.workspace_id)
        return {**listed, "tools": [*listed.get("tools", []), *map(_tool, found)]}

    async def _call(
        self,
        name: str,
        params: Mapping[str, Any],
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
    ) -> HandlerResult:
        slug = name.removeprefix(PREFIX)
        async with self._desk.reading() as caller:
            offer = await db(offers.agent_offered, workspace_id=caller.workspace_id, slug=slug)
        if offer is None:
            return await call_next(ctx)  # there is no such tool
        arguments = cast(dict[str, Any], params.get("arguments") or {})
        if fault := _fault(offer.input_schema or _MESSAGE, arguments):
            content = TextContent(type="text", text=f"{fault} [access.input_invalid]")
            return CallToolResult(content=[content], is_error=True)
        asked: dict[str, Any] = {"agent": slug, "message": _message(arguments)}
        if not offer.input_schema and "session_id" in arguments:
            asked["session_id"] = arguments["session_id"]
        return await call_next(
            replace(ctx, params={**params, "name": "ask_agent", "arguments": asked})
        )


def _tool(offer: offers.AgentOffer) -> dict[str, Any]:
    said = fitting.cut(offer.description, _DESCRIPTION_MAX_CHARS) or f"Ask the agent {offer.name}."
    return {
        "name": PREFIX + offer.slug,
        "title": offer.name,
        "description": f"{said}\nReturns its answer, or a task_id for get_task.",
        "inputSchema": offer.input_schema or _MESSAGE,
        "outputSchema": Asked.model_json_schema(),
        "annotations": {
            "title": offer.name,
            "readOnlyHint": False,
            "destructiveHint": False,
            "idempotentHint": False,
            "openWorldHint": True,
        },
    }


def _fault(schema: dict[str, Any], arguments: object) -> str | None:
    """Say what is wrong with the arguments; the schema's own patterns are not trusted to end."""
    validator = cast(Any, Draft202012Validator)(foreign_schema.tamed(schema))
    error = next(iter(validator.iter_errors(arguments)), None)
    if error is None:
        return None
    where = ".".join(str(part) for part in error.absolute_path)
    return f"{where or 'arguments'}: {error.message[:300]}"


def _message(arguments: Mapping[str, Any]) -> str:
    """Return what the agent is told: its message, or its arguments as they are."""
    if set(arguments) <= {"message", "session_id"} and isinstance(arguments.get("message"), str):
        return arguments["message"]
    return fitting.written(arguments)
