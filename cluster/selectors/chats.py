"""Chats as tasks: who may be talked to, and what was said before."""

from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT

from agents.models import Agent
from cluster.core.chat import CLUSTER
from cluster.core.errors import ModelUnknown
from cluster.models import Task

MODELS_MAX = 1_000
TURNS_MAX = 20
TURNS_CHARS = 40_000


def model_list(*, workspace_id: str) -> list[dict[str, Any]]:
    """Return the cluster and each agent in service as a model, agents by slug."""
    rows = _agents(workspace_id).order_by("slug")[:MODELS_MAX]
    return [_model(CLUSTER, 0), *(_model(row.slug, row.created_at.timestamp()) for row in rows)]


def model_detail(*, workspace_id: str, model: str) -> dict[str, Any]:
    """Return one model.

    Raises:
        ModelUnknown: It is neither the cluster nor an agent in service here.
    """
    if model == CLUSTER:
        return _model(CLUSTER, 0)
    row = _agents(workspace_id).filter(slug=model).first()
    if row is None:
        raise ModelUnknown(
            f"The model {model[:80]!r} does not exist: GET /v1/models lists them.", field="model"
        )
    return _model(row.slug, row.created_at.timestamp())


def conversation(
    *, workspace_id: str, session_id: str, agent: str | None
) -> list[tuple[str, str]] | None:
    """Return what was said in a conversation, oldest first, as (role, text); None for a new one.

    An agent's own memory holds what it was told, so for an agent that is an empty list.
    """
    turns = (
        Task.objects.alias(session=KT("metadata__session_id"))
        .filter(
            Q(agent__slug=agent) if agent else Q(agent=None),
            workspace_id=workspace_id,
            parent=None,
            metadata__has_key="session_id",
            session=session_id,
        )
        .order_by("-created_at", "-id")
    )
    if agent:
        return [] if turns.exists() else None
    said: list[tuple[str, str]] = []
    room = TURNS_CHARS
    for goal, answer in turns.values_list("goal", "answer")[:TURNS_MAX]:
        room -= len(goal) + len(answer or "")
        if room < 0:
            break
        said += [("assistant", answer or "(no answer)"), ("user", goal)]
    return said[::-1] or None


def _agents(workspace_id: str) -> QuerySet[Agent]:
    return Agent.objects.filter(workspace_id=workspace_id, enabled=True)


def _model(name: str, created: float) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(created), "owned_by": "loom"}
