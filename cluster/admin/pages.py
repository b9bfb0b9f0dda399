"""All pages of the cluster, and those that stand apart; importing them registers them."""

from cluster.admin import beat, market, pulse, schedules, tasks

__all__ = ["beat", "market", "pulse", "schedules", "tasks"]
