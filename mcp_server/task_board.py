"""The board of the tasks extension over the cluster's tasks."""

from collections.abc import Mapping
from typing import Any, Final, cast

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import (
    INTERNAL_ERROR,
    CallToolRequestParams,
    CallToolResult,
    ElicitResult,
    InputRequiredResult,
)
from pydantic import ValidationError

from cluster.core.errors import TaskUnknown
from cluster.core.types import FINAL, Status
from cluster.selectors import tasks as selectors
from cluster.services import tasks as services
from loomsite.access.bridge import db
from mcp_server import asking, following
from mcp_server.bridge import Desk
from mcp_server.task_extension import State, Support, TaskView

SUBMITTING: Final = frozenset({"submit_task", "ask_agent"})
# The work itself was lost, and nobody's answer was found wanting.
_LOST = frozenset({"cluster.poison", "cluster.internal_error"})
_STATES: Final[Mapping[str, State]] = {
    Status.INPUT_REQUIRED: "input_required",
    Status.CANCELLED: "cancelled",
    Status.SUCCEEDED: "completed",
}


class ClusterBoard:
    """Tasks of the caller's workspace, whichever door they came through."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def support(self, tool: str) -> Support:
        """Say that what submits a task may give it back instead of waiting for it."""
        return "optional" if tool in SUBMITTING else "never"

    async def begin(
        self,
        params: CallToolRequestParams,
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
    ) -> TaskView | HandlerResult:
        """Have the tool submit, and return the task; what it refuses, it refuses at once."""
        if params.name == "ask_agent":
            params.arguments = {**(params.arguments or {}), "wait_s": 0}
        result = await call_next(ctx)
        if isinstance(result, InputRequiredResult) or not isinstance(result, CallToolResult):
            return result
        task_id = cast(dict[str, Any], result.structured_content or {}).get("task_id")
        if not isinstance(task_id, str):
            return result
        async with self._desk.reading("tasks:write") as caller:
            task = await db(
                selectors.task_detail, workspace_id=caller.workspace_id, task_id=task_id
            )
        return _view(task)

    async def look(self, task_id: str) -> TaskView | None:
        """Return the task as the extension shows it."""
        task = await self._task("tasks:read", task_id)
        return _view(task) if task is not None else None

    async def answer(self, task_id: str, responses: Mapping[str, Any]) -> bool:
        """Answer the question that is open, where it is among those answered."""
        task = await self._task("tasks:write", task_id)
        if task is None:
            return False
        request = task["request"]
        given = _read(responses.get(request["id"])) if request else None
        if request and given is not None:
            async with self._desk.reading("tasks:write") as caller:
                await following.answer(caller, task_id, request, given)
        return True

    async def cancel(self, task_id: str) -> bool:
        """Ask the task to stop."""
        if await self._task("tasks:write", task_id) is None:
            return False
        async with self._desk.reading("tasks:write") as caller:
            await db(
                services.task_cancel,
                workspace_id=caller.workspace_id,
                task_id=task_id,
                actor=caller.actor,
            )
        return True

    async def _task(self, scope: str, task_id: str) -> dict[str, Any] | None:
        async with self._desk.reading(scope) as caller:
            try:
                return await db(
                    selectors.task_detail, workspace_id=caller.workspace_id, task_id=task_id
                )
            except TaskUnknown:
                return None


def _view(task: Mapping[str, Any]) -> TaskView:
    status = _state(task)
    request = task["request"]
    return TaskView(
        task_id=task["id"],
        status=status,
        created_at=task["created_at"],
        updated_at=_updated_at(task),
        message=following.said(task) if task["status"] not in FINAL else task["status"],
        result=_result(task) if status == "completed" else None,
        error=_error(task) if status == "failed" else None,
        questions=(
            {
                request["id"]: following.question_of(request).model_dump(
                    mode="json", by_alias=True, exclude_none=True
                )
            }
            if request
            else {}
        ),
    )


def _state(task: Mapping[str, Any]) -> State:
    if task["status"] == Status.FAILED:
        return "failed" if task["error"] and task["error"]["code"] in _LOST else "completed"
    if task["status"] == Status.INPUT_REQUIRED and not task["request"]:
        return "working"  # answered this moment
    return _STATES.get(task["status"], "working")


def _result(task: Mapping[str, Any]) -> dict[str, Any]:
    return asking.answer_of(task).model_dump(mode="json", by_alias=True, exclude_none=True)


def _error(task: Mapping[str, Any]) -> dict[str, Any]:
    error = task["error"]
    return {"code": INTERNAL_ERROR, "message": error["message"], "data": {"code": error["code"]}}


def _updated_at(task: Mapping[str, Any]) -> str:
    times = [task["created_at"], task["finished_at"]]
    times += [at for phase in task["phases"] for at in (phase["started_at"], phase["ended_at"])]
    return max(at for at in times if at)


def _read(given: object) -> ElicitResult | None:
    """Return a person's answer, or nothing where a client sent something else."""
    try:
        return ElicitResult.model_validate(given)
    except ValidationError:
        return None
