"""A person's answer to what a task waits for."""

from django.db import transaction

from agents.models import Approval
from agents.services.approvals import approval_answer
from cluster import live
from cluster.core.errors import RequestInvalid, TaskConflict
from cluster.core.types import Status
from cluster.models import Task
from cluster.services.journal import event_append, task_locked, task_save


def task_reply(
    *,
    workspace_id: str,
    task_id: str,
    actor: str,
    request_id: str | None = None,
    text: str | None = None,
    decision: str | None = None,
    arguments: object = None,
    door: str = "rest",
) -> None:
    """Answer the question a task waits on, once, and let it go on.

    Without `request_id` the answer is for the question that is open. With `arguments` a tool call
    that is approved is made with these, and the audit says who changed what.

    Raises:
        TaskUnknown: There is none with this id here.
        TaskConflict: It waits for no answer, or for the answer to another question.
        RequestInvalid: Neither a text nor a decision.
        InputInvalid: A decision that was not on offer, or arguments that the tool does not take.
    """
    if not text and not decision:
        raise RequestInvalid("Send `text` or `decision`.", field="text")
    with transaction.atomic():
        task, now = task_locked(workspace_id=workspace_id, task_id=task_id)
        if task.status != Status.INPUT_REQUIRED:
            raise TaskConflict(f"The task is {task.status}: it waits for no answer.")
        asked = request_id or _open_request(task)
        answered = approval_answer(
            workspace_id=workspace_id,
            approval_id=asked,
            task_id=str(task.id),
            by=actor,
            text=text,
            decision=decision,
            arguments=arguments,
            door=door,
        )
        task.status, task.due_at = Status.QUEUED.value, now
        event_append(
            task, "input.answered", now,
            request_id=asked, actor=actor, decision=decision, edited=answered.edited,
        )  # fmt: skip
        task_save(task, "status", "due_at")
        live.task_wake(task_id)


def _open_request(task: Task) -> str:
    row = Approval.objects.filter(task_id=task.id, status=Approval.Status.OPEN).first()
    if row is None:
        raise TaskConflict("The task waits for no answer.")
    return str(row.pk)
