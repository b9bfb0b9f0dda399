"""Members of the market: domains, families, nodes, and the blueprints new ones are made from."""

from typing import Any

from django.db import connection, transaction

from agents.models import Agent
from cluster.core import skill
from cluster.models import (
    AgentNode,
    Blueprint,
    Domain,
    Family,
    LifecycleEvent,
)
from cluster.services.books import book_load, family_evidence_set, node_evidence_set

# What kinds of work a workspace starts with; operators edit them.
DOMAINS = {
    "research": "finding things out, comparing sources, answering questions from documents",
    "writing": "writing, rewriting and summarising texts, letters, reports and documentation",
    "analysis": "calculating, comparing numbers, analysing data, estimating, finding causes",
    "code": "reading, writing, reviewing and debugging programs, scripts and configuration",
    "operations": "running, deploying, monitoring and repairing systems, handling incidents",
    "planning": "planning work, weighing options, making decisions, organising projects",
    "general": "everyday questions and small tasks that belong to no special field",
}
GENERALIST: dict[str, Any] = {
    "name": "Generalist",
    "description": "Takes any kind of task when no specialist fits.",
    "instructions": (
        "You complete the task you are given, carefully and to the point. Look things up with your "
        "tools where facts matter, and say so when you do not know."
    ),
    "tools": ["search_knowledge", "calculator"],
    "domains": ["general"],
}


# Whether anything is missing is asked before every auction; there hardly ever is.
_COMPLETE = """
SELECT EXISTS (SELECT FROM cluster_domain WHERE workspace_id = %(workspace)s)
    AND EXISTS (SELECT FROM cluster_blueprint WHERE workspace_id = %(workspace)s)
    AND NOT EXISTS (
        SELECT FROM agents_agent a WHERE a.workspace_id = %(workspace)s AND a.enabled
            AND NOT EXISTS (SELECT FROM cluster_agentnode n WHERE n.agent_id = a.id))
"""


def population_ready(*, workspace_id: str) -> None:
    """See to it that a workspace has domains, blueprints, and a node for each of its agents."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPLETE, {"workspace": workspace_id})
        if cursor.fetchone() == (True,):
            return
    domains_ensure(workspace_id=workspace_id)
    blueprints_ensure(workspace_id=workspace_id)
    nodes_ensure(workspace_id=workspace_id)


def domains_ensure(*, workspace_id: str) -> None:
    """Give a workspace that has no domains the usual ones."""
    if Domain.objects.filter(workspace_id=workspace_id).exists():
        return
    Domain.objects.bulk_create(
        [
            Domain(
                workspace_id=workspace_id,
                slug=slug,
                description=description,
                origin=Domain.Origin.SEEDED,
            )
            for slug, description in DOMAINS.items()
        ],
        ignore_conflicts=True,
    )


def nodes_ensure(*, workspace_id: str) -> None:
    """Give every enabled agent that has none yet its place in the market."""
    newcomers = Agent.objects.filter(
        workspace_id=workspace_id, enabled=True, node__isnull=True
    ).select_related("workspace")
    for agent in newcomers.order_by("id"):  # one order for all, so that nobody waits in a circle
        node_create(agent=agent, family=agent.slug, reason="the agent was created")


def node_create(
    *,
    agent: Agent,
    family: str,
    reason: str,
    blueprint: Blueprint | None = None,
    parent: AgentNode | None = None,
    actor: str = "",
) -> AgentNode:
    """Give an agent its place in the market, at the start values of its family; once."""
    with transaction.atomic():
        domains_ensure(workspace_id=str(agent.workspace.pk))
        at = book_load(workspace_id=str(agent.workspace.pk)).space
        line, fresh = Family.objects.get_or_create(workspace=agent.workspace, slug=family)
        if fresh:
            family_evidence_set(line, skill.family_start(), at)
            line.save()
        node, created = AgentNode.objects.get_or_create(
            agent=agent,
            defaults={
                "workspace": agent.workspace,
                "family": line,
                "blueprint": blueprint,
                "parent": parent,
            },
        )
        if created:
            # Written down, so that what the agent says of itself later changes nothing.
            start = skill.node_start(at, declared=agent.domains)
            node.declared = start.declared.tolist()
            node_evidence_set(node, start, at)
            node.save(update_fields=["declared", "evidence", "own", "influence"])
            LifecycleEvent.objects.create(node=node, kind="born", reason=reason, actor=actor)
    return node


def blueprints_ensure(*, workspace_id: str) -> None:
    """Give a workspace that has no blueprint the generalist's."""
    if not Blueprint.objects.filter(workspace_id=workspace_id).exists():
        Blueprint.objects.get_or_create(
            workspace_id=workspace_id,
            slug="generalist",
            version=1,
            defaults={
                "spec": GENERALIST,
                "origin": Blueprint.Origin.SEEDED,
                "reason": "every workspace starts with one",
            },
        )
