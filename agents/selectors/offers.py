"""What a workspace offers by name: agents as tools, skills to read."""

from dataclasses import dataclass
from typing import Any

from agents.core.errors import NotFound
from agents.models import Agent, Skill

OFFERED_MAX = 200
NAMES_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOffer:
    """An agent as a tool of its own; without a schema it takes a message."""

    slug: str
    name: str
    description: str
    input_schema: dict[str, Any]


def agents_offered(*, workspace_id: str) -> list[AgentOffer]:
    """Return the agents in service that are marked to be tools, by slug."""
    rows = _in_service(workspace_id).filter(published=True).order_by("slug")[:OFFERED_MAX]
    return [_offer(row) for row in rows]


def agent_offered(*, workspace_id: str, slug: str) -> AgentOffer | None:
    """Return the agent of this slug when it is in service and marked to be a tool."""
    row = _in_service(workspace_id).filter(published=True, slug=slug.replace("\x00", "")).first()
    return None if row is None else _offer(row)


def agent_slugs(*, workspace_id: str, prefix: str) -> list[str]:
    """Return the slugs of agents in service that begin like this."""
    rows = _in_service(workspace_id).filter(slug__startswith=prefix.replace("\x00", ""))
    return list(rows.order_by("slug").values_list("slug", flat=True)[:NAMES_MAX])


def skill_names(*, workspace_id: str, prefix: str) -> list[str]:
    """Return the names of active skills that begin like this."""
    rows = _active(workspace_id).filter(name__startswith=prefix.replace("\x00", ""))
    return list(rows.order_by("name").values_list("name", flat=True)[:NAMES_MAX])


def skill_detail(*, workspace_id: str, name: str) -> dict[str, Any]:
    """Return an active skill with its instructions.

    Raises:
        NotFound: No such skill in this workspace.
    """
    row = _active(workspace_id).filter(name=name.replace("\x00", "")).first()
    if row is None:
        raise NotFound(kind="skill", name=name)
    return {
        "name": row.name,
        "description": row.description,
        "instructions": row.instructions,
        "files": sorted(row.files),
    }


def _in_service(workspace_id: str):  # noqa: ANN202 -- a query set
    return Agent.objects.filter(workspace_id=workspace_id, retired_at__isnull=True, enabled=True)


def _active(workspace_id: str):  # noqa: ANN202 -- a query set
    return Skill.objects.filter(workspace_id=workspace_id, state=Skill.State.ACTIVE)


def _offer(row: Agent) -> AgentOffer:
    return AgentOffer(
        slug=row.slug,
        name=row.name,
        description=row.description,
        input_schema=row.input_schema,
    )
