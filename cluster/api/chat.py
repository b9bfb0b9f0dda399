"""The OpenAI-compatible door: a chat completion is a task, asked of one agent or of the cluster.

Who calls is known by key alone, and what goes wrong is said in that wire format's own shape.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from functools import wraps
from typing import IO, Any, TypedDict, cast

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from cluster import live, streams
from cluster.core.chat import ChatRequest, Telling, chat_read
from cluster.core.errors import AgentUnknown, TaskInvalid
from cluster.core.types import FINAL, Outcome, Status
from cluster.selectors import chats
from cluster.selectors import tasks as selectors
from cluster.services.tasks import task_submit
from loomsite.access import services as access
from loomsite.access.bridge import db
from loomsite.access.core.errors import NotAuthenticated
from loomsite.access.core.types import Principal
from loomsite.access.rest import parsing, problems
from loomsite.access.rest.throttles import key_allowance_spend

logger = logging.getLogger(__name__)

DOOR = "openai"
LONGEST_S = 900.0
KEEP_ALIVE_S = 15.0
TASK_HEADER = "X-Loom-Task"
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_FAILED = {
    Outcome.TIMED_OUT: 504,
    Outcome.OVER_BUDGET: 429,
    Outcome.CANCELLED: 409,
}
_BAD_GATEWAY = 502
_CODES = {  # where clients of this format branch on a code of its own
    "access.not_authenticated": "invalid_api_key",
    "cluster.model_unknown": "model_not_found",
}
_PARAMETERS = {
    "goal": "messages",
    "context": "messages",
    "agent": "model",
    "checks[0]": "response_format",
}
_SUBMITTED_MAY_NOT_REPEAT = {"x-should-retry": "false"}
View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


class _Where(TypedDict):
    workspace_id: str
    task_id: str


def _door(method: str) -> Callable[[View], View]:
    """Make a view that answers to one method, and to every error in the wire format."""

    def made(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        async def guarded(request: HttpRequest, **arguments: str) -> HttpResponseBase:
            if request.method != method:
                said = {"detail": f"Use {method} here.", "code": "method_not_allowed"}
                return error_response({"status": 405, **said}, {"Allow": method})
            try:
                return await view(request, **arguments)
            except Exception as error:  # noqa: BLE001 -- the outermost edge of this door
                return error_response(*problems.described(error, request))

        return guarded

    return made


@_door("GET")
async def model_list_view(request: HttpRequest) -> HttpResponse:
    """List the cluster and the agents in service as models."""
    caller = await db(_caller, request, "agents:read")
    rows = await db(chats.model_list, workspace_id=caller.workspace_id)
    return JsonResponse({"object": "list", "data": rows})


@_door("GET")
async def model_view(request: HttpRequest, model: str) -> HttpResponse:
    """Return one model."""
    caller = await db(_caller, request, "agents:read")
    return JsonResponse(await db(chats.model_detail, workspace_id=caller.workspace_id, model=model))


@_door("POST")
async def completions_view(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Submit a task and answer with its answer; who goes away cancels nothing."""
    caller = await db(_caller, request, "tasks:write")
    wanted = chat_read(parsing.JsonParser().parse(cast("IO[bytes]", request)))
    task_id = await db(_submitted, caller, wanted, request.headers.get("Idempotency-Key"))
    where = _Where(workspace_id=caller.workspace_id, task_id=task_id)
    head = {TASK_HEADER: task_id}
    if wanted.stream:
        return StreamingHttpResponse(
            _chunks(wanted, where),
            content_type="text/event-stream; charset=utf-8",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **head},
        )
    task = await streams.task_wait(**where, wait_s=LONGEST_S)
    problem = _problem(task)
    if problem is not None:
        return error_response(problem, head | _SUBMITTED_MAY_NOT_REPEAT)
    return JsonResponse(_completion(wanted, task), headers=head)


def error_response(problem: Mapping[str, Any], headers: Mapping[str, str]) -> JsonResponse:
    """Return an error as this wire format has it."""
    return JsonResponse(_error(problem), status=problem["status"], headers=dict(headers))


def _error(problem: Mapping[str, Any]) -> dict[str, Any]:
    status = problem["status"]
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")  # noqa: PLR2004 -- the HTTP class
    culprits = problem.get("errors") or [{"field": None}]
    return {
        "error": {
            "message": problem["detail"],
            "type": kind,
            "param": culprits[0]["field"],
            "code": _CODES.get(problem["code"], problem["code"]),
        }
    }


def _caller(request: HttpRequest, scope: str) -> Principal:
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    principal = access.apikey_authenticate(key.strip()) if kind.lower() == "bearer" else None
    if principal is None:
        raise NotAuthenticated
    key_allowance_spend(principal)
    principal.require(scope)
    return principal


def _submitted(caller: Principal, wanted: ChatRequest, idempotency_key: str | None) -> str:
    earlier = list(wanted.earlier)
    if wanted.session_id:
        kept = chats.conversation(
            workspace_id=caller.workspace_id, session_id=wanted.session_id, agent=wanted.agent
        )
        earlier = earlier if kept is None else kept
    try:
        task_id, _ = task_submit(
            workspace_id=caller.workspace_id,
            actor=caller.actor,
            door=DOOR,
            idempotency_key=idempotency_key,
            goal=wanted.goal,
            agent=wanted.agent,
            context=wanted.context(earlier),
            metadata=wanted.metadata,
            checks=wanted.checks,
            max_cycles=2 if wanted.checks else 1,  # text that was streamed cannot be taken back
        )
    except AgentUnknown:
        chats.model_detail(workspace_id=caller.workspace_id, model=wanted.model)
        raise
    except TaskInvalid as error:
        error.field = _PARAMETERS.get(error.field, error.field)
        raise
    return task_id


