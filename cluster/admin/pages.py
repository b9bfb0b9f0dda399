"""All pages of the cluster, and those that stand apart; importing them registers them."""

from cluster.admin import agents, approvals, beat, journal, market, pulse, schedules, tasks

__all__ = ["agents", "approvals", "beat", "journal", "market", "pulse", "schedules", "tasks"]
