"""All pages of agents; importing them registers them."""

from agents.admin import catalogue, memory, money, runs

__all__ = ["catalogue", "memory", "money", "runs"]
