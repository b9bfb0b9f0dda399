"""Waiting for a task inside a call: progress on the way, and its questions to whoever is there."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mcp.server.mcpserver.context import Context
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agents.core.errors import AlreadyAnswered
from cluster import streams
from cluster.core.errors import TaskConflict
from cluster.selectors import tasks as selectors
from cluster.services import replies
from loomsite.access.bridge import db
from loomsite.access.core.types import Principal

LONGEST_WAIT_S = 25  # desktop clients cut calls at 60 s
LONGEST_QUESTION_S = 300.0


async def follow(
    ctx: Context, *, caller: Principal, task_id: str, wait_s: float, state: str | None = None
) -> dict[str, Any] | InputRequiredResult:
    """Return the task at its end, or as it is after `wait_s`; or what has to be asked first.

    Where the client can ask its person, a question of the task is put to them, and the wait goes
    on with their answer. Who declines leaves the question open.

    Args:
        ctx: The call.
        caller: Who waits; they may answer when they may write.
        task_id: The task.
        wait_s: How long.
        state: What the call has to be told again when the client comes back with an answer.

    Raises:
        TaskUnknown: No such task in the caller's workspace.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    where = {"workspace_id": caller.workspace_id, "task_id": task_id}
    given = dict(ctx.input_responses or {})
    if given:
        open_request = (await db(selectors.task_detail, **where))["request"]
        if open_request and open_request["id"] in given:
            await answer(caller, task_id, open_request, given[open_request["id"]])

    async def report(task: dict[str, Any], seq: int) -> None:
        await ctx.report_progress(seq, None, said(task))

    while True:
        left_s = max(0.0, until - loop.time())
        task = await streams.task_wait(**where, wait_s=left_s, on_change=report)
        request = task["request"]
        asked_before = request is not None and request["id"] in given
        if request is None or asked_before or not left_s or not _can_ask(ctx, caller):
            return task
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return InputRequiredResult(
                input_requests={request["id"]: question_of(request)}, request_state=state
            )
        given[request["id"]] = await _ask(ctx, request)
        await answer(caller, task_id, request, given[request["id"]])


def said(task: Mapping[str, Any]) -> str:
    """Return in a line how a task is."""
    progress = task["progress"]
    parts = f" {progress['done']} of {progress['total']}" if progress["total"] else ""
    message = f": {progress['message']}" if progress["message"] else ""
    return f"{task['phase'] or task['status']}{parts}{message}"


def question_of(request: Mapping[str, Any]) -> ElicitRequest:
    """Return a task's question as a form for a person: a choice where there are options."""
    if request["options"]:
        fields: dict[str, Any] = {"decision": {"type": "string", "enum": list(request["options"])}}
    else:
        fields = {"text": {"type": "string", "title": "Answer"}}
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    message = str(request["question"])
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


async def answer(
    caller: Principal, task_id: str, request: Mapping[str, Any], given: object
) -> None:
    """Pass on what a person said to a task; nothing where they declined, or others were first."""
    read = given if isinstance(given, ElicitResult) else None
    if read is None or read.action != "accept":
        return
    content = read.content or {}
    text, decision = content.get("text"), content.get("decision")
    with suppress(TaskConflict, AlreadyAnswered):
        await db(
            replies.task_reply,
            workspace_id=caller.workspace_id,
            task_id=task_id,
            request_id=request["id"],
            text=text if isinstance(text, str) else None,
            decision=decision if isinstance(decision, str) else None,
            actor=caller.actor,
        )


def _can_ask(ctx: Context, caller: Principal) -> bool:
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    has_forms = elicitation is not None and (
        elicitation.form is not None or elicitation.url is None
    )
    is_reachable = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS or ctx.session.can_send_request
    return has_forms and is_reachable and caller.allows("tasks:write")


async def _ask(ctx: Context, request: Mapping[str, Any]) -> ElicitResult:
    """Ask in the middle of the call, as clients before 2026 have it; silence is no answer."""
    form = question_of(request).params
    assert isinstance(form, ElicitRequestFormParams)
    try:
        async with asyncio.timeout(LONGEST_QUESTION_S):
            return await ctx.session.elicit_form(
                form.message, form.requested_schema, related_request_id=ctx.request_id
            )
    except (TimeoutError, MCPError):
        return ElicitResult(action="cancel")
