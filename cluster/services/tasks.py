"""What doors do to tasks: submit, cancel, retry, rate."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Now

from agents.models import Agent
from cluster import live
from cluster.core.codec import value_load
from cluster.core.errors import (
    AgentUnknown,
    IdempotencyConflict,
    RequestInvalid,
    TaskConflict,
    TaskInvalid,
)
from cluster.core.phases import adapt
from cluster.core.rewards import checked_score
from cluster.core.steps import Finish
from cluster.core.submission import Submission, submission_read, task_id_read, text_problem
from cluster.core.types import (
    FINAL,
    Executed,
    Matched,
    Outcome,
    Phase,
    ScorePart,
    Sensed,
    Status,
    Verdict,
)
from cluster.models import PhaseRecord, Reward, Task
from cluster.services.ending import task_finish
from cluster.services.journal import (
    ClockTimestamp,
    event_append,
    parent_lock,
    phase_begin,
    task_locked,
    task_save,
)
from cluster.services.population import domains_ensure
from cluster.services.rewards import reward_write
from cluster.services.settlement import score_settle
from knowledge.models import Collection
from loomsite.access.models import IdempotencyKey

PERSON_WEIGHT = 2.0
COMMENT_MAX = 10_000
REASON_MAX = 500
ORPHANS_AT_ONCE = 100


def task_submit(
    *,
    workspace_id: str,
    actor: str,
    door: str,
    schedule_id: str | None = None,
    **raw: Any,  # noqa: ANN401
) -> tuple[str, bool]:
    """Create a task and return its id and whether it is new.

    The fields of the task come as the REST body has them. A second submission under the same
    idempotency key returns the first one's task.

    Raises:
        TaskInvalid: A field cannot be used (also `GoalInvalid`, `CheckInvalid`, `AgentUnknown`).
        IdempotencyConflict: The key was used for another submission.
    """
    wanted = submission_read(raw)
    domains_ensure(workspace_id=workspace_id)
    agent_id = _agent_id(workspace_id, wanted.agent)
    _collections_known(workspace_id, wanted.collections)
    task_id = str(uuid.uuid4())
    with transaction.atomic():
        if wanted.idempotency_key is not None:
            earlier = _key_taken(workspace_id, wanted, task_id)
            if earlier:
                return earlier, False
        task = Task.objects.create(
            id=task_id,
            workspace_id=workspace_id,
            goal=wanted.goal,
            context=wanted.context,
            agent_id=agent_id,
            checks=list(wanted.checks),
            collections=list(wanted.collections),
            metadata=wanted.metadata,
            priority=wanted.priority,
            budget_usd=wanted.budget_usd,
            max_cycles=wanted.max_cycles,
            min_score=wanted.min_score,
            deadline_at=(
                Now() + timedelta(seconds=wanted.deadline_s) if wanted.deadline_s else None
            ),
            actor=actor,
            door=door,
            schedule_id=schedule_id,
            due_at=Now(),
        )
        task, now = task_locked(workspace_id=workspace_id, task_id=task_id)
        event_append(task, "task.created", now, door=door, actor=actor)
        task_save(task)
        live.task_wake(task_id)
    return task_id, True


def task_cancel(*, workspace_id: str, task_id: str, actor: str, reason: str = "") -> bool:
    """Ask a task and all below it to stop; those that nobody works on end at once.

    Returns whether there was anything to stop: cancelling an ended task changes nothing.

    Raises:
        TaskUnknown: There is none with this id here.
    """
    reason = _line(reason, "reason", REASON_MAX)
    with transaction.atomic():
        parent_lock(task_id_read(task_id))
        task, now = task_locked(workspace_id=workspace_id, task_id=task_id)
        if task.status in FINAL:
            return False
        if task.cancel_requested_at is None:
            task.cancel_requested_at, task.cancel_reason = now, reason
            event_append(task, "task.cancel_requested", now, actor=actor, reason=reason)
        _stop_or_flag(task, now)
    below = Task.objects.filter(parent_id=task_id).exclude(status__in=FINAL)
    for child_id in list(below.values_list("id", flat=True)):
        task_cancel(workspace_id=workspace_id, task_id=str(child_id), actor=actor, reason=reason)
    return True


def orphans_cancel() -> int:
    """Cancel parts whose parent has ended, and return how many.

    A parent is cancelled before its parts are; whoever did it may have died in between.
    """
    left = Task.objects.filter(finished_at=None, parent__finished_at__isnull=False).exclude(
        cancel_requested_at__isnull=False, lease_until__gt=ClockTimestamp()
    )
    rows = list(left.values_list("workspace_id", "id")[:ORPHANS_AT_ONCE])
    for workspace_id, task_id in rows:
        task_cancel(
            workspace_id=str(workspace_id),
            task_id=str(task_id),
            actor="cluster",
            reason="The task it was a part of has ended.",
        )
    return len(rows)


def _stop_or_flag(task: Task, now: Any) -> None:  # noqa: ANN401 -- a datetime
    """End a task that is not being worked on; have the worker of one that is come by."""
    task_save(task, "cancel_requested_at", "cancel_reason")
    if task.lease_until is None or task.lease_until <= now:
        cancelled = Finish(
            status=Status.CANCELLED,
            outcome=Outcome.CANCELLED,
            error_code="cluster.cancelled",
            error_message="Cancelled on request."
            + (f" {task.cancel_reason}" if task.cancel_reason else ""),
        )
        task_finish(task=task, step=cancelled, now=now)


def task_retry(*, workspace_id: str, task_id: str, actor: str) -> None:
    """Give an ended task that did not succeed one more cycle; what it learned so far is kept.

    Raises:
        TaskUnknown: There is none with this id here.
        TaskConflict: It has not ended, or succeeded, or is a part of another task.
    """
    with transaction.atomic():
        task, now = task_locked(workspace_id=workspace_id, task_id=task_id)
        if task.status not in FINAL:
            raise TaskConflict(
                f"The task is {task.status}: only one that has ended can be retried."
            )
        if task.status == Status.SUCCEEDED:
            raise TaskConflict("The task has succeeded: submit its goal again to do it once more.")
        if task.parent_id:
            raise TaskConflict("The task is a part of another: retry that one.")
        if PhaseRecord.objects.filter(task=task, cycle=task.cycle).exists():
            task.cycle += 1
        task.max_cycles = max(task.max_cycles, task.cycle)
        task.status, task.outcome, task.finished_at = Status.QUEUED.value, None, None
        task.error_code, task.error_message = "", ""
        task.cancel_requested_at, task.cancel_reason = None, ""
        task.unavailable_since, task.crash_count, task.suspicion = None, 0, 0
        task.mishap_count = 0
        task.deadline_at = None
        task.answer, task.citations, task.score, task.verified = None, [], None, False
        task.due_at = now
        task.progress_message = "retried"
        event_append(task, "task.retried", now, actor=actor, cycle=task.cycle)
        phase_begin(task, Phase.SENSE, now)
        task_save(
            task, "cycle", "max_cycles", "status", "outcome", "finished_at", "error_code",
            "error_message", "cancel_requested_at", "cancel_reason", "unavailable_since",
            "crash_count", "suspicion", "mishap_count", "deadline_at", "answer", "citations",
            "score", "verified", "due_at", "progress_message", "phase", "phase_started_at",
        )  # fmt: skip
        live.task_wake(task_id)


def task_feedback(
    *, workspace_id: str, task_id: str, score: object, actor: str, comment: str = ""
) -> int:
    """Keep a person's score of an ended task and let the market learn from it; return its number.

    Nothing that was written before is changed: this is one more observation.

    Raises:
        TaskUnknown: There is none with this id here.
        TaskConflict: It has not ended, or no agent answered it.
        ScoreInvalid: The score is not a number in [0, 1].
    """
    value = checked_score(score)
    comment = _line(comment, "comment", COMMENT_MAX)
    with transaction.atomic():
        task, now = task_locked(workspace_id=workspace_id, task_id=task_id)
        if task.status not in FINAL:
            raise TaskConflict(f"The task is {task.status}: rate it when it has ended.")
        records = dict(
            PhaseRecord.objects.filter(task=task, cycle=task.cycle).values_list("phase", "result")
        )
        if Phase.EXECUTE not in records:
            raise TaskConflict("No agent answered this task: there is nothing to rate.")
        earlier = Reward.objects.filter(task=task, cycle=task.cycle).aggregate(n=Max("evaluation"))[
            "n"
        ]
        number = 0 if earlier is None else earlier + 1
        # Whoever won a task that was split did none of the work that is rated, and an outage is
        # nobody's skill.
        executed = value_load(Executed, records[Phase.EXECUTE])
        matched = value_load(Matched, records[Phase.MATCH])
        worked = executed.run_id and not adapt.failed_hard(executed)
        node_id = matched.node_id if worked else None
        part = ScorePart(
            source="person", name=actor, score=value, weight=PERSON_WEIGHT, detail=comment
        )
        verdict = Verdict(
            outcome=Outcome(task.outcome or Outcome.FAILED),
            score=value,
            verified=True,
            accepted=task.status == Status.SUCCEEDED,
            components=(part,),
            comment=comment,
        )
        reward_write(task=task, verdict=verdict, node_id=node_id, evaluation=number, source=actor)
        if node_id:
            score_settle(
                task=task,
                node_id=node_id,
                score=value,
                sensed=value_load(Sensed, records[Phase.SENSE]),
                evaluation=number,
                predicted=None,
                now=now,
            )
        event_append(task, "task.rated", now, score=value, actor=actor, evaluation=number)
        task_save(task)
    return number


def _agent_id(workspace_id: str, slug: str | None) -> str | None:
    if slug is None:
        return None
    row = Agent.objects.filter(workspace_id=workspace_id, slug=slug, enabled=True).first()
    if row is None:
        raise AgentUnknown(f"There is no agent {slug!r} in service here.", field="agent")
    return str(row.pk)


def _collections_known(workspace_id: str, slugs: tuple[str, ...]) -> None:
    known = set(
        Collection.objects.filter(workspace_id=workspace_id, slug__in=slugs).values_list(
            "slug", flat=True
        )
    )
    missing = [slug for slug in slugs if slug not in known]
    if missing:
        raise TaskInvalid(f"There is no collection {missing[0]!r} here.", field="collections")


def _key_taken(workspace_id: str, wanted: Submission, task_id: str) -> str | None:
    """Take an idempotency key; return the task it already belongs to, or nothing.

    Two submissions at once: the second waits here until the first is committed.
    """
    key = wanted.idempotency_key
    digest = _digest(asdict(wanted))
    try:
        with transaction.atomic():
            IdempotencyKey.objects.create(
                workspace_id=workspace_id, key=key, body_sha256=digest, target_id=task_id
            )
    except IntegrityError:
        row = IdempotencyKey.objects.get(workspace_id=workspace_id, key=key)
        if row.body_sha256 != digest:
            raise IdempotencyConflict(
                f"The idempotency key {key!r} was used for another submission: take a new key.",
                field="idempotency_key",
            ) from None
        return str(row.target_id)
    return None


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def _line(value: object, name: str, most: int) -> str:
    if not isinstance(value, str):
        raise RequestInvalid(f"{name} must be a text, not {type(value).__name__}.", field=name)
    if len(value) > most:
        raise RequestInvalid(f"{name} has {len(value):,} characters, at most {most:,}.", field=name)
    problem = text_problem(value)
    if problem:
        raise RequestInvalid(f"{name} {problem}.", field=name)
    return value.strip()
