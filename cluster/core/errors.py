"""What can go wrong in the cluster.

ClusterError                     `status` is the HTTP status a door answers with
├── TaskInvalid           400    a submission that cannot become a task; `field` names the culprit
│   ├── GoalInvalid
│   ├── CheckInvalid
│   └── AgentUnknown
├── TaskUnknown           404    missing, or another workspace's: the same
├── IdempotencyConflict   409    the key was used for another body
├── TaskConflict          409    the task's state does not allow it
├── RequestInvalid        400    an answer, feedback or schedule that makes no sense
├── ChatInvalid           400    a chat completion that asks for what cannot be had
├── ModelUnknown          404    no agent serves under this name
├── WebhookUnknown        404    also its deliveries
├── ScheduleUnknown       404
├── ScoreInvalid          400    not a number in [0, 1]
├── NodeUnknown           404
├── BlueprintUnknown      404
├── BlueprintInvalid      400    it asks for what cannot be granted, or says too little
├── CaseUnknown           404    an answer of known worth, for the judge
├── PopulationConflict    409    the state of a node or a blueprint does not allow it
└── ClaimLost             409    another worker holds the task now; whoever sees this stops at once
"""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(eq=False)
class ClusterError(Exception):
    """Base of the cluster's errors; `code` is stable, `message` says what to change."""

    message: str
    field: str = field(default="", kw_only=True)

    code: ClassVar[str] = "cluster.error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __str__(self) -> str:
        return self.message


class TaskInvalid(ClusterError):
    code = "cluster.task_invalid"
    status = 400


class GoalInvalid(TaskInvalid):
    code = "cluster.goal_invalid"


class CheckInvalid(TaskInvalid):
    code = "cluster.check_invalid"


class AgentUnknown(TaskInvalid):
    code = "cluster.agent_unknown"


class TaskUnknown(ClusterError):
    code = "cluster.task_unknown"
    status = 404


class IdempotencyConflict(ClusterError):
    code = "cluster.idempotency_conflict"
    status = 409


class TaskConflict(ClusterError):
    code = "cluster.task_conflict"
    status = 409


class RequestInvalid(ClusterError):
    code = "cluster.request_invalid"
    status = 400


class ChatInvalid(ClusterError):
    code = "cluster.chat_invalid"
    status = 400


class ModelUnknown(ClusterError):
    code = "cluster.model_unknown"
    status = 404


class WebhookUnknown(ClusterError):
    code = "cluster.webhook_unknown"
    status = 404


class ScheduleUnknown(ClusterError):
    code = "cluster.schedule_unknown"
    status = 404


class ScoreInvalid(ClusterError):
    code = "cluster.score_invalid"
    status = 400


class NodeUnknown(ClusterError):
    code = "cluster.node_unknown"
    status = 404


class BlueprintUnknown(ClusterError):
    code = "cluster.blueprint_unknown"
    status = 404


class BlueprintInvalid(ClusterError):
    code = "cluster.blueprint_invalid"
    status = 400


class CaseUnknown(ClusterError):
    code = "cluster.case_unknown"
    status = 404


class PopulationConflict(ClusterError):
    code = "cluster.population_conflict"
    status = 409


class ClaimLost(ClusterError):
    code = "cluster.claim_lost"
    status = 409
    retryable = True
