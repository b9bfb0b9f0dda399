"""What the pages of an agent show of its parts."""

from typing import Any

from django.db.models import Q

from agents.core.errors import NotFound
from agents.core.types import ToolCall, ToolSpec
from agents.models import Agent, MemoryEntry, Scene, Tool
from agents.tools.policy import Scene as Rules
from agents.tools.policy import decide
from loomsite.access.ids import uuid_of

_MEMORIES = 10


def agent_tools(*, workspace_id: str, agent_id: str) -> list[dict[str, Any]]:
    """Return each tool an agent is granted, and what its scenes say of a call of it.

    Raises:
        NotFound: No such agent in this workspace.
    """
    agent = _agent(workspace_id, agent_id)
    rows = {
        row.name: row
        for row in Tool.objects.filter(workspace_id=workspace_id, name__in=agent.tools)
    }
    scenes = Scene.objects.filter(workspace_id=workspace_id, slug__in=agent.scenes).order_by("slug")
    rules = [_rules(scene) for scene in scenes]
    missing = sorted(set(agent.scenes) - {each.name for each in rules})
    return [_tool(name, rows.get(name), rules, missing) for name in agent.tools]


def agent_memories(*, workspace_id: str, agent_id: str) -> list[MemoryEntry]:
    """Return the newest of what only this agent remembers and still holds."""
    rows = MemoryEntry.objects.filter(
        Q(valid_until__isnull=True), workspace_id=workspace_id, scope="agent", scope_id=agent_id
    )
    return list(rows.order_by("-created_at", "pk")[:_MEMORIES])


def _agent(workspace_id: str, agent_id: str) -> Agent:
    rows = Agent.objects.filter(workspace_id=workspace_id)
    row = rows.filter(pk=uuid_of(agent_id)).first()
    if row is None:
        raise NotFound(kind="agent", name=agent_id)
    return row


def _rules(scene: Scene) -> Rules:
    return Rules(
        name=scene.slug,
        allow_tags=frozenset(scene.allow_tags),
        ask_tags=frozenset(scene.ask_tags),
        deny_tags=frozenset(scene.deny_tags),
        allow_tools=frozenset(scene.allow_tools),
        deny_tools=frozenset(scene.deny_tools),
    )


def _tool(name: str, row: Tool | None, rules: list[Rules], missing: list[str]) -> dict[str, Any]:
    """Return a line of the table: what the gate would say, as far as it is known beforehand."""
    if row is None:
        verdict, why = "deny", "There is no such tool in this workspace any more."
    elif not (row.enabled and row.available):
        verdict, why = "deny", "It is switched off." if row.available else "Its server is gone."
    elif missing:
        verdict, why = "deny", f"The scene {missing[0]!r} is gone: runs do not begin."
    else:
        spec = ToolSpec(
            name=name,
            description=row.description,
            parameters=row.parameters,
            tags=frozenset(row.tags),
        )
        verdict, why = decide(ToolCall(id="", name=name, arguments="{}"), spec, rules)
    return {"name": name, "row": row, "verdict": verdict, "why": why}
