"""The cluster's two seams: a run of an agent, and an answer within a schema."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agents.assembly import sources
from agents.assembly.answers import JsonReply, no_json, not_begun
from agents.assembly.building import Blueprint, Workshop
from agents.assembly.execution import execute, payer, scope_of, surroundings_of
from agents.core.errors import BudgetExceeded, CatalogueError, ModelError
from agents.core.events import RunEvent
from agents.core.types import Json, Message, RunRequest, RunResult
from agents.providers import structured
from agents.selectors import catalogue as selectors
from agents.services import runs
from agents.services.holdouts import SKILLS
from agents.store import ledger
from agents.store.wallet import DbWallet
from loomsite.access.bridge import db

_MAX_JSON_TOKENS = 4096

Fence = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """For whom and what a model is asked, and on whose account."""

    workspace_id: str
    purpose: str
    task_id: str
    root_task_id: str
    budget_usd: Decimal | None
    user_id: str


async def run(
    request: RunRequest,
    *,
    source: sources.ModelSource,
    workshop: Workshop,
    fence: Fence,
    on_event: Callable[[RunEvent], Awaitable[None]] | None,
    cancelled: asyncio.Event,
) -> RunResult:
    """Return how a run of an agent ended or why it waits; see `wiring.run_agent`."""
    model, used = "", dict[str, float]()
    try:
        opened = await db(runs.run_open, request=request, fence=fence)
        if opened.result is not None:
            return opened.result
        around = await db(surroundings_of, request, opened.spec)
        served = await sources.served(source, around.endpoints, model=opened.spec["model"])
        model = served.target.model
    except (CatalogueError, ModelError) as error:
        result = not_begun(error)
    else:
        blueprint = Blueprint(
            version_id=opened.version_id,
            workspace_id=request.workspace_id,
            spec=opened.spec,
            tools_off=around.allowed.off,
            fetch_hosts=around.allowed.fetch_hosts,
            skills=around.skills,
            mcp=around.mcp,
            without_skills=SKILLS in opened.held_out,
        )
        agent = workshop.agent(blueprint, served.provider)
        scope = scope_of(
            request, opened.spec, fence, weights=around.weights, held_out=opened.held_out
        )
        used = scope.used
        result = await execute(
            agent,
            request,
            account=payer(request, served),
            around=around,
            scope=scope,
            begun_count=opened.begun_count,
            fence=fence,
            on_event=on_event,
            cancelled=cancelled,
        )
    await db(
        runs.run_close,
        request=request,
        result=result,
        model=model,
        fence=fence,
        context_used=used,
    )
    return result


async def ask_json(
    messages: Sequence[Message],
    schema: Json,
    *,
    schema_name: str,
    source: sources.ModelSource,
    model: str,
    by: Asked,
    timeout_s: float,
    fence: Fence,
) -> JsonReply:
    """Return a model's answer within a schema, or the reason that there is none.

    The workspace's default endpoint answers, with `model` in place of its own where one is named.
    """
    try:
        rows = await db(selectors.endpoint_chain, workspace_id=by.workspace_id, endpoint_id=None)
        served = await sources.served(source, rows, model=model)
    except (CatalogueError, ModelError) as error:
        return no_json(error, model="")
    account = ledger.Payer(
        workspace_id=by.workspace_id,
        task_id=by.task_id,
        root_task_id=by.root_task_id,
        purpose=by.purpose,
        endpoint=served.target.slug,
        model=served.target.model,
        priced=served.target.served.priced,
        budget_usd=by.budget_usd,
        user_id=by.user_id,
    )
    try:
        reply = await structured.complete_json(
            served.provider,
            messages,
            schema,
            schema_name=schema_name,
            timeout_s=timeout_s,
            max_tokens=_MAX_JSON_TOKENS,
            wallet=DbWallet(payer=account, fence=fence),
            key=_call_key(by.task_id, by.purpose, messages),
        )
    except (ModelError, BudgetExceeded) as error:
        return no_json(error, model=served.target.model)
    return JsonReply(value=reply.value, usage=reply.usage, model=reply.model)


def _call_key(task_id: str, purpose: str, messages: Sequence[Message]) -> str:
    """Return the name of a call that is the same when the same is asked again after a crash."""
    digest = hashlib.sha256()
    for message in messages:
        digest.update(message.content.encode(errors="replace") + b"\0")
    return f"{task_id}:{purpose}:{digest.hexdigest()[:32]}"
