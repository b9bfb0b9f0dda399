"""The agents app with its parts plugged in: what the cluster and the doors call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, Unpack

from agents import conf
from agents.assembly import remembering, running, sources
from agents.assembly.adapters import text_embedder
from agents.assembly.answers import JsonReply
from agents.assembly.breaker import SharedBreaker
from agents.assembly.building import Workshop, server_of
from agents.assembly.circuits import circuits_read
from agents.assembly.mcp_servers import McpServers
from agents.assembly.mcp_tools import listing_of
from agents.assembly.secrets import SecretBox
from agents.core.errors import AgentsError, NotFound
from agents.core.events import RunEvent
from agents.core.types import Json, Message, RunRequest, RunResult
from agents.providers.breaker import MemoryBreaker
from agents.providers.extractive import ExtractiveReader
from agents.providers.world import system_world
from agents.selectors import catalogue as selectors
from agents.selectors import tools as tool_selectors
from agents.services import catalogue, consolidation, endpoints, mcp_connections, mcp_tools
from agents.services.consolidation import QuietSession
from agents.services.endpoints import EndpointChanges, EndpointFields
from agents.services.mcp_connections import McpConnectionFields
from agents.store import ledger
from loomsite.access.bridge import db
from loomsite.access.core.errors import AccessError
from loomsite.access.selectors import workspace_list

_MAX_JSON_TOKENS = 4096
_LISTS_AGE = timedelta(hours=1)
_REFRESHED_AT_ONCE = 20

Fence = Callable[[], None]
Purpose = Literal["sense", "plan", "judge", "forge", "evolve", "skill"]
Why = Literal["", "model cannot", "unavailable", "refused", "invalid", "over_budget", "unusable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    conf: conf.AgentsConf
    box: SecretBox
    breaker: SharedBreaker
    source: sources.ModelSource
    workshop: Workshop
    servers: McpServers
    prepared: set[str] = field(default_factory=set[str])


_plugged: list[_Parts] = []


def _parts() -> _Parts:
    """Return the process's parts; new ones when the settings are no longer those they are for."""
    settings = conf.load()
    if not _plugged or _plugged[-1].conf != settings:
        monotonic = system_world().monotonic
        box = SecretBox(settings.secrets_key, settings.secrets)
        breaker = SharedBreaker(
            settings.redis_url, alone=MemoryBreaker(monotonic), monotonic=monotonic
        )
        source = sources.ModelSource(
            environment=sources.Environment(
                base_url=settings.base_url,
                api_key=settings.api_key,
                model=settings.model,
                listed=settings.egress_listed,
            ),
            box=box,
            breaker=breaker,
            reader=lambda: ExtractiveReader(text_embedder()),
        )
        servers = McpServers(box=box, listed=settings.egress_listed, commands=settings.mcp_commands)
        workshop = Workshop(
            files_root=settings.home / "files",
            listed=settings.egress_listed,
            secrets=[settings.api_key, settings.secrets_key, *settings.secrets.values()],
            embedder=text_embedder,
            servers=servers,
        )
        _plugged[:] = [
            _Parts(
                conf=settings,
                box=box,
                breaker=breaker,
                source=source,
                workshop=workshop,
                servers=servers,
            )
        ]
    return _plugged[-1]


# ---------------------------------------------------------------- the cluster's two seams


async def run_agent(
    request: RunRequest,
    *,
    fence: Fence,
    on_event: Callable[[RunEvent], Awaitable[None]] | None,
    cancelled: asyncio.Event,
) -> RunResult:
    """Return how a run of an agent ended or why it waits; one that was begun before goes on.

    Everything that can happen to a run is in the result. What `fence` raises passes through: the
    claim is lost and nothing more was written. It is called first in each transaction that writes.
    """
    parts = _parts()
    if request.workspace_id not in parts.prepared:  # a person may be asked about one of its tools
        await db(workspace_prepare, request.workspace_id)
    return await running.run(
        request,
        source=parts.source,
        workshop=parts.workshop,
        fence=fence,
        on_event=on_event,
        cancelled=cancelled,
    )


