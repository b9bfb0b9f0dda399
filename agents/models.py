"""The agents app's tables, by the names the rest of Loom uses."""

from agents.tables.catalogue import (
    Agent,
    AgentVersion,
    Endpoint,
    McpConnection,
    Scene,
    Skill,
    SkillVersion,
    Tool,
)
from agents.tables.money import Budget, BudgetWindow, Reservation, UsageEntry
from agents.tables.recollection import MemoryEntry, MemoryRevision, MemoryUse
from agents.tables.runs import (
    Approval,
    Artifact,
    ContextShares,
    Run,
    Session,
    SessionMessage,
    SkillUse,
    Step,
    ToolEffect,
    Violation,
)

__all__ = [
    "Agent",
    "AgentVersion",
    "Approval",
    "Artifact",
    "Budget",
    "BudgetWindow",
    "ContextShares",
    "Endpoint",
    "McpConnection",
    "MemoryEntry",
    "MemoryRevision",
    "MemoryUse",
    "Reservation",
    "Run",
    "Scene",
    "Session",
    "SessionMessage",
    "Skill",
    "SkillUse",
    "SkillVersion",
    "Step",
    "Tool",
    "ToolEffect",
    "UsageEntry",
    "Violation",
]
