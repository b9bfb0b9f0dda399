"""The cluster's tables, by the names the rest of Loom uses."""

from cluster.tables.growth import BlueprintEvent, Forging
from cluster.tables.judging import CalibrationCase, JudgeAudit, JudgeGrade
from cluster.tables.market import (
    Assignment,
    Auction,
    Bid,
    Calibration,
    MarketEntry,
    Reward,
    SplitCell,
)
from cluster.tables.population import (
    AgentNode,
    Blueprint,
    Capability,
    Domain,
    Family,
    LifecycleEvent,
    Market,
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
    "Forging",
    "JudgeAudit",
    "JudgeGrade",
    "LifecycleEvent",
    "Market",
    "MarketEntry",
    "PhaseRecord",
    "Reward",
    "Schedule",
    "SplitCell",
    "Task",
    "TaskEdge",
    "Webhook",
    "WebhookDelivery",
    "Worker",
]
