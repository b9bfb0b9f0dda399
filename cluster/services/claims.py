"""Who holds which task: claims, leases, and what to think of a worker that died."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from cluster.core.types import Claim, Phase
from cluster.models import Task, Worker
from cluster.services.journal import event_append, events_write, phase_begin, task_save

SUSPECT_DEATHS = 3
SUSPECTED, WATCHED = 1, 2
"""A task's suspicion: to be claimed with no other suspect beside it, and claimed so."""

# Picked by priority, then by the workspace with the fewest in flight, then by age. A row that
# another worker is just taking is skipped, so two workers never wait for each other here. Of the
# tasks that were in flight at three deaths each worker holds one at a time: the next death tells.
_TAKE = """
WITH busy AS (
    SELECT workspace_id, count(*) AS n FROM cluster_task
    WHERE lease_until > clock_timestamp() GROUP BY workspace_id
), due AS (
    SELECT t.id, t.priority, t.due_at,
           coalesce(b.n, 0) + row_number() OVER (
               PARTITION BY w.id ORDER BY t.priority DESC, t.due_at, t.id) AS turn,
           row_number() OVER (
               PARTITION BY t.suspicion > 0 ORDER BY t.priority DESC, t.due_at, t.id) AS nth
    FROM access_workspace w
    CROSS JOIN LATERAL (
        SELECT id, priority, due_at, suspicion FROM cluster_task
        WHERE workspace_id = w.id AND due_at <= clock_timestamp()
          AND (lease_until IS NULL OR lease_until <= clock_timestamp())
        ORDER BY priority DESC, due_at, id LIMIT %(window)s
    ) t
    LEFT JOIN busy b ON b.workspace_id = w.id
), picked AS (
    SELECT c.id, c.lease_until AS lapsed, c.claimed_by AS previous, c.suspicion
    FROM cluster_task c JOIN due ON due.id = c.id
    WHERE c.due_at <= clock_timestamp()
      AND (c.lease_until IS NULL OR c.lease_until <= clock_timestamp())
      AND (c.suspicion = 0 OR due.nth = 1 AND NOT EXISTS (
          SELECT FROM cluster_task h
          WHERE h.claimed_by = %(worker)s AND h.suspicion > 0
            AND h.lease_until > clock_timestamp()))
    ORDER BY due.priority DESC, due.turn, due.due_at, due.id
    LIMIT %(limit)s
    FOR UPDATE OF c SKIP LOCKED
)
UPDATE cluster_task t
SET attempt = t.attempt + 1,
    claimed_by = %(worker)s,
    lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
    started_at = coalesce(t.started_at, clock_timestamp()),
    status = 'running',
    suspicion = CASE WHEN t.suspicion > 0 THEN 2 ELSE 0 END
FROM picked p WHERE t.id = p.id
RETURNING t.id, t.workspace_id, t.attempt, p.lapsed, p.previous, clock_timestamp(),
    p.suspicion
"""


# A row that is being written is skipped, and renewed the next time: one that is stuck must not keep
# the others waiting until they lapse. It is still ours, as the snapshot says.
_RENEW = """
WITH held AS (
    SELECT t.id, t.cancel_requested_at IS NOT NULL AS cancelled
    FROM cluster_task t
    JOIN unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS mine(id, attempt)
      ON t.id = mine.id AND t.attempt = mine.attempt
    WHERE t.claimed_by = %(worker)s AND t.lease_until IS NOT NULL
), free AS (
    SELECT t.id FROM cluster_task t JOIN held ON held.id = t.id FOR UPDATE OF t SKIP LOCKED
), renewed AS (
    UPDATE cluster_task t
    SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
    FROM free WHERE t.id = free.id AND t.claimed_by = %(worker)s AND t.lease_until IS NOT NULL
)
SELECT id, cancelled FROM held
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What became of a worker's claims: `lost` are another's now, `cancelled` are to be stopped."""

    lost: frozenset[str]
    cancelled: frozenset[str]


def claims_take(*, worker: str, limit: int, lease_s: float) -> list[Claim]:
    """Claim up to `limit` due tasks, most urgent first, and return the claims."""
    if limit <= 0:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {"worker": worker, "limit": limit, "lease_s": lease_s, "window": limit + 64},
        )
        rows = cursor.fetchall()
        claims = [
            Claim(task_id=str(row[0]), workspace_id=str(row[1]), attempt=row[2], worker=worker)
            for row in rows
        ]
        lapsed = {str(row[0]): row[4] for row in rows if row[3] is not None}
        watched = {str(row[0]) for row in rows if row[6] == WATCHED}
        if claims:
            cursor.execute(
                "UPDATE cluster_worker SET running = running + %s WHERE name = %s",
                [len(claims), worker],
            )
            _note(claims, lapsed, watched, rows[0][5])
    return claims


