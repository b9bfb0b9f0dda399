"""All pages of the cluster, and those that stand apart; importing them registers them."""

from cluster.admin import agents, beat, market, pulse, schedules, tasks

__all__ = ["agents", "beat", "market", "pulse", "schedules", "tasks"]
