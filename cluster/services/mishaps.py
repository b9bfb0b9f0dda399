"""A task whose driving raised: another try, and after the third it is set aside."""

from datetime import timedelta

from django.db import transaction

from cluster.core.steps import Finish
from cluster.core.types import Claim, Outcome, Status
from cluster.services.ending import task_finish
from cluster.services.journal import event_append, parent_lock, task_fenced, task_save

MISHAPS_MAX = 3
PAUSE_S = 1.0


def mishap_record(*, claim: Claim, error: str) -> None:
    """Note an error of our own while driving a task, and try again later or give the task up.

    `error` names its type; what it says may quote rows and belongs into the log only.

    Raises:
        ClaimLost: Another worker holds it now.
    """
    with transaction.atomic():
        parent_lock(claim.task_id)
        task, now = task_fenced(claim)
        task.mishap_count += 1
        event_append(task, "task.mishap", now, error=error, count=task.mishap_count)
        if task.mishap_count >= MISHAPS_MAX:
            task.save(update_fields=["mishap_count"])
            task_finish(
                task=task,
                step=Finish(
                    status=Status.FAILED,
                    outcome=Outcome.FAILED,
                    error_code="cluster.internal_error",
                    error_message=(
                        f"Set aside after {MISHAPS_MAX} internal errors ({error}): "
                        "the worker's log has the details."
                    ),
                ),
                now=now,
            )
            return
        task.due_at = now + timedelta(seconds=PAUSE_S * 2**task.mishap_count)
        task.lease_until, task.claimed_by = None, ""
        task_save(task, "mishap_count", "due_at", "lease_until", "claimed_by")
