"""A lean list of tools: every client pays for its words in every session."""

from typing import Any, cast

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import BaseModel


async def lean_tools(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Leave out of `tools/list` what says nothing: titles that repeat names, null defaults."""
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
    if isinstance(value, list):
        return [_pruned(inner) for inner in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    pairs = cast(dict[str, Any], value).items()
    kept = {key: _pruned(inner) for key, inner in pairs if not _is_noise(key, inner)}
    return _collapsed(kept)


def _is_noise(key: str, value: object) -> bool:
    # A field that is called "title" has a schema, and no text, as its value.
    is_title = key == "title" and isinstance(value, str)
    return (
        is_title
        or (key == "default" and value is None)
        or (key == "additionalProperties" and value is True)
    )


def _collapsed(schema: dict[str, Any]) -> dict[str, Any]:
    """Write `anyOf: [{type: X, …}, {type: null}]` as `type: [X, null], …`: the same, shorter."""
    match schema.get("anyOf"):
        case [{"type": str(kind), **rest}, {"type": "null", **nothing}] if not nothing:
            others = {key: inner for key, inner in schema.items() if key != "anyOf"}
            return {"type": [kind, "null"], **cast(dict[str, Any], rest), **others}
        case _:
            return schema
