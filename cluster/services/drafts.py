"""Tasks that wait for a word on a drafted blueprint, and are told when it is spoken elsewhere."""

from agents.services.approvals import approvals_close
from cluster import live
from cluster.core.types import Status
from cluster.models import Forging, Task
from cluster.selectors.spine import database_now
from cluster.services.journal import event_append, task_save
from loomsite.access.ids import uuids_of


def tasks_waiting(*, blueprint_id: str) -> list[Task]:
    """Lock the tasks that wait for a word on a draft: tasks first, as whoever drives them does."""
    rows = Task.objects.select_for_update(of=("self",)).filter(
        forgings__blueprint_id__in=uuids_of([blueprint_id]),
        forgings__state=Forging.State.REVIEW,
        status=Status.INPUT_REQUIRED,
    )
    return list(rows.order_by("id"))


def tasks_wake(*, tasks: list[Task]) -> None:
    """Let tasks go on whose question has been answered elsewhere."""
    now = database_now()
    for task in tasks:
        approvals_close(task_id=str(task.id))
        task.status, task.due_at = Status.QUEUED.value, now
        event_append(task, "input.answered", now, decision="elsewhere")
        task_save(task, "status", "due_at")
        live.task_wake(str(task.id))
