"""The cluster's tables, by the names the rest of Loom uses."""

from cluster.tables.growth import BlueprintEvent, Forging
from cluster.tables.judging import CalibrationCase, JudgeAudit, JudgeGrade
from cluster.tables.market import Assignment, Auction, Bid, Calibration, MarketEntry, Reward
from cluster.tables.population import (
    AgentNode,
    Blueprint,
    Capability,
    Domain,
    Family,
    FamilyDomain,
    LifecycleEvent,
)
from cluster.tables.tasks import Event, PhaseRecord, Task, TaskEdge
from cluster.tables.triggers import Schedule, Worker
from cluster.tables.webhooks import Webhook, WebhookDelivery

__all__ = [
    "AgentNode",
    "Assignment",
    "Auction",
    "Bid",
    "Blueprint",
    "BlueprintEvent",
    "Calibration",
    "CalibrationCase",
    "Capability",
    "Domain",
    "Event",
    "Family",
    "FamilyDomain",
    "Forging",
    "JudgeAudit",
    "JudgeGrade",
    "LifecycleEvent",
    "MarketEntry",
    "PhaseRecord",
    "Reward",
    "Schedule",
    "Task",
    "TaskEdge",
    "Webhook",
    "WebhookDelivery",
    "Worker",
]
