"""All pages of the cluster, and those that stand apart; importing them registers them."""

from cluster.admin import (
    agents,
    approvals,
    beat,
    blueprints,
    journal,
    judging,
    market,
    nodes,
    pulse,
    rewards,
    schedules,
    tasks,
    webhooks,
    workers,
)

__all__ = [
    "agents", "approvals", "beat", "blueprints", "journal", "judging", "market", "nodes", "pulse",
    "rewards", "schedules", "tasks", "webhooks", "workers",
]  # fmt: skip
