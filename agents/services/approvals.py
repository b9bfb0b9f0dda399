"""Questions to people: asked once, answered once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db import transaction
from django.utils import timezone

from agents.core.errors import AlreadyAnswered, NotFound
from agents.models import Approval, Tool, ToolEffect
from agents.providers.structured import problems_of
from agents.services import rules
from agents.services.runs import effect_settle
from agents.store.codec import json_storable, storable
from loomsite.access.core.errors import InputInvalid
from loomsite.access.ids import uuid_of
from loomsite.access.services import audit_write

_LONGEST_TEXT = 100_000
_LONGEST_TOLD = 2_000
_HAPPENED = "A person said that this call happened; its result is not known."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, and whether somebody answered it in the meantime."""

    id: str
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Whom an answer concerns: the caller wakes that task in the same transaction."""

    task_id: str
    run_id: str | None
    kind: str
    decision: str
    text: str
    edited: bool = False


def approval_open(
    *,
    workspace_id: str,
    task_id: str,
    run_id: str | None,
    key: str,
    kind: str,
    question: str,
    options: Sequence[str] = (),
    detail: Mapping[str, Any] | None = None,
) -> Asked:
    """Ask a person and return the question; asked again, it is the same one.

    A question that was answered is asked anew only when its answer has been used: an effect that
    was approved, begun, and lost again in a crash needs another answer. Call it in the transaction
    that parks the task.
    """
    with transaction.atomic():
        rows = Approval.objects.select_for_update().filter(
            workspace_id=workspace_id, task_id=task_id, run_id=run_id, key=key
        )
        last = rows.exclude(status=Approval.Status.WITHDRAWN).order_by("-created_at").first()
        if last is not None and not _used(last):
            return Asked(id=str(last.pk), answered=last.status == Approval.Status.ANSWERED)
        row = Approval.objects.create(
            workspace_id=workspace_id,
            task_id=task_id,
            run_id=run_id,
            key=key,
            kind=kind,
            question=storable(question),
            options=list(options),
            detail=json_storable(dict(detail or {})),
        )
        return Asked(id=str(row.pk), answered=False)


def approval_answer(
    *,
    approval_id: str,
    workspace_id: str,
    by: str,
    decision: str | None = None,
    text: str | None = None,
    task_id: str | None = None,
    arguments: object = None,
    door: str = "rest",
) -> Answered:
    """Answer a question, once; who changed a call, and how, is in the audit.

    Args:
        approval_id: Whose answer it is.
        workspace_id: The answerer's workspace.
        by: Who answers.
        decision: One of the question's options.
        text: Free text; where there are no options, the answer itself.
        task_id: The task that has to be the one that waits, where the caller knows it.
        arguments: What an approved tool call is made with, in place of what the agent asked for;
            None: as it asked.
        door: Where the answer came in.

    Raises:
        NotFound: No such question in this workspace, or not one of that task.
        AlreadyAnswered: Somebody was first, or it is no longer asked.
        InputInvalid: Neither an option nor text, an option that is not offered, or arguments that
            the tool does not take.
    """
    decision, text = decision or "", text or ""
    rules.validate(
        {"decision": decision, "text": text},
        {"decision": rules.text(200), "text": rules.text(_LONGEST_TEXT)},
    )
    with transaction.atomic():
        rows = Approval.objects.select_for_update().filter(workspace_id=workspace_id)
        row = rows.filter(pk=uuid_of(approval_id)).first()
        if row is None or (task_id is not None and str(row.task_id) != task_id):
            raise NotFound(kind="request", name=approval_id)
        if row.status != Approval.Status.OPEN:
            raise AlreadyAnswered("This request was answered before, or is no longer asked.")
        row.decision, row.text = _chosen(row.options, decision.strip(), text.strip())
        row.edited = None if arguments is None else _edited(row, arguments)
        row.status = Approval.Status.ANSWERED
        row.answered_by, row.answered_at = by[:200], timezone.now()
        row.save()
        if row.edited is not None:
            _audit_edit(row, door)
        _tell_the_run(row)
        return Answered(
            task_id=str(row.task_id),
            run_id=None if row.run_id is None else str(row.run_id),
            kind=row.kind,
            decision=row.decision,
            text=row.text,
            edited=row.edited is not None,
        )


def asked_arguments(row: Approval) -> object:
    """Return the arguments that an agent asked to call a tool with, as JSON where they are."""
    raw = row.detail.get("arguments", "") if isinstance(row.detail, dict) else ""
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        return raw


def approvals_close(*, task_id: str) -> int:
    """Stop asking for a task that is over; return how many questions were open."""
    return Approval.objects.filter(task_id=task_id, status=Approval.Status.OPEN).update(
        status=Approval.Status.WITHDRAWN
    )


def _chosen(options: Sequence[str], decision: str, text: str) -> tuple[str, str]:
    if not options:
        if not text and not decision:
            raise InputInvalid.of("text", "Answer the question in words.")
        return decision, text or decision
    offered = {option.casefold(): option for option in options}
    if not decision and text.casefold() in offered:
        decision, text = text, ""
    if decision.casefold() not in offered:
        raise InputInvalid.of("decision", f"Choose one of: {', '.join(options)}.")
    return offered[decision.casefold()], text


def _edited(row: Approval, arguments: object) -> Any:  # noqa: ANN401 -- a JSON column
    """Return what a call is made with; None where that is what the agent asked for."""
    tool = row.detail.get("tool") if isinstance(row.detail, dict) else None
    if not tool or row.decision not in Approval.APPROVING:
        raise InputInvalid.of("arguments", "Only a tool call that is approved can be changed.")
    rules.validate({"arguments": arguments}, {"arguments": _object})
    found = Tool.objects.filter(workspace_id=row.workspace.pk, name=tool).first()
    if found is None:
        raise InputInvalid.of(
            "arguments", f"What {tool!r} takes is not known any more: it is gone."
        )
    # Ours take no other names than those of their schema; a foreign server's schema says so itself.
    closed = {"additionalProperties": False} if found.source == Tool.Source.BUILTIN else {}
    problems = problems_of(arguments, {**found.parameters, **closed})
    if problems:
        raise InputInvalid.of("arguments", problems.replace("The reply:", "The arguments:"))
    changed = cast("dict[str, Any]", arguments)
    return None if changed == asked_arguments(row) else changed


def _object(value: object) -> str | None:
    if not isinstance(value, dict):
        return "Must be one JSON object, such as {}."
    too_long = len(json.dumps(value)) > _LONGEST_TEXT
    return f"Must be at most {_LONGEST_TEXT:,} characters." if too_long else None


def _audit_edit(row: Approval, door: str) -> None:
    """Write down who changed what; the whole of both is kept with the question."""
    calls = {"asked": asked_arguments(row), "edited": row.edited}
    told = {
        name: json.dumps(call, ensure_ascii=False)[:_LONGEST_TOLD] for name, call in calls.items()
    }
    audit_write(
        workspace_id=row.workspace.pk,
        actor=row.answered_by,
        door=door,
        action="approval.edit",
        target=str(row.pk),
        reason=row.text[:_LONGEST_TOLD],
        detail={"tool": str(row.detail["tool"]), **told},
    )


def _tell_the_run(row: Approval) -> None:
    """Write answers that are outcomes; approvals and refusals the journal reads by itself."""
    if row.run_id is None:
        return
    happened = row.kind == Approval.Kind.UNKNOWN_EFFECT and row.decision == Approval.HAPPENED
    if happened or row.kind == Approval.Kind.QUESTION:
        effect_settle(
            workspace_id=str(row.workspace.pk),
            run_id=str(row.run_id),
            key=row.key,
            tool=str(row.detail.get("tool", "")),
            ok=True,
            result=(row.text or row.decision) if not happened else (row.text or _HAPPENED),
        )


def _used(row: Approval) -> bool:
    return (
        row.status == Approval.Status.ANSWERED
        and ToolEffect.objects.filter(run_id=row.run_id, key=row.key, approval_id=row.pk).exists()
    )