def _note(claims: Sequence[Claim], lapsed: dict[str, str], watched: set[str], at: datetime) -> None:
    """Write each claim's event, and count the deaths at one and the same step."""
    tasks = {str(t.id): t for t in Task.objects.filter(id__in=[c.task_id for c in claims])}
    steps = _steps_recorded(list(lapsed))
    crowds = _crowds(lapsed.values())
    for claim in claims:
        task = tasks[claim.task_id]
        if claim.task_id not in lapsed:
            if claim.attempt == 1:
                event_append(task, "task.started", at, worker=claim.worker)
                phase_begin(task, Phase.SENSE, at)
                task_save(task, "phase", "phase_started_at")
            continue
        if lapsed[claim.task_id] == claim.worker:
            continue  # late with its heartbeat, as when the database was away: not dead
        marker = f"{task.cycle}/{task.phase}/{steps.get(claim.task_id, 0)}"
        alone = claim.task_id in watched or crowds.get(lapsed[claim.task_id], 0) <= 1
        event_append(
            task, "task.taken_over", at,
            worker=claim.worker, previous=lapsed[claim.task_id], step=marker, alone=alone,
        )  # fmt: skip
        events_write(task)  # this death is counted too
        deaths, task.crash_count = _deaths(task, marker)
        if deaths >= SUSPECT_DEATHS and not task.suspicion:
            task.suspicion = SUSPECTED
        task_save(task, "crash_count", "suspicion")


def _crowds(workers: Iterable[str]) -> dict[str, int]:
    """Return how many tasks each of these workers held when it was last seen."""
    rows = Worker.objects.filter(name__in=set(workers)).values_list("name", "running")
    return dict(rows)


def _deaths(task: Task, marker: str) -> tuple[int, int]:
    """Return how many workers died at one and the same step of a task, and how many of them of it.

    One that was seen again afterwards was only late, as on a machine that is too busy. One that
    held many tasks may have died of any of them, or been killed: that counts against none, until
    the task has been claimed with no other suspect beside it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(DISTINCT e.data->>'previous'),
                   count(DISTINCT e.data->>'previous') FILTER (WHERE (e.data->>'alone')::bool)
            FROM cluster_event e
            LEFT JOIN cluster_worker w ON w.name = e.data->>'previous'
            WHERE e.task_id = %s AND e.type = 'task.taken_over' AND e.data->>'step' = %s
              AND (w.seen_at IS NULL OR w.seen_at < e.at)
            """,
            [task.pk, marker],
        )
        row = cursor.fetchone()
    assert row is not None
    return row[0], row[1]


def _steps_recorded(task_ids: Sequence[str]) -> dict[str, int]:
    """Return how many model calls and effects of each task are journaled: its progress."""
    if not task_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT r.task_id, (SELECT count(*) FROM agents_step s WHERE s.run_id = r.id)
                 + (SELECT count(*) FROM agents_tooleffect e WHERE e.run_id = r.id)
            FROM agents_run r WHERE r.task_id = ANY(%s)
            """,
            [list(task_ids)],
        )
        counts: dict[str, int] = {}
        for task_id, n in cursor.fetchall():
            counts[str(task_id)] = counts.get(str(task_id), 0) + n
    return counts


def leases_renew(*, claims: Sequence[Claim], worker: str, lease_s: float) -> Renewal:
    """Extend a worker's leases in one statement; say which claims are lost or to be stopped."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RENEW,
            {
                "lease_s": lease_s,
                "ids": [claim.task_id for claim in claims],
                "attempts": [claim.attempt for claim in claims],
                "worker": worker,
            },
        )
        alive = {str(task_id): cancelled for task_id, cancelled in cursor.fetchall()}
    return Renewal(
        lost=frozenset(claim.task_id for claim in claims) - alive.keys(),
        cancelled=frozenset(task_id for task_id, cancelled in alive.items() if cancelled),
    )


def cancels_pending(*, claims: Sequence[Claim]) -> frozenset[str]:
    """Return which of these tasks somebody asked to stop."""
    ids = Task.objects.filter(
        id__in=[claim.task_id for claim in claims], cancel_requested_at__isnull=False
    ).values_list("id", flat=True)
    return frozenset(str(task_id) for task_id in ids)


def claims_release(*, claims: Sequence[Claim], worker: str) -> None:
    """Give claims back unfinished, as a worker that stops does; not a death, nothing is counted."""
    if not claims:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cluster_task t SET lease_until = NULL, claimed_by = ''
            FROM unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS held(id, attempt)
            WHERE t.id = held.id AND t.attempt = held.attempt AND t.claimed_by = %(worker)s
            """,
            {
                "ids": [claim.task_id for claim in claims],
                "attempts": [claim.attempt for claim in claims],
                "worker": worker,
            },
        )


def worker_seen(*, name: str, slots: int, running: int) -> None:
    """Note that a reactor lives."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cluster_worker (name, started_at, seen_at, slots, running)
            VALUES (%(name)s, clock_timestamp(), clock_timestamp(), %(slots)s, %(running)s)
            ON CONFLICT (name) DO UPDATE
            SET seen_at = clock_timestamp(), running = EXCLUDED.running, stopped_at = NULL
            """,
            {"name": name, "slots": slots, "running": running},
        )


def worker_stopped(*, name: str) -> None:
    """Note that a reactor ended as it should."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cluster_worker SET stopped_at = clock_timestamp(), running = 0 WHERE name = %s",
            [name],
        )