async def complete_json(
    *,
    workspace_id: str,
    purpose: Purpose,
    messages: Sequence[Message],
    schema: Json,
    schema_name: str,
    task_id: str,
    root_task_id: str,
    budget_usd: Decimal | None,
    timeout_s: float,
    fence: Fence,
    user_id: str = "",
) -> JsonReply:
    """Return a model's answer within a schema, or the reason that there is none.

    The workspace's default endpoint answers; LOOM_JUDGE_MODEL is its model when it judges. What
    `fence` raises passes through.
    """
    parts = _parts()
    return await running.ask_json(
        messages,
        schema,
        schema_name=schema_name,
        source=parts.source,
        model=parts.conf.judge_model if purpose == "judge" else "",
        by=running.Asked(
            workspace_id=workspace_id,
            purpose=purpose,
            task_id=task_id,
            root_task_id=root_task_id,
            budget_usd=budget_usd,
            user_id=user_id,
        ),
        timeout_s=timeout_s,
        fence=fence,
    )


# ---------------------------------------------------------------- models


def model_describe(workspace_id: str) -> dict[str, str]:
    """Return which model answers in a workspace: `kind`, `model` and one honest `sentence`.

    `kind` is endpoint, ollama or extractive; `error` is there when what is configured cannot be
    used, and says what to change. Blocks while an endpoint is asked what it has.
    """
    try:
        rows = selectors.endpoint_chain(workspace_id=workspace_id, endpoint_id=None)
        target = _parts().source.targets(rows)[0]
    except AgentsError as error:
        sentence = f"No model can be used: {error}"
        return {"kind": "endpoint", "model": "", "sentence": sentence, "error": str(error)}
    return {"kind": target.kind, "model": target.model, "sentence": sources.described(target)}


def endpoints_failing() -> dict[str, int] | None:
    """Return the addresses that fail, with their failures in a row; None when nobody knows."""
    return circuits_read(conf.load().redis_url)


def endpoints_rowless() -> dict[str, str]:
    """Return the addresses of what may answer without a row, by slug; empty: in this process."""
    return _parts().source.rowless()


async def close_clients() -> None:
    """Close what the running event loop has open: clients, the breaker's and MCP connections."""
    for parts in _plugged:
        await parts.source.close()
        await parts.breaker.close()
        await parts.servers.close()


# ---------------------------------------------------------------- what needs secrets or vectors


def endpoint_create(
    *,
    workspace_id: str,
    slug: str,
    base_url: str,
    secret: str = "",
    **fields: Unpack[EndpointFields],
) -> str:
    """Create an endpoint and return its id; see `services.endpoints`."""
    return endpoints.endpoint_create(
        workspace_id=workspace_id,
        slug=slug,
        base_url=base_url,
        secret=secret,
        seal=_parts().box.seal,
        **fields,
    )


def endpoint_update(
    *,
    workspace_id: str,
    endpoint_id: str,
    secret: str | None = None,
    **changes: Unpack[EndpointChanges],
) -> None:
    """Change an endpoint; see `services.endpoints`."""
    endpoints.endpoint_update(
        workspace_id=workspace_id,
        endpoint_id=endpoint_id,
        secret=secret,
        seal=_parts().box.seal,
        **changes,
    )


def mcp_connection_create(
    *, workspace_id: str, slug: str, **fields: Unpack[McpConnectionFields]
) -> str:
    """Register an MCP server and return its id; see `services.mcp_connections`."""
    return mcp_connections.mcp_connection_create(
        workspace_id=workspace_id,
        slug=slug,
        seal=_parts().box.seal,
        commands=_parts().conf.mcp_commands,
        **fields,
    )


def mcp_connection_update(
    *, workspace_id: str, connection_id: str, **changes: Unpack[McpConnectionFields]
) -> None:
    """Change a connection; see `services.mcp_connections`."""
    mcp_connections.mcp_connection_update(
        workspace_id=workspace_id,
        connection_id=connection_id,
        seal=_parts().box.seal,
        commands=_parts().conf.mcp_commands,
        **changes,
    )


