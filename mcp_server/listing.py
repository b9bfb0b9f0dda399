"""A lean list of tools: every client pays for its words in every session."""

from typing import Any, cast

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import BaseModel


async def without_titles(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Leave out of `tools/list` the titles of fields, which only repeat their names."""
    result = await call_next(ctx)
    if ctx.method != "tools/list":
        return result
    if isinstance(result, BaseModel):
        result = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    for tool in (result or {}).get("tools", []):
        for schema in ("inputSchema", "outputSchema"):
            if schema in tool:
                tool[schema] = _pruned(tool[schema])
    return result


def _pruned(value: Any) -> Any:  # noqa: ANN401 -- a JSON schema
    if isinstance(value, dict):
        pairs = cast(dict[str, Any], value).items()
        # A field that is called "title" has a schema, and no text, as its value.
        return {
            key: _pruned(inner)
            for key, inner in pairs
            if not (key == "title" and isinstance(inner, str))
        }
    return (
        [_pruned(inner) for inner in cast(list[Any], value)] if isinstance(value, list) else value
    )
