"""Declared checks of steps: the market learns from each as soon as its step has finished."""

from django.db import transaction

from cluster.core.checks import check_run, step_of
from cluster.core.codec import value_load
from cluster.core.rewards import step_share
from cluster.core.types import Claim, Matched, Phase, Sensed
from cluster.models import PhaseRecord, Task
from cluster.runner import run_id
from cluster.selectors.step_checks import results_of, steps_settled
from cluster.services.journal import event_append, task_fenced, task_save
from cluster.services.settlement import step_settle


def learns_online(task: Task) -> bool:
    """Tell whether parts and steps teach as they finish, and not at the end of the whole."""
    return task.workspace.settings.get("online_learning", True) is not False


def step_checks_settle(claim: Claim) -> int:
    """Let the market learn from the checks of a run's steps that have finished, each once.

    Whoever reads what a step brought comes behind its journal, so that a takeover changes nothing;
    what is not reached before the run ends counts in its evaluation. Returns how many there were.

    Raises:
        ClaimLost: Another worker holds the task now; nothing was written.
    """
    with transaction.atomic():
        task, now = task_fenced(claim)
        if not learns_online(task):
            return 0
        records = dict(
            PhaseRecord.objects.filter(task=task, cycle=task.cycle).values_list("phase", "result")
        )
        if Phase.EXECUTE in records or not {Phase.SENSE, Phase.MATCH} <= records.keys():
            return 0
        matched = value_load(Matched, records[Phase.MATCH])
        assert matched.node_id is not None  # without a winner nothing runs
        found = results_of(
            workspace_id=str(task.workspace_id),
            checks=task.checks,
            run_ids=[run_id(str(task.id), task.cycle)],
        )
        known = steps_settled(task_id=task.id, cycle=task.cycle)
        due = [
            (number, check)
            for number, check in enumerate(task.checks)
            if step_of(check) in found and number not in known
        ]
        for number, check in due:
            result = check_run(check, "", steps=found)
            step_settle(
                task=task, node_id=matched.node_id, number=number, result=result,
                share=step_share(len(task.checks)), sensed=value_load(Sensed, records[Phase.SENSE]),
                now=now,
            )  # fmt: skip
            event_append(
                task, "check.settled", now,
                check=number, kind=result.kind, step=result.step, score=result.score,
                detail=result.detail,
            )  # fmt: skip
        if due:
            task_save(task)
    return len(due)
