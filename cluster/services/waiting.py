"""Letting go of a task that waits: for a time, its parts, a person, or one it handed on."""

from collections.abc import Sequence
from datetime import datetime

from agents.models import Agent
from agents.services.approvals import approval_open
from agents.services.runs import effect_settle
from cluster import live
from cluster.core.steps import Ask, Delegate, Park
from cluster.core.types import Json, Limits, Status
from cluster.models import Task
from cluster.services.auctions import slot_release
from cluster.services.ending import DELEGATED
from cluster.services.growth import OPTIONS, review_open
from cluster.services.journal import event_append, task_save


def park(task: Task, step: Park, *, asked_at: datetime, now: datetime) -> bool:
    """Let go of a locked task and say whether it goes on after all: what it waits for has come."""
    if step.status == Status.WAITING and task.pending_children == 0:
        return True
    if step.unavailable and task.unavailable_since is None:
        task.unavailable_since = now
    changed = task.progress_message != step.reason[:500]
    task.unavailable_reason = step.reason[:500] if step.unavailable else ""
    # The pause begins now, and not when the call began that nobody answered.
    task.due_at = None if step.until is None else now + (step.until - asked_at)
    _let_go(task, step.status, step.reason)
    if changed:
        event_append(task, "task.parked", now, status=task.status, reason=step.reason)
    task_save(task, *_LET_GO, "unavailable_since", "unavailable_reason")
    return False


def ask(task: Task, step: Ask, now: datetime) -> bool:
    """Open the question and wait for its answer; one that is already answered is not asked again.

    Waiting has an end where the task has a deadline, and holds no slot.
    """
    asked = step.suspended
    request = approval_open(
        workspace_id=str(task.workspace_id),
        task_id=str(task.id),
        run_id=asked.run_id,
        key=asked.key,
        kind=asked.kind,
        question=asked.question,
        options=list(asked.options),
        detail=asked.detail,
    )
    if request.answered:
        return True
    slot_release(task=task, now=now)
    _wait_for_person(
        task, now,
        request_id=request.id, kind=asked.kind, question=asked.question, options=asked.options,
    )  # fmt: skip
    return False


def review(task: Task, now: datetime) -> bool:
    """Wait for a person's word on a forged blueprint; say whether it has been spoken."""
    asked = review_open(task=task)
    if asked is None:
        return True
    request_id, question, _ = asked
    _wait_for_person(
        task, now, request_id=request_id, kind="approval", question=question, options=OPTIONS
    )
    return False


def _wait_for_person(
    task: Task,
    now: datetime,
    *,
    request_id: str,
    kind: str,
    question: str,
    options: Sequence[str],
) -> None:
    task.due_at = task.deadline_at
    _let_go(task, Status.INPUT_REQUIRED, question)
    event_append(
        task, "input.required", now,
        request_id=request_id, kind=kind, question=question, options=list(options),
    )  # fmt: skip
    task_save(task, *_LET_GO)


def delegate(task: Task, step: Delegate, limits: Limits, now: datetime) -> bool:
    """Create the tasks that a run handed on, each once, and wait for them; the slot is free then.

    What cannot be handed on is answered at once: the agent sees why, and goes on without.
    """
    handed = step.suspended
    open_ids = [
        child_id
        for order, part in enumerate(handed.detail["children"])
        if (child_id := _hand_on(task, handed.run_id, part, order, limits=limits, now=now))
    ]
    if not open_ids:
        return True
    slot_release(task=task, now=now)
    task.due_at = None
    _let_go(task, Status.WAITING, f"waiting for {len(open_ids)} delegated")
    event_append(task, "task.delegated", now, child_ids=open_ids)
    task_save(task, *_LET_GO, "pending_children")
    return False


def _hand_on(
    task: Task, run: str, part: Json, order: int, *, limits: Limits, now: datetime
) -> str | None:
    """Create one delegated task; return its id while it has not ended, None when there is none."""
    key = DELEGATED + str(part["key"])
    child = Task.objects.filter(parent=task, parent_cycle=task.cycle, plan_key=key).first()
    if child is not None:
        return None if child.finished_at else str(child.id)
    slug = str(part.get("agent") or "")
    agent = _agent(task, slug)
    problem = _too_much(task, limits)
    if slug and agent is None:
        problem = f"There is no agent {slug!r} in service."
    if problem:
        effect_settle(
            workspace_id=str(task.workspace_id),
            run_id=run,
            key=str(part["key"]),
            tool="delegate",
            ok=False,
            result=problem,
        )
        return None
    child = child_create(
        task, now, key=key, goal=str(part["goal"]), order=order, waits=False, agent=agent
    )
    event_append(child, "task.created", now, parent_id=str(task.id), key=key)
    task_save(child)
    task.pending_children += 1
    live.task_wake(str(child.id))
    return str(child.id)


def child_create(
    task: Task,
    now: datetime,
    *,
    key: str,
    goal: str,
    order: int,
    waits: bool,
    agent: Agent | None = None,
) -> Task:
    """Create a part of a locked task in its current cycle; due at once unless it `waits`."""
    status = Status.WAITING if waits else Status.QUEUED
    return Task.objects.create(
        workspace_id=task.workspace_id,
        goal=goal,
        agent=agent,
        collections=task.collections,
        metadata=task.metadata,
        priority=task.priority,
        max_cycles=task.max_cycles,
        deadline_at=task.deadline_at,
        actor=task.actor,
        door="split",
        status=status.value,
        due_at=None if waits else now,
        parent=task,
        root_id=task.root_id or task.id,
        depth=task.depth + 1,
        parent_cycle=task.cycle,
        plan_key=key,
        plan_order=order,
        created_at=now,
    )


_LET_GO = ("status", "due_at", "lease_until", "claimed_by", "progress_message")


def _let_go(task: Task, status: Status, message: str) -> None:
    task.status = status.value
    task.lease_until, task.claimed_by = None, ""
    task.progress_message = message[:500]


def _agent(task: Task, slug: str) -> Agent | None:
    rows = Agent.objects.filter(workspace_id=task.workspace_id, slug=slug, enabled=True)
    return rows.first() if slug else None


def _too_much(task: Task, limits: Limits) -> str:
    """Return why no more may be handed on, or nothing."""
    if task.depth >= limits.max_depth:
        return f"This is {task.depth} levels deep already: do it yourself."
    size = Task.objects.filter(root_id=task.root_id or task.id).count() + 1
    if size >= limits.max_tree:
        return f"There are {size} tasks for this goal already: do it yourself."
    return ""