def _problem(task: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return why a task gives no answer, or None when it does."""
    status, outcome = task["status"], task["outcome"]
    if status == Status.SUCCEEDED or outcome == Outcome.REFUSED:
        return None
    at = f"(task {task['id']})"
    if status == Status.INPUT_REQUIRED:
        question = (task["request"] or {}).get("question", "")
        detail = f"The task waits for a person: {question} Reply to it, then read its answer {at}."
        return {"status": 409, "code": "input_required", "detail": detail}
    if status not in FINAL:
        detail = f"There is no answer after {LONGEST_S:g} s; the task goes on {at}."
        return {"status": 504, "code": "still_running", "detail": detail}
    error = task["error"] or {"code": f"task.{outcome}", "message": f"The task {outcome}."}
    return {
        "status": _FAILED.get(outcome, _BAD_GATEWAY),
        "code": error["code"],
        "detail": f"{error['message']} {at}",
    }


def _completion(wanted: ChatRequest, task: Mapping[str, Any]) -> dict[str, Any]:
    refused = task["outcome"] == Outcome.REFUSED
    refusal = (task["error"] or {}).get("message") or "The model refused."
    message = {
        "role": "assistant",
        "content": task["answer"] or "",
        "refusal": refusal if refused else None,
    }
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "content_filter" if refused else "stop",
    }
    return {
        **_envelope(wanted, task["id"], "chat.completion"),
        "choices": [choice],
        "usage": _usage(task),
        "loom": _extra(task),
    }


def _envelope(wanted: ChatRequest, task_id: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{task_id}",
        "object": kind,
        "created": int(timezone.now().timestamp()),
        "model": wanted.model,
    }


def _usage(task: Mapping[str, Any]) -> dict[str, int]:
    tokens = task["tokens"]
    return {
        "prompt_tokens": tokens["prompt"],
        "completion_tokens": tokens["completion"],
        "total_tokens": tokens["total"],
    }


def _extra(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task knows of its answer and this wire format has no word for."""
    names = ("citations", "cost_usd", "score", "verified", "children")
    return {"task_id": task["id"], **{name: task[name] for name in names}}


async def _chunks(wanted: ChatRequest, where: _Where) -> AsyncGenerator[bytes]:
    """Yield the answer as it grows, and the rest of it when the task has ended."""
    head = _envelope(wanted, where["task_id"], "chat.completion.chunk")

    def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        unasked = {"usage": None} if wanted.include_usage else {}
        return _line({**head, "choices": [choice], **unasked, **more})

    try:
        yield chunk({"role": "assistant", "content": ""})
        telling = Telling()
        async for name, text in _told(wanted, where, telling):
            yield chunk({name: text}) if name else b": keep-alive\n\n"
        task = await db(selectors.task_detail, **where)
        problem = _problem(task)
        if problem is not None:
            yield _line(_error(problem))
            return
        if rest := telling.rest(task["answer"] or ""):
            yield chunk({"content": rest})
        finish = _completion(wanted, task)["choices"][0]["finish_reason"]
        usage = {} if wanted.include_usage else {"usage": _usage(task)}
        yield chunk({}, finish, **usage, loom=_extra(task))
        if wanted.include_usage:
            yield _line({**head, "choices": [], "usage": _usage(task)})
        yield b"data: [DONE]\n\n"
    except Exception as error:  # noqa: BLE001 -- the head is sent: what is left is to say it
        yield _line(_error(problems.described(error)[0]))


async def _told(
    wanted: ChatRequest, where: _Where, telling: Telling
) -> AsyncGenerator[tuple[str, str]]:
    """Yield (field, text) until the task ends or asks; two empty texts when nothing came.

    An answer that must fit a schema is told when it does, and not before.
    """
    task_id, after = where["task_id"], "0"
    loop = asyncio.get_running_loop()
    until, told_at = loop.time() + LONGEST_S, loop.time()
    async with live.task_changes(task_id) as changes:
        while loop.time() < until:
            status, _ = await db(selectors.task_state, **where)
            pieces, after = await asyncio.to_thread(live.deltas_read, task_id, after=after)
            for piece in () if wanted.checks else pieces:
                if news := _news(piece, telling):
                    told_at = loop.time()
                    yield news
            if status in FINAL or status == Status.INPUT_REQUIRED:
                return
            await changes.wait(streams.LOOK_AGAIN_S)
            if loop.time() - told_at > KEEP_ALIVE_S:
                told_at = loop.time()
                yield "", ""


def _news(piece: Mapping[str, Any], telling: Telling) -> tuple[str, str] | None:
    if piece["type"] == "reasoning_delta":
        return "reasoning_content", piece["text"]
    text = telling.add(teller=piece["teller"], step=piece["step"], text=piece["text"])
    return ("content", text) if text else None


def _line(value: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False, default=str)}\n\n".encode()
