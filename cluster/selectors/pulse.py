"""How the cluster is doing, in a few numbers, for the workspaces of one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet, Sum

from agents.models import Approval, BudgetWindow, UsageEntry
from cluster.core.types import FINAL, Status
from cluster.models import AgentNode, PhaseRecord, Task, Worker

Workspaces = Sequence[UUID] | None  # None: all of them, for who may see everything
LIST_MOST = 10
WORKER_GONE_AFTER = timedelta(seconds=60)
_UNCLAIMED_FOR = timedelta(seconds=60)
_LIVE = tuple(status for status in Status if status not in FINAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What has not ended: by status, and how long the first that could run has waited."""

    queued: int
    running: int
    waiting: int
    input_required: int
    oldest_due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What has ended since midnight UTC, parts of split tasks not counted, and what it cost."""

    succeeded: int
    failed: int
    cancelled: int
    cost_usd: Decimal
    tokens: int
    budget_usd: Decimal | None
    budget_spent_usd: Decimal

    @property
    def success_rate(self) -> float | None:
        judged = self.succeeded + self.failed
        return self.succeeded / judged if judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A task that does not move, and why it seems so."""

    task_id: str
    goal: str
    status: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLine:
    """A worker as it was last seen."""

    name: str
    seen_at: datetime
    running: int
    slots: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A task in the feed."""

    task_id: str
    goal: str
    status: str
    phase: str
    cost_usd: Decimal
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """How long a phase took on the newest tasks, in seconds."""

    phase: str
    count: int
    p50_s: float
    p95_s: float


def pulse_queue(*, workspace_ids: Workspaces) -> Queue:
    """Return what waits and what runs."""
    rows = _within(Task.objects.filter(status__in=_LIVE), workspace_ids).order_by()
    counts = dict(rows.values_list("status").annotate(n=Count("pk")))
    due = _within(Task.objects.filter(due_at__isnull=False, lease_until=None), workspace_ids)
    return Queue(
        queued=counts.get(Status.QUEUED, 0),
        running=counts.get(Status.RUNNING, 0),
        waiting=counts.get(Status.WAITING, 0),
        input_required=counts.get(Status.INPUT_REQUIRED, 0),
        oldest_due_at=due.order_by().aggregate(at=Min("due_at"))["at"],
    )


def pulse_today(*, workspace_ids: Workspaces, now: datetime) -> Today:
    """Return what has ended today and what was spent."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ended = _within(Task.objects.filter(finished_at__gte=midnight, parent=None), workspace_ids)
    counts = dict(ended.order_by().values_list("status").annotate(n=Count("pk")))
    used = _within(UsageEntry.objects.filter(at__gte=midnight), workspace_ids).aggregate(
        cost=Sum("cost_usd"), prompt=Sum("prompt_tokens"), completion=Sum("completion_tokens")
    )
    budget = _within(
        BudgetWindow.objects.filter(
            starts_on=midnight.date(),
            budget__scope="workspace",
            budget__period="day",
            budget__enabled=True,
        ),
        workspace_ids,
    ).aggregate(limit=Sum("budget__limit_usd"), spent=Sum("spent_usd"))
    return Today(
        succeeded=counts.get(Status.SUCCEEDED, 0),
        failed=counts.get(Status.FAILED, 0),
        cancelled=counts.get(Status.CANCELLED, 0),
        cost_usd=used["cost"] or Decimal(0),
        tokens=(used["prompt"] or 0) + (used["completion"] or 0),
        budget_usd=budget["limit"],
        budget_spent_usd=budget["spent"] or Decimal(0),
    )


def pulse_stuck(*, workspace_ids: Workspaces, now: datetime) -> list[Stuck]:
    """Return the tasks that seem not to move, the longest first."""
    overdue = Q(due_at__lt=now - _UNCLAIMED_FOR, lease_until=None)
    lost = Q(lease_until__lt=now - _UNCLAIMED_FOR)
    down = Q(unavailable_since__isnull=False)
    rows = _within(Task.objects.filter(overdue | lost | down, status__in=_LIVE), workspace_ids)
    found = [
        Stuck(
            task_id=str(row.pk),
            goal=row.goal,
            status=row.status,
            reason=_why(row, now),
            since=row.unavailable_since or row.lease_until or row.due_at or row.created_at,
        )
        for row in rows.only(
            "goal", "status", "unavailable_since", "unavailable_reason", "lease_until", "due_at",
            "created_at",
        ).order_by("created_at", "id")[:LIST_MOST]
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each.since, each.task_id))


def _why(row: Task, now: datetime) -> str:
    if row.unavailable_since is not None:
        return row.unavailable_reason or "The model endpoint is not available."
    if row.lease_until is not None and row.lease_until < now:
        return "Its worker is gone and none has taken it over."
    return "No worker takes it: is one running, and has it free slots?"


def pulse_recent(*, workspace_ids: Workspaces) -> list[Recent]:
    """Return the newest tasks, without the parts of split ones."""
    rows = _within(Task.objects.filter(parent=None), workspace_ids).order_by("-created_at", "-id")
    return [
        Recent(
            task_id=str(row.pk),
            goal=row.goal,
            status=row.status,
            phase=row.phase or "",
            cost_usd=row.cost_usd,
            created_at=row.created_at,
        )
        for row in rows.only("goal", "status", "phase", "cost_usd", "created_at")[:LIST_MOST]
    ]


def pulse_workers(*, now: datetime) -> list[WorkerLine]:
    """Return the workers that were seen last; they serve every workspace."""
    return [
        WorkerLine(
            name=row.name,
            seen_at=row.seen_at,
            running=row.running,
            slots=row.slots,
            state=(
                "stopped"
                if row.stopped_at is not None
                else "gone"
                if now - row.seen_at > WORKER_GONE_AFTER
                else "alive"
            ),
        )
        for row in Worker.objects.order_by("-seen_at")[:LIST_MOST]
    ]


def pulse_phases(*, workspace_ids: Workspaces, newest: int = 2_000) -> list[PhaseTime]:
    """Return how long each phase took among the newest records, in the order of the cycle."""
    rows = PhaseRecord.objects.order_by("-id")
    if workspace_ids is not None:
        rows = rows.filter(task__workspace_id__in=list(workspace_ids))
    times: dict[str, list[float]] = {}
    for phase, start, end in rows.values_list("phase", "started_at", "ended_at")[:newest]:
        times.setdefault(phase, []).append((end - start).total_seconds())
    order = ("sense", "match", "scale", "execute", "evaluate", "adapt")
    return [
        PhaseTime(
            phase=phase,
            count=len(times[phase]),
            p50_s=_at(sorted(times[phase]), 0.5),
            p95_s=_at(sorted(times[phase]), 0.95),
        )
        for phase in order
        if phase in times
    ]


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def pulse_people(*, workspace_ids: Workspaces) -> int:
    """Return how many questions wait for a person."""
    rows = Approval.objects.filter(status=Approval.Status.OPEN)
    return _within(rows, workspace_ids).order_by().count()


def pulse_population(*, workspace_ids: Workspaces) -> dict[str, int]:
    """Return how many nodes are in each state."""
    rows = _within(AgentNode.objects.all(), workspace_ids).order_by()
    counts = dict(rows.values_list("state").annotate(n=Count("pk")))
    return {state: counts.get(state, 0) for state in AgentNode.State.values}


def _within(rows: QuerySet, workspace_ids: Workspaces) -> QuerySet:
    return rows if workspace_ids is None else rows.filter(workspace_id__in=list(workspace_ids))
