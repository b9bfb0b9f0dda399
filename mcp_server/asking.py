"""A task as a call's answer: the same for `ask_agent`, for agents as tools, and for tasks."""

from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult

from cluster.core.types import FINAL, Status
from mcp_server import fitting
from mcp_server.schemas import Asked

POLL_AFTER_S = 2.0


def answer_of(task: Mapping[str, Any]) -> CallToolResult:
    """Return what a task came to, or how to go on with one that has not ended."""
    fitted, is_cut = fitting.task_fitted(task)
    has_failed = task["status"] in {Status.FAILED, Status.CANCELLED}
    asked = Asked.model_validate(
        {
            **fitted,
            "task_id": task["id"],
            "poll_after_s": poll_after_s(task),
            "session_id": task["metadata"].get("session_id"),
            "truncated": is_cut,
        }
    )
    return fitting.result(asked, links=links_of(task, is_cut=is_cut), is_error=has_failed)


def poll_after_s(task: Mapping[str, Any]) -> float | None:
    """Return when to look again; never when the task has ended."""
    return None if task["status"] in FINAL else POLL_AFTER_S


def links_of(task: Mapping[str, Any], *, is_cut: bool) -> list[Any]:
    """Return where the whole is of what was cut."""
    if not is_cut:
        return []
    uri = f"task://{task['id']}/result"
    return [
        fitting.link(uri, "result", "The whole answer; the task is at task://… without /result.")
    ]
