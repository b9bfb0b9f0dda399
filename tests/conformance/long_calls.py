"""What the suite waits for: tools whose calls become tasks, on a board that is only memory."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

from django.utils import timezone
from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, CallToolRequestParams, InputRequiredResult
from pydantic import BaseModel

from mcp_server.task_extension import Support, TaskView
from tests.conformance.inputs import answered, ask

_SUPPORT: dict[str, Support] = {
    "slow_compute": "optional",
    "failing_job": "required",
    "protocol_error_job": "required",
    "confirm_delete": "required",
    "multi_input": "required",
    "test_tool_with_task": "required",
}
_QUESTIONS = {
    "confirm_delete": {"confirm": ask("Delete it?", "confirm", "boolean")},
    "multi_input": {"name": ask("Your name?", "name"), "sure": ask("Sure?", "confirm", "boolean")},
}


def register(server: MCPServer) -> None:
    """Add what takes long to `server`."""

    @server.tool(structured_output=False)
    async def greet(name: str) -> str:
        """Greet at once."""
        return f"Hello, {name}!"

    @server.tool(structured_output=False)
    async def slow_compute(seconds: float, label: str = "") -> str:
        """Take some seconds."""
        await asyncio.sleep(seconds)
        return f"{label}: computed in {seconds:g} s"

    @server.tool(structured_output=False)
    async def failing_job() -> str:
        """Fail after a second."""
        await asyncio.sleep(1)
        raise ToolError("The job failed, as it always does.")

    @server.tool(structured_output=False)
    async def protocol_error_job() -> str:
        """Break off."""
        raise MCPError(code=INTERNAL_ERROR, message="The job was lost.")

    @server.tool(structured_output=False)
    async def confirm_delete(filename: str) -> str:
        """Delete when somebody agrees."""
        return f"Deleted {filename}."

    @server.tool(structured_output=False)
    async def multi_input() -> str:
        """Need two answers."""
        return "Both answers are there."

    @server.tool(structured_output=False)
    async def test_tool_with_task(ctx: Context) -> str | InputRequiredResult:
        """Ask for a name, then take a while."""
        if (found := answered(ctx, "user_name")) is None:
            question = ask("What is your name?", "name")
            return InputRequiredResult(input_requests={"user_name": question})
        return f"Hello, {found.get('name')}!"


@dataclass(slots=True)
class _Row:
    view: TaskView
    job: asyncio.Task[None] | None = None
    open: dict[str, Any] = field(default_factory=dict)
    work: Callable[[], Awaitable[HandlerResult]] | None = None


class MemoryBoard:
    """A board of this process: each task is a coroutine, gone with the process."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def support(self, tool: str) -> Support:
        return _SUPPORT.get(tool, "never")

    async def begin(
        self,
        params: CallToolRequestParams,
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
    ) -> TaskView | HandlerResult:
        if params.name == "test_tool_with_task" and not params.input_responses:
            return await call_next(ctx)
        now = _now()
        view = TaskView(task_id=str(uuid.uuid4()), status="working", created_at=now, updated_at=now)
        row = self._rows[view.task_id] = _Row(view, work=lambda: call_next(ctx))
        row.open = {
            f"{key}-{uuid.uuid4().hex[:8]}": request.model_dump(
                mode="json", by_alias=True, exclude_none=True
            )
            for key, request in _QUESTIONS.get(params.name, {}).items()
        }
        if not row.open:
            row.job = asyncio.create_task(self._run(row))
        return view

    async def look(self, task_id: str) -> TaskView | None:
        row = self._rows.get(task_id)
        if row is None:
            return None
        if row.open and row.view.status == "working":
            return replace(row.view, status="input_required", questions=dict(row.open))
        return row.view

    async def answer(self, task_id: str, responses: Mapping[str, Any]) -> bool:
        row = self._rows.get(task_id)
        if row is None:
            return False
        was_open = bool(row.open)
        for key in responses:
            row.open.pop(key, None)
        if was_open and not row.open and row.view.status == "working":
            row.job = asyncio.create_task(self._run(row))
        return True

    async def cancel(self, task_id: str) -> bool:
        row = self._rows.get(task_id)
        if row is None:
            return False
        if row.view.status == "working":
            row.view = replace(row.view, status="cancelled", updated_at=_now())
            if row.job is not None:
                row.job.cancel()
        return True

    async def _run(self, row: _Row) -> None:
        assert row.work is not None
        try:
            result = await row.work()
        except MCPError as error:
            shown = {"code": error.error.code, "message": error.error.message}
            row.view = replace(row.view, status="failed", error=shown, updated_at=_now())
            return
        wire = (
            result.model_dump(mode="json", by_alias=True, exclude_none=True)
            if isinstance(result, BaseModel)
            else dict(result or {})
        )
        row.view = replace(row.view, status="completed", result=wire, updated_at=_now())


def _now() -> str:
    return timezone.now().astimezone(UTC).isoformat()
