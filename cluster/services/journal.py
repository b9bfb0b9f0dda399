"""Writing under a task's lock: the fence, events, phase records."""

from datetime import datetime
from functools import partial
from typing import Any, cast

from django.db import connection, models, transaction

from cluster import live
from cluster.core.codec import value_dump
from cluster.core.errors import ClaimLost, TaskUnknown
from cluster.core.submission import task_id_read
from cluster.core.types import Claim, Json, Phase
from cluster.core.webhooks import told
from cluster.models import Event, PhaseRecord, Task
from cluster.runner import Happenings
from cluster.services.webhooks import event_queue

_UNWRITTEN = "_loom_unwritten_events"
_FENCE = "SELECT 1 FROM cluster_task WHERE id = %s AND attempt = %s AND claimed_by = %s FOR UPDATE"


class ClockTimestamp(models.Func):
    """The database's clock at this very moment, not at the transaction's start."""

    function = "clock_timestamp"

    def __init__(self) -> None:
        super().__init__(output_field=models.DateTimeField())


def _lock(**where: object) -> Task | None:
    rows = (
        Task.objects.select_for_update(of=("self",))
        .filter(**where)
        # An expression would cost Django more than the query itself; this runs at every step.
        .extra(select={"db_now": "clock_timestamp()"})
        .order_by()
    )
    return next(iter(rows), None)


def task_fenced(claim: Claim) -> tuple[Task, datetime]:
    """Lock the claimed task and return it with the database's time.

    Raises:
        ClaimLost: Another worker has claimed it since; nothing may be written for this claim.
    """
    row = _lock(id=claim.task_id, attempt=claim.attempt, claimed_by=claim.worker)
    if row is None:
        raise _lost(claim)
    return row, cast("Any", row).db_now


def parent_lock(task_id: str) -> None:
    """Lock a task's parent, if it has one: first, whenever the task's own end may follow.

    Who ends a task tells its parent and those who wait beside it. Locks are taken from the root
    down, so that a part that ends and one that is cancelled never wait for each other.
    """
    rows = Task.objects.select_for_update(of=("self",)).filter(children=task_id).order_by()
    list(rows.values_list("id"))


def fence(claim: Claim, happenings: Happenings) -> None:
    """Lock the claimed task, or raise `ClaimLost`: the first line of every other app's writes.

    What the run has said since the last write is written along, so that it costs no transaction.
    """
    if not happenings.pending:
        _fence_bare(claim)
        return
    task, now = task_fenced(claim)
    happenings_write(task, now, happenings)
    task_save(task)


def _fence_bare(claim: Claim) -> None:
    """Lock the claimed task without reading it: sixty columns cost more than the query itself."""
    with connection.cursor() as cursor:
        cursor.execute(_FENCE, [claim.task_id, claim.attempt, claim.worker])
        if cursor.fetchone() is None:
            raise _lost(claim)


def _lost(claim: Claim) -> ClaimLost:
    return ClaimLost(f"The claim on task {claim.task_id!r} (attempt {claim.attempt}) is lost.")


def happenings_write(task: Task, at: datetime, happenings: Happenings) -> None:
    """Write what a run has said, and nobody has written yet, as events of its locked task.

    Tools that run side by side write from several threads. Only the database knows which of them
    committed: until then, what was written may have to be written again.
    """
    if not happenings.pending:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_current_xact_id()::text, CASE WHEN %(by)s = '' THEN NULL"
            " ELSE pg_xact_status(nullif(%(by)s, '')::xid8) END",
            {"by": happenings.written_by},
        )
        row = cursor.fetchone()
    assert row is not None
    here, before = row
    if happenings.written_by == here:
        return  # this transaction has written them already
    if before == "committed":
        del happenings.pending[: happenings.written]
    said = list(happenings.pending)
    for kind, data in said:
        event_append(task, kind, at, **data)
    happenings.written, happenings.written_by = len(said), here


def task_locked(*, workspace_id: str, task_id: str) -> tuple[Task, datetime]:
    """Lock a workspace's task for a door's write.

    Raises:
        TaskUnknown: There is none with this id here.
    """
    row = _lock(id=task_id_read(task_id), workspace_id=workspace_id)
    if row is None:
        raise TaskUnknown(f"There is no task {task_id!r}.", field="task_id")
    return row, cast("Any", row).db_now


def event_append(task: Task, type_: str, at: datetime, **data: Any) -> None:  # noqa: ANN401 -- JSON values
    """Append an event to a locked task; it is written, with the counter, by `task_save`."""
    assert transaction.get_connection().in_atomic_block  # the seq is only safe under the lock
    task.event_seq += 1
    event = Event(task=task, seq=task.event_seq, type=type_, at=at, data=data)
    unwritten: list[Event] | None = vars(task).get(_UNWRITTEN)
    if unwritten is None:
        vars(task)[_UNWRITTEN] = [event]
        transaction.on_commit(partial(_none_left, task))
    else:
        unwritten.append(event)


def events_write(task: Task) -> None:
    """Write the events that were appended to a task: all of them in one statement."""
    unwritten: list[Event] = vars(task).get(_UNWRITTEN) or []
    if not unwritten:
        return
    vars(task)[_UNWRITTEN] = []
    Event.objects.bulk_create(unwritten)
    for event in unwritten:
        if told(event.type, is_part=task.parent_id is not None):
            shown = {"seq": event.seq, "type": event.type, "at": event.at.isoformat()}
            event_queue(task, event.type, {**shown, "data": event.data})


def _none_left(task: Task) -> None:
    left = vars(task).pop(_UNWRITTEN, None)
    if left:
        raise AssertionError(f"Never written: {[event.type for event in left]}; use task_save.")


def task_save(task: Task, *fields: str) -> None:
    """Save the named fields and the event counter, write the events, and hint to whoever waits."""
    events_write(task)
    task.save(update_fields=["event_seq", *fields])
    live.task_announce(str(task.id))


def phase_begin(task: Task, phase: Phase | None, at: datetime) -> None:
    """Move a locked task's cursor to a phase; the caller saves `phase` and `phase_started_at`."""
    task.phase = phase.value if phase else None
    task.phase_started_at = at if phase else None
    if phase:
        event_append(task, "phase.started", at, phase=phase.value, cycle=task.cycle)


def phase_record(task: Task, phase: Phase, at: datetime, *, inputs: Json, result: object) -> None:
    """Write down what a phase concluded; a second record of the same phase and cycle cannot be."""
    dumped = value_dump(result)
    PhaseRecord.objects.create(
        task=task,
        cycle=task.cycle,
        phase=phase.value,
        inputs=inputs,
        result=dumped,
        attempt=task.attempt,
        started_at=task.phase_started_at or at,
        ended_at=at,
    )
    event_append(
        task, "phase.ended", at, phase=phase.value, cycle=task.cycle, summary=_summary(dumped)
    )


def _summary(dumped: Json) -> Json:
    """Keep events small: long texts and lists stay in the record."""
    short: Json = {}
    for key, value in dumped.items():
        if isinstance(value, str) and len(value) > 300:  # noqa: PLR2004 -- a line or two
            short[key] = value[:297] + "…"
        elif isinstance(value, list) and key in {"citations", "components"}:
            short[f"{key}_count"] = len(value)
        else:
            short[key] = value
    return short
