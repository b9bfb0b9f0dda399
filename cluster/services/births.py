"""New members: an agent and its node from a blueprint, with what its parent hands on."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agents.models import Agent
from agents.services.agents import agent_create
from agents.services.handoffs import HAND_OFF, fact_hand, facts_hand_on
from cluster.core.lifecycle import revive
from cluster.models import AgentNode, Blueprint, Reward
from cluster.selectors.grants import scenes_of_forged
from cluster.selectors.spine import database_now
from cluster.services.lives import LIFE_FIELDS, life_event, life_of, life_write
from cluster.services.population import node_create

COMMENTS_HANDED = 5
POOR = 0.5
# What a spec says of an agent beyond its name and instructions.
_PASSED_ON = (
    "description", "tools", "domains", "skills", "collections", "model", "max_steps", "timeout_s",
    "temperature",
)  # fmt: skip


def blueprint_spawn(
    *, blueprint: Blueprint, reason: str, parent: AgentNode | None = None, actor: str = ""
) -> AgentNode | None:
    """Make an agent and its node from a blueprint; None when it has spawned one already.

    A child is handed its parent's key facts, and what was last wrong with the parent's answers.
    """
    known = AgentNode.objects.filter(blueprint=blueprint).first()
    if known is not None:
        _back_to_work(known, reason, actor)
        return None
    slug = _agent_slug(blueprint)
    if slug is None:
        return None
    spec = blueprint.spec
    workspace_id = str(blueprint.workspace_id)
    scenes = [*spec.get("scenes", [])]
    if blueprint.origin in (Blueprint.Origin.FORGED, Blueprint.Origin.EVOLVED):
        scenes += [s for s in scenes_of_forged(workspace_id=workspace_id) if s not in scenes]
    agent_id = agent_create(
        workspace_id=workspace_id,
        slug=slug,
        name=str(spec.get("name") or slug),
        instructions=spec.get("instructions", ""),
        scenes=scenes,
        by=f"blueprint:{blueprint.slug}@{blueprint.version}",
        **{name: spec[name] for name in _PASSED_ON if spec.get(name) is not None},
    )
    node = node_create(
        agent=Agent.objects.get(id=agent_id),
        family=blueprint.slug,
        reason=reason,
        blueprint=blueprint,
        parent=parent,
        actor=actor,
    )
    if parent is not None:
        _hand_off(parent, node)
    return node


def blueprint_add(*, workspace_id: str, slug: str, spec: Mapping[str, Any], reason: str) -> None:
    """Add a blueprint and an agent made from it; what is there already is left as it is."""
    with transaction.atomic():
        blueprint, created = Blueprint.objects.get_or_create(
            workspace_id=workspace_id,
            slug=slug,
            version=1,
            defaults={"spec": dict(spec), "reason": reason},
        )
        if created:
            blueprint_spawn(blueprint=blueprint, reason=reason)


def _agent_slug(blueprint: Blueprint) -> str | None:
    """Return the name its agent gets: the line's, and for later versions the number with it."""
    slug = (
        blueprint.slug if blueprint.version == 1 else f"{blueprint.slug[:56]}-v{blueprint.version}"
    )
    taken = Agent.objects.filter(workspace_id=blueprint.workspace_id, slug=slug).exists()
    return None if taken else slug


def _back_to_work(node: AgentNode, reason: str, actor: str) -> None:
    """Let the node of a version that leads again work again."""
    row = AgentNode.objects.select_for_update(of=("self",)).get(pk=node.pk)
    if row.state == AgentNode.State.RETIRED:
        life_event(row, "revived", reason, actor=actor)
        life_write(row, revive(life_of(row)), database_now())
        row.save(update_fields=[*LIFE_FIELDS])


def _hand_off(parent: AgentNode, child: AgentNode) -> None:
    where: dict[str, Any] = {
        "workspace_id": str(child.workspace_id),
        "from_agent_id": str(parent.agent_id),
        "to_agent_id": str(child.agent_id),
    }
    facts_hand_on(**where, why=HAND_OFF)
    comments = (
        Reward.objects.filter(node=parent, score__lt=POOR)
        .exclude(comment="")
        .order_by("-id")
        .values_list("comment", flat=True)[:COMMENTS_HANDED]
    )
    said = list(dict.fromkeys(" ".join(comment.split())[:300] for comment in comments))
    if said:
        listed = "; ".join(said)
        fact_hand(**where, text=f"What was wrong with {parent.agent.slug}'s answers: {listed}")
