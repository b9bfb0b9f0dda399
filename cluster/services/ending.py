"""How a task ends, and what its end means for those who wait for it."""

from datetime import datetime

from django.db.models import Sum

from agents.services.approvals import approvals_close
from agents.services.runs import effect_settle, task_release
from cluster import live
from cluster.core.codec import value_dump
from cluster.core.steps import Finish
from cluster.core.types import FINAL, DependencyPolicy, Outcome, Status
from cluster.models import Task, TaskEdge
from cluster.runner import run_id
from cluster.selectors.spine import own_cost
from cluster.services.auctions import slot_release
from cluster.services.journal import event_append, task_save

DELEGATED = "delegate:"
"""Begins the plan key of a task that a run handed on; the rest is the tool call's key."""

_END_FIELDS = (
    "status", "phase", "phase_started_at", "outcome", "answer", "citations", "score", "verified",
    "error_code", "error_message", "cost_usd", "prompt_tokens", "completion_tokens", "finished_at",
    "due_at", "lease_until", "claimed_by", "pending_children", "progress_message",
    "unavailable_since", "unavailable_reason",
)  # fmt: skip


def task_finish(*, task: Task, step: Finish, now: datetime) -> None:
    """End a locked task: its result, cost and event; then tell its parent and its successors."""
    task.status = step.status.value
    task.phase, task.phase_started_at = None, None
    task.outcome = step.outcome.value
    task.answer = step.answer or None
    task.citations = [value_dump(citation) for citation in step.citations]
    task.score, task.verified = step.score, step.verified
    task.error_code, task.error_message = step.error_code, step.error_message
    task.finished_at = now
    task.due_at, task.lease_until, task.claimed_by = None, None, ""
    task.pending_children = 0
    task.unavailable_since, task.unavailable_reason = None, ""
    task.progress_message = (step.error_message or step.outcome.value)[:500]
    _charge(task)
    event_append(
        task, "task.finished", now,
        status=task.status, outcome=task.outcome, score=task.score, verified=task.verified,
        cost_usd=f"{task.cost_usd:.6f}", error=step.error_code or None,
    )  # fmt: skip
    task_save(task, *_END_FIELDS)
    approvals_close(task_id=str(task.id))
    task_release(workspace_id=str(task.workspace_id), task_id=str(task.id))
    if task.parent_id:
        _tell_parent(task, now)
    slot_release(task=task, now=now)


def _charge(task: Task) -> None:
    """Count the task's own calls and its children's: the parent pays for the whole."""
    own = own_cost(task.id)
    below = Task.objects.filter(parent=task).aggregate(
        usd=Sum("cost_usd"), p=Sum("prompt_tokens"), c=Sum("completion_tokens")
    )
    task.cost_usd = own.cost_usd + (below["usd"] or 0)
    task.prompt_tokens = own.prompt_tokens + (below["p"] or 0)
    task.completion_tokens = own.completion_tokens + (below["c"] or 0)


def _tell_parent(child: Task, now: datetime) -> None:
    """Under the parent's lock, release what waited for this child; the last wakes the parent."""
    parent = (
        Task.objects.select_for_update(of=("self",))
        .select_related("workspace")
        .get(id=child.parent_id)
    )
    if parent.status in FINAL or child.parent_cycle != parent.cycle:
        return
    if child.plan_key.startswith(DELEGATED):
        _answer_call(parent, child)
    ended = [child]
    while ended:
        one = ended.pop()
        parent.pending_children -= 1
        parent.progress_done += 1
        event_append(
            parent, "child.finished", now,
            child_id=str(one.id), key=one.plan_key, status=one.status,
            cost_usd=f"{one.cost_usd:.6f}",
        )  # fmt: skip
        if parent.cancel_requested_at is None:  # else they are cancelled too, each by itself
            ended += _successors(one, parent, now)
    parent.progress_message = f"{parent.progress_done} of {parent.progress_total} parts done"
    if parent.pending_children <= 0:
        parent.pending_children = 0
        parent.due_at = now
        live.task_wake(str(parent.id))
    task_save(parent, "pending_children", "progress_done", "progress_message", "due_at")


def _answer_call(parent: Task, child: Task) -> None:
    """Give the tool call that handed the task on its result."""
    effect_settle(
        workspace_id=str(parent.workspace_id),
        run_id=run_id(str(parent.id), parent.cycle),
        key=child.plan_key.removeprefix(DELEGATED),
        tool="delegate",
        ok=child.status == Status.SUCCEEDED,
        result=child.answer or child.error_message,
    )


def _successors(one: Task, parent: Task, now: datetime) -> list[Task]:
    """Queue the tasks that waited for this one only; return those that can no longer be done."""
    policy = parent.workspace.settings.get("dependency_policy", DependencyPolicy.FAIL)
    failed: list[Task] = []
    waiting = (
        Task.objects.select_for_update(of=("self",))
        .filter(edges_in__predecessor=one, status=Status.WAITING, due_at__isnull=True)
        .order_by("plan_order", "id")
    )
    for task in waiting:
        if one.status != Status.SUCCEEDED and policy != DependencyPolicy.SKIP:
            _cannot(task, one, now)
            failed.append(task)
        elif not _still_waits(task):
            task.status, task.due_at = Status.QUEUED.value, now
            event_append(task, "task.queued", now, after=one.plan_key)
            task_save(task, "status", "due_at")
            live.task_wake(str(task.id))
    return failed


def _still_waits(task: Task) -> bool:
    return (
        TaskEdge.objects.filter(successor=task)
        .exclude(predecessor__status__in=[status.value for status in FINAL])
        .exists()
    )


def _cannot(task: Task, because: Task, now: datetime) -> None:
    task.status, task.outcome = Status.FAILED.value, Outcome.FAILED.value
    task.finished_at, task.due_at = now, None
    task.error_code = "cluster.dependency_failed"
    task.error_message = f"It builds on part {because.plan_key!r}, which {because.status}."
    event_append(
        task, "task.finished", now,
        status=task.status, outcome=task.outcome, error=task.error_code,
    )  # fmt: skip
    task_save(task, "status", "outcome", "finished_at", "due_at", "error_code", "error_message")
