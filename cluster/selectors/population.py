"""The population as the cycle and the doors see it."""

from dataclasses import dataclass

from agents.models import Agent, Tool
from cluster.models import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRow:
    slug: str
    description: str
    centroid: list[float]


def domain_list(*, workspace_id: str) -> list[DomainRow]:
    """Return a workspace's kinds of work, by slug; those still forming are none yet."""
    rows = Domain.objects.filter(workspace_id=workspace_id, state=Domain.State.ACTIVE).order_by(
        "slug"
    )
    return [
        DomainRow(
            slug=row.slug,
            description=row.description,
            centroid=[] if row.centroid is None else [float(x) for x in row.centroid],
        )
        for row in rows
    ]


def tools_offered(*, workspace_id: str) -> dict[str, str]:
    """Return the tools that agents in service are granted, name to description."""
    granted: set[str] = set()
    for tools in Agent.objects.filter(workspace_id=workspace_id, enabled=True).values_list(
        "tools", flat=True
    ):
        granted.update(tools)
    rows = Tool.objects.filter(workspace_id=workspace_id, name__in=granted, enabled=True)
    said = dict(rows.values_list("name", "description"))
    return {name: said.get(name, "") for name in sorted(granted)}
