"""The tasks extension of MCP (SEP-2663): long calls become tasks for clients that declare it.

This is the protocol alone; what a task is, and who runs it, is the board's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER
from mcp_types import HEADER_MISMATCH, INVALID_PARAMS, CallToolRequestParams, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

IDENTIFIER = "io.modelcontextprotocol/tasks"
POLL_INTERVAL_MS = 2_000

State = Literal["working", "input_required", "completed", "failed", "cancelled"]
Support = Literal["never", "optional", "required"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task as the extension shows it.

    Attributes:
        result: Of a completed one: what its tool would have returned, in wire form.
        error: Of a failed one: a JSON-RPC error.
        questions: What it waits for: the client's requests by the key to answer them under.
    """

    task_id: str
    status: State
    created_at: str
    updated_at: str
    message: str = ""
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    questions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])


class Board(Protocol):
    """Where tasks are begun and looked up, for whom is calling."""

    def support(self, tool: str) -> Support:
        """Say whether calls of this tool may, or must, become tasks."""
        ...

    async def begin(
        self,
        params: CallToolRequestParams,
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
    ) -> TaskView | HandlerResult:
        """Return the task that the call became, or its answer when there is no need for one."""
        ...

    async def look(self, task_id: str) -> TaskView | None:
        """Return the task, or nothing when the caller has none with this id."""
        ...

    async def answer(self, task_id: str, responses: Mapping[str, Any]) -> bool:
        """Answer what a task waits for; keys that it does not wait for are ignored."""
        ...

    async def cancel(self, task_id: str) -> bool:
        """Ask the task to stop; one that has ended is left alone."""
        ...


class TaskParams(RequestParams):
    """Which task."""

    task_id: str


class TaskUpdateParams(TaskParams):
    """Which task, and the answers by the keys of its questions."""

    input_responses: dict[str, Any] = Field(default_factory=dict[str, Any])


class TasksExtension(Extension):
    """Serves `tasks/get`, `tasks/update` and `tasks/cancel`, and turns tool calls into tasks."""

    identifier = IDENTIFIER

    def __init__(self, board: Board) -> None:
        self._board = board

    def methods(self) -> Sequence[MethodBinding]:
        """Return the methods, which exist only where the extension does: in the present era."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return [
            MethodBinding("tasks/get", TaskParams, self._get, versions),
            MethodBinding("tasks/update", TaskUpdateParams, self._update, versions),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, versions),
        ]

    async def intercept_tool_call(
        self,
        params: CallToolRequestParams,
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
    ) -> HandlerResult:
        """Give a task for a call that takes long, where the client knows what to do with one."""
        support = self._board.support(params.name)
        if support == "never":
            return await call_next(ctx)
        if not _declared(ctx):
            if support == "required":
                require_client_extension(ctx, IDENTIFIER)
            return await call_next(ctx)
        begun = await self._board.begin(params, ctx, call_next)
        if isinstance(begun, TaskView):
            return {"resultType": "task", **_shown(begun)}
        return begun

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: TaskParams) -> HandlerResult:
        _check(ctx, params)
        view = await self._board.look(params.task_id)
        if view is None:
            raise _unknown(params.task_id)
        shown = {"resultType": "complete", **_shown(view)}
        match view.status:
            case "completed":
                shown["result"] = dict(view.result or {})
            case "failed":
                shown["error"] = dict(view.error or {})
            case "input_required":
                shown["inputRequests"] = {key: dict(ask) for key, ask in view.questions.items()}
            case "working" | "cancelled":
                pass
        return shown

    async def _update(
        self, ctx: ServerRequestContext[Any, Any], params: TaskUpdateParams
    ) -> HandlerResult:
        _check(ctx, params)
        if not await self._board.answer(params.task_id, params.input_responses):
            raise _unknown(params.task_id)
        return {"resultType": "complete"}

    async def _cancel(
        self, ctx: ServerRequestContext[Any, Any], params: TaskParams
    ) -> HandlerResult:
        _check(ctx, params)
        if not await self._board.cancel(params.task_id):
            raise _unknown(params.task_id)
        return {"resultType": "complete"}


def _declared(ctx: ServerRequestContext[Any, Any]) -> bool:
    capabilities = ctx.session.client_capabilities
    extensions = capabilities.extensions if capabilities else None
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and IDENTIFIER in (extensions or {})


def _check(ctx: ServerRequestContext[Any, Any], params: TaskParams) -> None:
    """Refuse a client that has not declared the extension, and one whose headers say another task.

    The routing headers are what a proxy went by, so they must not tell another story than the body.
    """
    require_client_extension(ctx, IDENTIFIER)
    headers: Mapping[str, str] = getattr(ctx.request, "headers", None) or {}
    named = headers.get(MCP_NAME_HEADER)
    if named is not None and named.strip() != params.task_id:
        raise MCPError(
            code=HEADER_MISMATCH,
            message=f"{MCP_NAME_HEADER} header does not match the request body's 'taskId'",
        )


def _unknown(task_id: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=f"There is no task {task_id[:100]!r}.")


def _shown(view: TaskView) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "taskId": view.task_id,
        "status": view.status,
        "createdAt": view.created_at,
        "lastUpdatedAt": view.updated_at,
        "ttlMs": None,  # a task is a row, and stays
        "pollIntervalMs": POLL_INTERVAL_MS,
    }
    return {**shown, "statusMessage": view.message} if view.message else shown