def endpoint_test(*, workspace_id: str, endpoint_id: str) -> dict[str, Any]:
    """Ask an endpoint which models it has; nothing is charged. Blocks while it is asked.

    `ok` says whether it answered and has the model that it is to be asked for; `error` why not.

    Raises:
        NotFound: No such endpoint in this workspace.
    """
    row = selectors.endpoint_row(workspace_id=workspace_id, endpoint_id=endpoint_id)
    began = system_world().monotonic()
    try:
        models = _parts().source.listed(row)
    except (AgentsError, AccessError) as error:
        return {"ok": False, "error": str(error), "models": [], "took_ms": 0}
    took_ms = round((system_world().monotonic() - began) * 1000)
    missing = bool(row.model and models and row.model not in models)
    error = f"It answers, and does not list the model {row.model!r}." if missing else ""
    return {"ok": not missing, "error": error, "models": models, "took_ms": took_ms}


def mcp_commands() -> tuple[str, ...]:
    """Return the command lines that may be started as MCP servers."""
    return tuple(_parts().conf.mcp_commands)


def mcp_connection_test(*, workspace_id: str, connection_id: str) -> dict[str, Any]:
    """Ask an MCP server what it offers, and keep its tools as what agents may be granted.

    Blocks while the server is asked. `ok` says whether it answered; `error` why not, else `tools`
    are all it has, with those `added` or `gone` since the last time, those `changed` since they
    were reviewed, which are held until they are again, and what had to be `left_out`.

    Raises:
        NotFound: No such connection in this workspace.
    """
    row = tool_selectors.mcp_connection_row(workspace_id=workspace_id, connection_id=connection_id)
    try:
        offer = asyncio.run(_parts().servers.offer(server_of(row)))
    except AgentsError as error:
        mcp_tools.mcp_connection_failed(
            workspace_id=workspace_id, connection_id=connection_id, error=str(error)
        )
        return {"ok": False, "error": str(error)}
    refreshed = mcp_tools.mcp_tools_keep(
        workspace_id=workspace_id,
        connection_id=connection_id,
        listing=listing_of(row.slug, offer, trusted=row.trusted),
    )
    return {"ok": True, "error": "", **asdict(refreshed)}


def mcp_connections_refresh() -> int:
    """Ask the MCP servers that were not asked for an hour what they offer; return how many."""
    stale = tool_selectors.mcp_connections_stale(
        before=system_world().now() - _LISTS_AGE, limit=_REFRESHED_AT_ONCE
    )
    for workspace_id, connection_id in stale:
        with suppress(NotFound):  # deleted meanwhile
            mcp_connection_test(workspace_id=workspace_id, connection_id=connection_id)
    return len(stale)


memory_remember = remembering.memory_remember
memory_recall = remembering.memory_recall
memory_edit = remembering.memory_edit
memories_merge = remembering.memories_merge
memories_index = remembering.memories_index


def workspace_prepare(workspace_id: str) -> None:
    """See to it that a workspace shows the built-in tools and the environment's endpoint.

    Once per workspace and process: doors that list them may call it each time.
    """
    parts = _parts()
    if workspace_id in parts.prepared:
        return
    catalogue.tools_sync(workspace_id=workspace_id, specs=parts.workshop.builtin_specs())
    endpoints.endpoint_sync_environment(
        workspace_id=workspace_id,
        base_url=parts.source.environment_url,
        model=parts.conf.model,
    )
    parts.prepared.add(workspace_id)


def workspaces_prepare() -> None:
    """Do so for every workspace; after migrations."""
    for workspace in workspace_list():
        workspace_prepare(workspace["id"])


def sessions_consolidate() -> int:
    """Keep what users said in conversations that have come to rest; return how many facts.

    A fact is kept in its conversation's own scope, so that it is recalled there for good, also
    when the turns that held it have been compacted away, and nowhere else.
    """
    count = 0
    for session in consolidation.sessions_quiet(now=system_world().now()):

        def remember(text: str, importance: float, session: QuietSession = session) -> str:
            return memory_remember(
                workspace_id=session.workspace_id,
                text=text,
                scope="session",
                scope_id=session.key,
                importance=importance,
                provenance={"source": f"session:{session.key}", "agent": session.agent},
            )

        count += consolidation.session_consolidate(session, remember=remember)
    return count


def reservations_expire() -> int:
    """Give back the money that dead callers hold; return how many calls held some."""
    return ledger.release_expired(now=system_world().now())
