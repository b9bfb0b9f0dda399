"""Reads of what runs taught about the sources that share a window."""

from typing import Any

from agents.models import ContextShares


def context_weights(*, workspace_id: str, agent_id: str) -> dict[str, float]:
    """Return the learned weight of each source of an agent; those not in it have none yet."""
    rows = ContextShares.objects.filter(workspace_id=workspace_id, agent_id=agent_id)
    weights: Any = rows.values_list("weights", flat=True).first()
    return {name: float(weight) for name, weight in (weights or {}).items()}
