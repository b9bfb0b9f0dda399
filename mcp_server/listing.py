"""A lean list of tools: every client pays for its words in every session."""

import inspect
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
        tool["description"] = inspect.cleandoc(tool.get("description", ""))
        for schema in ("inputSchema", "outputSchema"):
            if schema in tool:
                tool[schema] = _pruned(_flat(tool[schema]), optional=schema == "inputSchema")
    return result


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """Name the fields of listed objects where a schema of its own would say little more."""
    listed = schema.get("$defs", {})
    properties: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        of = str(field.get("items", {}).get("$ref", "")).removeprefix("#/$defs/")
        if of in listed:
            said = " ".join(listed[of].get("properties", {}))
            properties[name] = {
                "type": "array",
                "items": {"type": "object"},
                "description": said,
            }
        else:
            properties[name] = field
    rest = {key: value for key, value in schema.items() if key != "$defs"}
    return {**rest, "properties": properties}


def _pruned(value: Any, *, optional: bool) -> Any:  # noqa: ANN401 -- a JSON schema
    """Return a schema without noise.

    An argument that may be null is shown as what it is otherwise: leaving it out says the same, and
    one type is what every client reads.
    """
    if isinstance(value, list):
        return [_pruned(inner, optional=optional) for inner in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _pruned(inner, optional=optional)
        for key, inner in cast(dict[str, Any], value).items()
        if not _is_noise(key, inner, optional=optional)
    }
    return _without_null(kept) if optional else kept


def _is_noise(key: str, value: object, *, optional: bool) -> bool:
    # A field that is called "title" has a schema, and no text, as its value.
    is_title = key == "title" and isinstance(value, str)
    # Results come from here, and are whole: what a client has to send is worth saying, this is not.
    is_result_list = key == "required" and isinstance(value, list) and not optional
    return (
        is_title
        or is_result_list
        or (key == "default" and (value is None or not optional))
        or (key == "additionalProperties" and (value is True or not optional))
    )


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    match schema.get("anyOf"):
        case [{**kind}, {"type": "null", **nothing}] if not nothing:
            others = {key: inner for key, inner in schema.items() if key != "anyOf"}
            return {**cast(dict[str, Any], kind), **others}
        case _:
            return schema
