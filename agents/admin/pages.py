"""All pages of agents; importing them registers them."""

from agents.admin import catalogue, connections, endpoints, memory, money, runs, skills

__all__ = ["catalogue", "connections", "endpoints", "memory", "money", "runs", "skills"]
