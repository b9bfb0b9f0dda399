"""Tasks as every door shows them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from agents.models import Approval
from cluster.core.errors import RequestInvalid, TaskUnknown
from cluster.core.submission import task_id_read
from cluster.core.types import Status
from cluster.models import Auction, Event, PhaseRecord, Reward, Task
from cluster.selectors.market import auction_explained
from cluster.selectors.spine import own_cost
from loomsite.access.paging import page_by_time

LIMIT_MAX = 100
EVENTS_MAX = 1_000
SUMMARY_GOAL_CHARS = 300


def task_detail(*, workspace_id: str, task_id: str) -> dict[str, Any]:
    """Return the task object.

    Raises:
        TaskUnknown: There is none with this id here.
    """
    task = _task(workspace_id, task_id, Task.objects.select_related("workspace", "agent"))
    cost, prompt, completion = _cost(task)
    return {
        "id": str(task.id),
        "workspace": task.workspace.slug,
        "goal": task.goal,
        "status": task.status,
        "phase": task.phase,
        "cycle": task.cycle,
        "outcome": task.outcome,
        "answer": task.answer,
        "score": task.score,
        "verified": task.verified,
        "citations": task.citations,
        "error": _error(task),
        "cost_usd": f"{cost:.6f}",
        "tokens": {"prompt": prompt, "completion": completion, "total": prompt + completion},
        "phases": _phases(task),
        "progress": {
            "done": task.progress_done,
            "total": task.progress_total,
            "message": task.progress_message,
        },
        "agent": task.agent.slug if task.agent else None,
        "parent_id": str(task.parent_id) if task.parent_id else None,
        "children": [
            str(pk)
            for pk in Task.objects.filter(parent=task)
            .order_by("parent_cycle", "plan_order", "id")
            .values_list("id", flat=True)
        ],
        "request": _request(task),
        "metadata": task.metadata,
        "created_at": task.created_at.isoformat(),
        "finished_at": task.finished_at.isoformat() if task.finished_at else None,
    }


def task_list(
    *,
    workspace_id: str,
    status: str | None = None,
    parent_id: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of task summaries, newest first, and the cursor of the next page.

    Raises:
        RequestInvalid: The status or the limit makes no sense.
        CursorInvalid: The cursor is not one of ours.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise RequestInvalid(f"limit must be from 1 to {LIMIT_MAX}, not {limit}.", field="limit")
    rows = Task.objects.filter(workspace_id=workspace_id)
    if status is not None:
        if status not in set(Status):
            known = ", ".join(Status)
            raise RequestInvalid(f"status {status!r} is none of {known}.", field="status")
        rows = rows.filter(status=status)
    if parent_id is not None:
        rows = rows.filter(parent_id=task_id_read(parent_id))
    rows = rows.defer("context", "answer", "citations", "metadata", "checks")
    return page_by_time(rows, "created_at", task_summary, cursor=cursor, limit=limit)


def task_summary(task: Task) -> dict[str, Any]:
    """Return what a list shows of a task."""
    goal = task.goal
    if len(goal) > SUMMARY_GOAL_CHARS:
        goal = goal[: SUMMARY_GOAL_CHARS - 1] + "…"
    return {
        "id": str(task.id),
        "goal": goal,
        "status": task.status,
        "phase": task.phase,
        "cycle": task.cycle,
        "outcome": task.outcome,
        "score": task.score,
        "verified": task.verified,
        "cost_usd": f"{task.cost_usd:.6f}",
        "progress": {
            "done": task.progress_done,
            "total": task.progress_total,
            "message": task.progress_message,
        },
        "parent_id": str(task.parent_id) if task.parent_id else None,
        "created_at": task.created_at.isoformat(),
        "finished_at": task.finished_at.isoformat() if task.finished_at else None,
    }


def task_state(*, workspace_id: str, task_id: str) -> tuple[str, int]:
    """Return a task's status and its last event's number: what a waiter compares.

    Raises:
        TaskUnknown: There is none with this id here.
    """
    task = _task(workspace_id, task_id, Task.objects.only("status", "event_seq"))
    return task.status, task.event_seq


def task_events(
    *, workspace_id: str, task_id: str, after: int = 0, limit: int = EVENTS_MAX
) -> list[dict[str, Any]]:
    """Return a task's events behind number `after`, in order, without gaps.

    Raises:
        TaskUnknown: There is none with this id here.
    """
    task = _task(workspace_id, task_id, Task.objects.only("id"))
    rows = Event.objects.filter(task=task, seq__gt=after).order_by("seq")[: min(limit, EVENTS_MAX)]
    return [
        {"seq": row.seq, "type": row.type, "at": row.at.isoformat(), "data": row.data}
        for row in rows
    ]


def task_tree(*, workspace_id: str, task_id: str) -> dict[str, Any]:
    """Return a task's summary with those below it, nested as `children`, in the plan's order.

    Raises:
        TaskUnknown: There is none with this id here.
    """
    top = _task(workspace_id, task_id, Task.objects.all())
    rows = list(
        Task.objects.filter(root_id=top.root_id or top.id)
        .defer("context", "answer", "citations", "metadata", "checks")
        .order_by("parent_cycle", "plan_order", "id")
    )
    below: dict[UUID | None, list[Task]] = {}
    for row in rows:
        below.setdefault(row.parent_id, []).append(row)

    def node(task: Task) -> dict[str, Any]:
        return {
            **task_summary(task),
            "key": task.plan_key,
            "children": [node(child) for child in below.get(task.id, [])],
        }

    return node(top)


def task_auction(*, workspace_id: str, task_id: str) -> list[dict[str, Any]]:
    """Return the auctions of a task, one per cycle, each with its bids and all their terms.

    Raises:
        TaskUnknown: There is none with this id here.
    """
    task = _task(workspace_id, task_id, Task.objects.only("id"))
    rows = Auction.objects.filter(task=task).order_by("cycle").select_related("winner__agent")
    return [auction_explained(row) for row in rows]


def task_rewards(*, workspace_id: str, task_id: str) -> list[dict[str, Any]]:
    """Return the evaluations of a task, oldest first.

    Raises:
        TaskUnknown: There is none with this id here.
    """
    task = _task(workspace_id, task_id, Task.objects.only("id"))
    return [
        {
            "cycle": row.cycle,
            "evaluation": row.evaluation,
            "score": row.score,
            "verified": row.verified,
            "outcome": row.outcome,
            "components": row.components,
            "source": row.source,
            "comment": row.comment,
            "at": row.at.isoformat(),
        }
        for row in Reward.objects.filter(task=task).order_by("id")
    ]


def _task(workspace_id: str, task_id: str, rows: QuerySet[Task]) -> Task:
    task = rows.filter(workspace_id=workspace_id, id=task_id_read(task_id)).first()
    if task is None:
        raise TaskUnknown(f"There is no task {task_id!r}.", field="task_id")
    return task


def _error(task: Task) -> Mapping[str, str] | None:
    return {"code": task.error_code, "message": task.error_message} if task.error_code else None


def _cost(task: Task) -> tuple[Any, int, int]:
    """Return what a task has cost: the final sum, or what it and its children used so far."""
    if task.finished_at is not None:
        return task.cost_usd, task.prompt_tokens, task.completion_tokens
    own = own_cost(task.id)
    rows = Task.objects.filter(parent=task).only("cost_usd", "prompt_tokens", "completion_tokens")
    return (
        own.cost_usd + sum(row.cost_usd for row in rows),
        own.prompt_tokens + sum(row.prompt_tokens for row in rows),
        own.completion_tokens + sum(row.completion_tokens for row in rows),
    )


def _phases(task: Task) -> list[dict[str, Any]]:
    done = [
        {
            "phase": row.phase,
            "cycle": row.cycle,
            "started_at": row.started_at.isoformat(),
            "ended_at": row.ended_at.isoformat(),
        }
        for row in PhaseRecord.objects.filter(task=task)
        .only("phase", "cycle", "started_at", "ended_at", "task_id")
        .order_by("id")
    ]
    if task.phase and task.phase_started_at:
        done.append(
            {
                "phase": task.phase,
                "cycle": task.cycle,
                "started_at": task.phase_started_at.isoformat(),
                "ended_at": None,
            }
        )
    return done


def _request(task: Task) -> dict[str, Any] | None:
    if task.status != Status.INPUT_REQUIRED:
        return None
    row = (
        Approval.objects.filter(task_id=task.id, status=Approval.Status.OPEN)
        .order_by("created_at")
        .first()
    )
    if row is None:
        return None
    return {"id": str(row.pk), "kind": row.kind, "question": row.question, "options": row.options}
