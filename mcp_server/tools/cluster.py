"""Tools over tasks: submit, follow, steer, judge."""

from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import Field

from cluster.core.types import Status
from cluster.selectors import tasks as selectors
from cluster.services import replies
from cluster.services import tasks as services
from loomsite.access.bridge import db
from loomsite.access.core.errors import InputInvalid
from loomsite.access.core.types import Principal
from mcp_server import asking, fitting
from mcp_server.bridge import Desk
from mcp_server.following import LONGEST_WAIT_S, follow
from mcp_server.schemas import Acted, Submitted, TaskLine, TaskOut, TaskPage

DOOR = "mcp"
EVENTS_SHOWN = 50
_GOAL_LINE_CHARS = 160

TaskId = Annotated[str, Field(description="From submit_task.")]

_READ = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_WRITE = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)


def register(server: MCPServer, desk: Desk) -> None:
    """Add the tools to `server`."""
    _register_writes(server, desk)
    _register_reads(server, desk)


def _register_writes(server: MCPServer, desk: Desk) -> None:
    @server.tool(title="Submit a task", annotations=_WRITE)
    async def submit_task(  # noqa: PLR0917 -- a tool's arguments come by name
        goal: Annotated[str, Field(description="What is to be achieved, in plain words.")],
        agent: Annotated[
            str | None, Field(description="Slug from list_agents; default: auction.")
        ] = None,
        context: Annotated[str | None, Field(description="Background the goal needs.")] = None,
        checks: Annotated[
            list[dict[str, Any]] | None,
            Field(description='Required of the answer, e.g. [{"kind": "contains", "text": "42"}].'),
        ] = None,
        budget_usd: Annotated[float | None, Field(description="Hard limit of cost.", ge=0)] = None,
        metadata: Annotated[dict[str, Any] | None, Field(description="Kept with the task.")] = None,
        idempotency_key: Annotated[
            str | None, Field(description="The same key again returns the same task.")
        ] = None,
    ) -> Submitted:
        """Give the cluster a goal and return at once; follow it with get_task."""
        async with desk.serving("tasks:write") as caller:
            task_id, _ = await db(
                services.task_submit,
                workspace_id=caller.workspace_id,
                goal=goal,
                agent=agent,
                context=context,
                checks=checks,
                budget_usd=budget_usd,
                metadata=metadata,
                idempotency_key=idempotency_key,
                actor=caller.actor,
                door=DOOR,
            )
            status, _ = await db(
                selectors.task_state, workspace_id=caller.workspace_id, task_id=task_id
            )
            return Submitted(task_id=task_id, status=status, poll_after_s=asking.POLL_AFTER_S)

    @server.tool(
        title="Cancel a task",
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def cancel_task(task_id: TaskId) -> Acted:
        """Stop a task, its parts and its running tools. Nothing else stops them."""
        async with desk.serving("tasks:write") as caller:
            where = _where(caller, task_id)
            await db(services.task_cancel, **where, actor=caller.actor)
            return await _current(where)

    @server.tool(title="Answer a task's question", annotations=_WRITE)
    async def reply_task(
        task_id: TaskId,
        text: Annotated[str | None, Field(description="The person's answer, in words.")] = None,
        decision: Annotated[str | None, Field(description="One of request.options.")] = None,
        request_id: Annotated[str | None, Field(description="Default: what it asks now.")] = None,
    ) -> Acted:
        """Pass on what a person says to a task whose status is input_required."""
        async with desk.serving("tasks:write") as caller:
            where = _where(caller, task_id)
            if request_id is None:
                request_id = _asked(await db(selectors.task_detail, **where))
            await db(
                replies.task_reply,
                **where,
                request_id=request_id,
                text=text,
                decision=decision,
                actor=caller.actor,
            )
            return await _current(where)

    @server.tool(title="Judge an answer", annotations=_WRITE)
    async def give_feedback(
        task_id: TaskId,
        score: Annotated[float, Field(ge=0, le=1, description="0 useless, 1 perfect.")],
        comment: Annotated[str | None, Field(description="What was good or wrong.")] = None,
    ) -> Acted:
        """Say how good a finished task's answer was; the cluster learns from it."""
        async with desk.serving("tasks:write") as caller:
            where = _where(caller, task_id)
            await db(
                services.task_feedback,
                **where,
                score=score,
                comment=comment or "",
                actor=caller.actor,
            )
            return await _current(where)


def _register_reads(server: MCPServer, desk: Desk) -> None:
    @server.tool(title="Get a task", annotations=_READ)
    async def get_task(
        ctx: Context,
        task_id: TaskId,
        wait_s: Annotated[
            float, Field(ge=0, le=LONGEST_WAIT_S, description="Wait so long for its end.")
        ] = 0,
        detail: Annotated[bool, Field(description="Add the latest events.")] = False,  # noqa: FBT002 -- a tool's argument
    ) -> Annotated[CallToolResult, TaskOut] | InputRequiredResult:
        """Return a task and, at its end, its answer with citations; hanging up stops nothing.

        Returns early when it ends or needs a person.
        """
        async with desk.serving("tasks:read") as caller:
            task = await follow(ctx, caller=caller, task_id=task_id, wait_s=wait_s)
            if isinstance(task, InputRequiredResult):
                return task
            if detail:
                where = _where(caller, task_id)
                _, last = await db(selectors.task_state, **where)
                after = max(0, last - EVENTS_SHOWN)
                task["events"] = await db(selectors.task_events, **where, after=after)
            fitted, is_cut = fitting.task_fitted(task)
            fitted |= {"truncated": is_cut, "poll_after_s": asking.poll_after_s(task)}
            links = asking.links_of(task, is_cut=is_cut)
            return fitting.result(TaskOut.model_validate(fitted), links=links)

    @server.tool(title="List tasks", annotations=_READ)
    async def list_tasks(
        status: Annotated[str | None, Field(description=f"One of: {' '.join(Status)}.")] = None,
        cursor: Annotated[str | None, Field(description="next_cursor of the page before.")] = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> TaskPage:
        """List the workspace's tasks, newest first, in short."""
        async with desk.serving("tasks:read") as caller:
            rows, following = await db(
                selectors.task_list,
                workspace_id=caller.workspace_id,
                status=status,
                cursor=cursor,
                limit=limit,
            )
            for row in rows:
                row["goal"] = fitting.cut(row["goal"], _GOAL_LINE_CHARS)
            tasks = [TaskLine.model_validate(row) for row in rows]
            return TaskPage(tasks=tasks, next_cursor=following)


def _where(caller: Principal, task_id: str) -> dict[str, Any]:
    return {"workspace_id": caller.workspace_id, "task_id": task_id}


def _asked(task: dict[str, Any]) -> str:
    request = task["request"]
    if request is None:
        raise InputInvalid("The task asks for nothing now; see its status with get_task.")
    return request["id"]


async def _current(where: dict[str, Any]) -> Acted:
    task = await db(selectors.task_detail, **where)
    return Acted(task_id=task["id"], status=task["status"], outcome=task["outcome"])
