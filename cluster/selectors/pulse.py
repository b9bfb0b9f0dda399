"""How the cluster is doing, in a few numbers, for the workspaces of one person.

Nothing here reads more rows than a bound: what is counted is counted to a limit.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Q, QuerySet

from cluster.core.types import FINAL, Status
from cluster.models import AgentNode, PhaseRecord, Task, Worker
from cluster.selectors.pulse_day import Workspaces, within_sql

LIST_MOST: Final = 10
FEED_MOST: Final = 14
COUNT_MOST: Final = 10_000
WORKER_GONE_AFTER: Final = timedelta(seconds=60)
_UNCLAIMED_FOR = timedelta(seconds=60)
_LIVE = tuple(status for status in Status if status not in FINAL)
_PHASES_OF_TASKS = 300
_FED_TASKS, _FED_EVENTS = 25, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What has not ended, each counted to `COUNT_MOST`, and since when the first waits."""

    queued: int
    running: int
    waiting: int
    input_required: int
    oldest_due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """How many nodes are in each state, and what changed within a day."""

    active: int
    quarantined: int
    retired: int
    born: int
    died: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event in the feed."""

    task_id: str
    goal: str
    type: str
    data: dict[str, Any]
    at: datetime


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
class PhaseTime:
    """How long a phase took on the newest tasks, in seconds."""

    phase: str
    count: int
    p50_s: float
    p95_s: float


def pulse_queue(*, workspace_ids: Workspaces) -> Queue:
    """Return what waits and what runs."""
    mine = within_sql(workspace_ids)
    counts = ", ".join(
        "(SELECT count(*) FROM (SELECT 1 FROM cluster_task t WHERE t.finished_at IS NULL"  # noqa: S608 -- as below
        f" AND t.status = '{status.value}' {mine} LIMIT {COUNT_MOST + 1}) AS counted)"
        for status in _LIVE
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {counts}, (SELECT min(due_at) FROM cluster_task t"  # noqa: S608 -- constants of this file
            f" WHERE t.due_at IS NOT NULL AND t.lease_until IS NULL {mine})"
        )
        row = cursor.fetchone()
    assert row is not None
    counted = dict(zip(_LIVE, row, strict=False))
    return Queue(
        queued=counted[Status.QUEUED],
        running=counted[Status.RUNNING],
        waiting=counted[Status.WAITING],
        input_required=counted[Status.INPUT_REQUIRED],
        oldest_due_at=row[-1],
    )


def pulse_stuck(*, workspace_ids: Workspaces, now: datetime) -> list[Stuck]:
    """Return the tasks that seem not to move, the longest first."""
    overdue = Q(due_at__lt=now - _UNCLAIMED_FOR, lease_until=None)
    lost = Q(lease_until__lt=now - _UNCLAIMED_FOR)
    down = Q(unavailable_since__isnull=False)
    live = Task.objects.filter(overdue | lost | down, finished_at__isnull=True)
    found = [
        Stuck(
            task_id=str(row.pk),
            goal=row.goal,
            status=row.status,
            reason=_why(row, now),
            since=row.unavailable_since or row.lease_until or row.due_at or row.created_at,
        )
        for row in _within(live, workspace_ids).only(
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


def pulse_phases(*, workspace_ids: Workspaces) -> list[PhaseTime]:
    """Return how long each phase took in the tasks that ended last, in the order of the cycle."""
    tasks = _within(Task.objects.filter(finished_at__isnull=False), workspace_ids)
    newest = tasks.order_by("-finished_at").values("pk")[:_PHASES_OF_TASKS]
    rows = PhaseRecord.objects.filter(task__in=newest)
    times: dict[str, list[float]] = {}
    for phase, start, end in rows.order_by().values_list("phase", "started_at", "ended_at"):
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


def pulse_population(*, workspace_ids: Workspaces, now: datetime) -> Population:
    """Return how the population is and how it changed."""
    day = now - timedelta(days=1)
    states = AgentNode.State
    counted = _within(AgentNode.objects.all(), workspace_ids).aggregate(
        active=Count("pk", filter=Q(state=states.ACTIVE)),
        quarantined=Count("pk", filter=Q(state=states.QUARANTINED)),
        retired=Count("pk", filter=Q(state=states.RETIRED)),
        born=Count("pk", filter=Q(created_at__gte=day)),
        died=Count("pk", filter=Q(retired_at__gte=day)),
    )
    return Population(**counted)


def pulse_feed(*, workspace_ids: Workspaces) -> list[Happening]:
    """Return what happened last to the newest tasks and to those that run."""
    mine = within_sql(workspace_ids)
    newest = f"ORDER BY t.created_at DESC, t.id DESC LIMIT {_FED_TASKS}"
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH fed AS ("  # noqa: S608 -- constants of this file, and ids
            f"(SELECT t.id, t.goal, t.event_seq FROM cluster_task t WHERE true {mine} {newest})"
            " UNION (SELECT t.id, t.goal, t.event_seq FROM cluster_task t"
            f" WHERE t.finished_at IS NULL AND t.status = 'running' {mine} {newest}))"
            " SELECT fed.id, fed.goal, e.type, e.data, e.at FROM fed JOIN cluster_event e"
            f" ON e.task_id = fed.id AND e.seq > fed.event_seq - {_FED_EVENTS}"
            " AND e.type <> 'phase.started'"
            f" ORDER BY e.at DESC, e.id DESC LIMIT {FEED_MOST}"
        )
        rows = cursor.fetchall()
    return [
        Happening(task_id=str(row[0]), goal=row[1], type=row[2], data=_json(row[3]), at=row[4])
        for row in rows
    ]


def _json(value: object) -> dict[str, Any]:
    """Return a JSON column that came without the ORM."""
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else {}
    return found


def _within(rows: QuerySet, workspace_ids: Workspaces) -> QuerySet:
    return rows if workspace_ids is None else rows.filter(workspace_id__in=list(workspace_ids))
