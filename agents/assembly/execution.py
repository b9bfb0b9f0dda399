"""One run with everything around it: what it may reach, who pays, where it is journaled."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.assembly import sources
from agents.assembly.adapters import WorkspaceKnowledge, collections_allowed
from agents.assembly.building import SkillText, grants_of, policy_of
from agents.assembly.events import EventPump
from agents.assembly.mcp_tools import McpGrant
from agents.assembly.scope import RunScope, current
from agents.core.events import RunEvent
from agents.core.runtime import Agent
from agents.core.types import RunRequest, RunResult
from agents.models import Endpoint, Scene
from agents.selectors import catalogue as selectors
from agents.selectors import tools as tool_selectors
from agents.selectors.context import context_weights
from agents.selectors.tools import ToolsAllowed
from agents.services import holdouts
from agents.skills.loader import Skill
from agents.store import ledger
from agents.store.artifacts import DbArtifacts
from agents.store.gate import DbGate
from agents.store.journal import DbJournal
from agents.store.memories import WORKSPACE, DbMemory, Scope
from agents.store.sessions import DbSessions
from agents.store.wallet import DbWallet
from knowledge import wiring as knowledge
from loomsite.access.bridge import db

Fence = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the database says of a run's surroundings."""

    endpoints: list[Endpoint]
    scenes: list[Scene]
    allowed: ToolsAllowed
    skills: tuple[SkillText, ...]
    mcp: tuple[McpGrant, ...]
    weights: dict[str, float]


def surroundings_of(request: RunRequest, spec: Mapping[str, Any]) -> Surroundings:
    """Return what operators say now of what a version names.

    Raises:
        EndpointUnusable: All endpoints that could be called are switched off.
        NotFound: A scene is gone: what it forbade must not become allowed.
    """
    workspace_id = request.workspace_id
    return Surroundings(
        endpoints=selectors.endpoint_chain(
            workspace_id=workspace_id, endpoint_id=spec["endpoint_id"]
        ),
        scenes=selectors.scene_rules(workspace_id=workspace_id, slugs=spec["scenes"]),
        allowed=tool_selectors.tools_allowed(workspace_id=workspace_id),
        skills=skills_of(workspace_id, spec["skills"]),
        mcp=mcp_of(workspace_id, spec["tools"]),
        weights=context_weights(workspace_id=workspace_id, agent_id=request.agent_id),
    )


def mcp_of(workspace_id: str, names: list[str]) -> tuple[McpGrant, ...]:
    """Return those of the named tools that MCP servers offer now."""
    return grants_of(tool_selectors.mcp_tools(workspace_id=workspace_id, names=names))


def skills_of(workspace_id: str, names: list[str]) -> tuple[SkillText, ...]:
    """Return the active skills of these names, or all of the workspace where none is named."""
    rows = selectors.skills_active(workspace_id=workspace_id, names=names)
    return tuple(
        SkillText(
            id=str(row.pk),
            changed_at=row.updated_at,
            skill=Skill(
                name=row.name,
                description=row.description,
                instructions=row.instructions,
                keywords=tuple(row.keywords),
                patterns=tuple(row.patterns),
                files=row.files,
            ),
        )
        for row in rows
    )


async def execute(
    agent: Agent,
    request: RunRequest,
    *,
    account: ledger.Payer,
    around: Surroundings,
    scope: RunScope,
    begun_count: int,
    fence: Fence,
    on_event: Callable[[RunEvent], Awaitable[None]] | None,
    cancelled: asyncio.Event,
) -> RunResult:
    """Return how the run ended; what `fence` raises passes through."""
    workspace_id, run_id = request.workspace_id, request.run_id
    token = current.set(scope)
    try:
        async with EventPump(on_event) as pump:
            return await agent.execute(
                request,
                journal=DbJournal(
                    workspace_id=workspace_id, run_id=run_id, fence=fence, begun_count=begun_count
                ),
                wallet=DbWallet(payer=account, fence=fence),
                gate=DbGate(
                    workspace_id=workspace_id,
                    run_id=run_id,
                    agent_id=request.agent_id,
                    decide_call=policy_of(around.scenes),
                    fence=fence,
                ),
                artifacts=DbArtifacts(
                    workspace_id=workspace_id, run_id=run_id, task_id=request.task_id, fence=fence
                ),
                cancelled=cancelled,
                on_event=pump.tell,
            )
    finally:
        current.reset(token)


def scope_of(
    request: RunRequest,
    spec: Mapping[str, Any],
    fence: Fence,
    *,
    weights: Mapping[str, float],
    held_out: Sequence[str] = (),
) -> RunScope:
    """Return what a run may reach: its workspace's, its agent's and its task's, and no more."""
    mine = Scope(kind="agent", id=request.agent_id)

    async def note(triggered: Mapping[str, float]) -> None:
        await db(
            holdouts.skill_uses_note,
            workspace_id=request.workspace_id,
            run_id=request.run_id,
            triggered=triggered,
            held_out=holdouts.SKILLS in held_out,
            fence=fence,
        )

    readable = [WORKSPACE, mine, Scope(kind="task", id=request.root_task_id)]
    if request.session_id:
        readable.append(Scope(kind="session", id=request.session_id))
    return RunScope(
        knowledge=WorkspaceKnowledge(
            workspace_id=request.workspace_id,
            collections=collections_allowed(spec["collections"], request.collections),
        ),
        memory=DbMemory(
            workspace_id=request.workspace_id,
            owner=mine,
            readable=tuple(readable),
            provenance={
                "source": f"agent:{spec['slug']}",
                "run_id": request.run_id,
                "task_id": request.task_id,
            },
            embed=knowledge.memory_vectors,
            fence=fence,
            held_out=holdouts.MEMORIES in held_out,
        ),
        note_skills=note,
        sessions=DbSessions(
            workspace_id=request.workspace_id, agent_id=request.agent_id, fence=fence
        ),
        weights=weights,
    )


def payer(request: RunRequest, served: sources.Served) -> ledger.Payer:
    """Return on whose account the run's model calls are."""
    return ledger.Payer(
        workspace_id=request.workspace_id,
        task_id=request.task_id,
        root_task_id=request.root_task_id,
        purpose="run",
        endpoint=served.target.slug,
        model=served.target.model,
        priced=served.target.served.priced,
        budget_usd=request.budget_usd,
        run_id=request.run_id,
        agent_id=request.agent_id,
        user_id=request.user_id,
    )
