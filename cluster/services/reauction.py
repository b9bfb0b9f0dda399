"""Holding a task's auction anew while it is worked on: whoever won it is let go."""

from django.db import transaction

from agents.services.approvals import approvals_close
from agents.services.runs import task_release
from cluster import live
from cluster.core.errors import TaskConflict
from cluster.core.types import FINAL, Phase, Status
from cluster.models import Assignment, PhaseRecord, Task
from cluster.services.auctions import slot_release
from cluster.services.journal import event_append, phase_begin, task_locked, task_save

_CHANGED = (
    "cycle", "max_cycles", "status", "attempt", "claimed_by", "lease_until", "due_at",
    "unavailable_since", "unavailable_reason", "crash_count", "suspicion", "mishap_count",
    "progress_done", "progress_message", "phase", "phase_started_at",
)  # fmt: skip


def task_reauction(*, workspace_id: str, task_id: str, actor: str, reason: str = "") -> None:
    """Let go the agent that works on a task and begin a cycle in which others bid for it.

    What the agent did so far is kept, and what it still does is not written any more. It is left
    out of the new auction unless nobody else can do it.

    Raises:
        TaskUnknown: There is none with this id here.
        TaskConflict: It has ended, was asked of one agent, has no winner yet, or its agent has
            answered; or its parts are at work, which have auctions of their own.
    """
    with transaction.atomic():
        task, now = task_locked(workspace_id=workspace_id, task_id=task_id)
        node_id = _let_go(task)
        slot_release(task=task, now=now)
        approvals_close(task_id=str(task.id))
        task_release(workspace_id=workspace_id, task_id=str(task.id))
        task.attempt += 1  # the fence: who still works on it can write nothing
        task.claimed_by, task.lease_until = "", None
        task.cycle += 1
        task.max_cycles = max(task.max_cycles, task.cycle)
        task.status, task.due_at = Status.QUEUED.value, now
        task.unavailable_since, task.unavailable_reason = None, ""
        task.crash_count = task.suspicion = task.mishap_count = 0
        task.progress_done, task.progress_message = 0, "auctioned anew"
        event_append(
            task, "task.reauctioned", now,
            actor=actor, reason=reason[:500], cycle=task.cycle, without=node_id,
        )  # fmt: skip
        phase_begin(task, Phase.SENSE, now)
        task_save(task, *_CHANGED)
        live.task_wake(task_id)


def _let_go(task: Task) -> str:
    """Return the node that holds the task's slot, or say why there is nothing to hold anew."""
    if task.status in FINAL:
        raise TaskConflict(f"The task is {task.status}: only one that goes on can be auctioned.")
    if task.cancel_requested_at is not None:
        raise TaskConflict("The task was asked to stop.")
    if task.agent_id is not None:
        raise TaskConflict("The task was asked of one agent: nobody bids for it.")
    if task.pending_children:
        raise TaskConflict("The task's parts are at work: auction those anew.")
    held = Assignment.objects.filter(
        task=task, cycle=task.cycle, state=Assignment.State.ACTIVE
    ).first()
    if held is None:
        raise TaskConflict("No agent holds the task: its next auction comes by itself.")
    answered = PhaseRecord.objects.filter(task=task, cycle=task.cycle, phase=Phase.EXECUTE.value)
    if answered.exists():
        raise TaskConflict("Its agent has answered: the answer is being judged.")
    return str(held.node_id)
