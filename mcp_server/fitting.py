"""Results of a size that a model can read: what is longer is cut, and linked to as a resource."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mcp_types import CallToolResult, ContentBlock, ResourceLink, TextContent
from pydantic import BaseModel

RESULT_MAX_CHARS = 20_000
_GOAL_MAX_CHARS = 2_000
_METADATA_MAX_CHARS = 4_000
_CITATIONS_MAX_CHARS = 5_000
_EVENT_MAX_CHARS = 300
_ANSWER_LEAST_CHARS = 2_000

T = TypeVar("T")


def result(
    shown: BaseModel, *, links: Sequence[ResourceLink] = (), is_error: bool = False
) -> CallToolResult:
    """Return a tool's result as structured content and as the same in text."""
    structured = shown.model_dump(mode="json", by_alias=True)
    content: list[ContentBlock] = [TextContent(type="text", text=written(structured)), *links]
    return CallToolResult(content=content, structured_content=structured, is_error=is_error)


def link(uri: str, name: str, said: str = "") -> ResourceLink:
    """Return a link to the whole of something."""
    return ResourceLink(
        type="resource_link", uri=uri, name=name, description=said or None, mime_type="text/plain"
    )


def written(value: object) -> str:
    """Return a value as text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def cut(text: str | None, most: int) -> str | None:
    """Return a text of at most `most` characters."""
    return text if text is None or len(text) <= most else text[: most - 1] + "…"


def task_fitted(task: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a task object that fits, and whether something of it was left out.

    The answer gets what the rest leaves over.
    """
    fitted = dict(task)
    fitted["goal"] = cut(task["goal"], _GOAL_MAX_CHARS)
    if len(written(task["metadata"])) > _METADATA_MAX_CHARS:
        fitted["metadata"] = {}
    fitted["citations"] = fitting(task["citations"], _CITATIONS_MAX_CHARS, written)
    if task.get("events"):
        fitted["events"] = [_event_fitted(event) for event in task["events"]]
    rest = len(written({**fitted, "answer": None}))
    left = max(_ANSWER_LEAST_CHARS, RESULT_MAX_CHARS - rest)
    fitted["answer"] = _cut_as_written(task["answer"], left)
    whole = all(fitted[name] == task[name] for name in ("goal", "metadata", "citations", "answer"))
    return fitted, not whole


def fitting(items: Sequence[T], most: int, shown: Callable[[T], str]) -> list[T]:
    """Return the first items that fit into `most` characters together; at least one."""
    kept: list[T] = []
    for item in items:
        most -= len(shown(item))
        if kept and most < 0:
            break
        kept.append(item)
    return kept


def _cut_as_written(text: str | None, most: int) -> str | None:
    """Cut a text to at most `most` as JSON, where quotes and line ends count twice."""
    if text is None or len(written(text)) <= most:
        return text
    short = text[:most]
    while len(written(short)) > most:
        short = short[: len(short) * 9 // 10]
    return short


def _event_fitted(event: Mapping[str, Any]) -> dict[str, Any]:
    told = written(event["data"])
    if len(told) <= _EVENT_MAX_CHARS:
        return dict(event)
    return {**event, "data": {"cut": told[:_EVENT_MAX_CHARS]}}
