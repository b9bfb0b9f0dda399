"""Writes around a run: its beginning, its end, and what reaches it from outside while it waits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.db import transaction
from django.utils import timezone

from agents.core.errors import NotFound
from agents.core.types import Citation, RunRequest, RunResult, StopReason, Usage
from agents.models import Agent, AgentVersion, Reservation, Run, Session, ToolEffect
from agents.services.holdouts import held_out_of
from agents.store import ledger
from agents.store.codec import storable
from loomsite.access.ids import uuid_of

Fence = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOpened:
    """What a run is made from; `result` is there when it had ended before, and stands.

    `begun_count`: how often a process began it or took it up before. `held_out`: what it goes
    without, by lot.
    """

    version_id: str
    spec: dict[str, Any]
    begun_count: int = 0
    held_out: tuple[str, ...] = ()
    result: RunResult | None = None


def run_open(*, request: RunRequest, fence: Fence) -> RunOpened:
    """Begin a run with the agent's current version, or take it up again with the one it began with.

    Raises:
        NotFound: No such agent in this workspace.
    """
    with transaction.atomic():
        fence()
        row = _run(request)
        before = 0 if row is None else row.begun_count
        if row is None:
            row = _begin(request)
        elif row.status != Run.Status.ENDED:
            Run.objects.filter(pk=row.pk).update(
                status=Run.Status.RUNNING, stop="", begun_count=before + 1
            )
        ended = _result(row) if row.status == Run.Status.ENDED else None
        return RunOpened(
            version_id=str(row.version.pk),
            spec=row.version.spec,
            begun_count=before,
            held_out=tuple(row.held_out),
            result=ended,
        )


def run_close(
    *,
    request: RunRequest,
    result: RunResult,
    model: str,
    fence: Fence,
    context_used: Mapping[str, float] | None = None,
) -> None:
    """Keep how a run ended or why it waits; an ended one gives back the money it still holds.

    `context_used` says how much of each source's text its answer used, see `services.context`.
    """
    waits = {"suspended": Run.Status.SUSPENDED, "unavailable": Run.Status.RUNNING}
    status = waits.get(result.stop, Run.Status.ENDED)
    with transaction.atomic():
        fence()
        rows = Run.objects.filter(workspace_id=request.workspace_id, pk=request.run_id)
        if not rows.exists():
            return  # it never began: there was no such agent
        rows.update(
            status=status,
            stop=result.stop,
            answer=storable(result.text),
            citations=[_citation(citation) for citation in result.citations],
            error_code=result.error_code[:100],
            error_message=storable(result.error_message),
            model=model[:200],
            session=_session(request),
            context_used=dict(context_used or {}),
            ended_at=timezone.now() if status == Run.Status.ENDED else None,
        )
        if status == Run.Status.ENDED:
            held = Reservation.objects.select_for_update().filter(
                workspace_id=request.workspace_id,
                task_id=request.task_id,
                key__startswith=f"{request.run_id}:",
                state=Reservation.State.OPEN,
            )
            ledger.release(held.order_by("pk"))


def task_release(*, workspace_id: str, task_id: str) -> None:
    """End what a task that is over still holds: its open runs and the money set aside for calls.

    For tasks whose worker died and that nobody takes up again, such as cancelled ones. Call it in
    the transaction that ends the task.
    """
    Run.objects.filter(workspace_id=workspace_id, task_id=task_id).exclude(
        status=Run.Status.ENDED
    ).update(status=Run.Status.ENDED, stop="cancelled", ended_at=timezone.now())
    held = Reservation.objects.select_for_update().filter(
        workspace_id=workspace_id, task_id=task_id, state=Reservation.State.OPEN
    )
    ledger.release(held.order_by("pk"))


def effect_settle(
    *, workspace_id: str, run_id: str, key: str, tool: str, ok: bool, result: str
) -> None:
    """Give a waiting call its outcome: a child task's answer, what a person knows of it.

    Call it in the transaction that wakes the run's task. Again with the same key changes nothing.
    """
    ended = {
        "state": ToolEffect.State.DONE if ok else ToolEffect.State.FAILED,
        "result": storable(result),
        "ended_at": timezone.now(),
    }
    _, new = ToolEffect.objects.get_or_create(
        run_id=run_id,
        key=key,
        defaults={
            "workspace_id": workspace_id,
            "step": 0,
            "tool": storable(tool)[:128],
            "begun_at": timezone.now(),
            **ended,
        },
    )
    if not new:
        ToolEffect.objects.filter(
            workspace_id=workspace_id, run_id=run_id, key=key, state=ToolEffect.State.BEGUN
        ).update(**ended)


def _run(request: RunRequest) -> Run | None:
    rows = Run.objects.select_for_update(of=("self",)).select_related("version")
    return rows.filter(workspace_id=request.workspace_id, pk=request.run_id).first()


def _begin(request: RunRequest) -> Run:
    agents = Agent.objects.filter(workspace_id=request.workspace_id)
    agent = agents.filter(pk=uuid_of(request.agent_id)).first()
    if agent is None:
        raise NotFound(kind="agent", name=request.agent_id)
    version = AgentVersion.objects.get(agent=agent, number=agent.version_number)
    return Run.objects.create(
        id=request.run_id,
        workspace_id=request.workspace_id,
        task_id=request.task_id,
        root_task_id=request.root_task_id,
        agent=agent,
        version=version,
        goal=request.goal,
        held_out=held_out_of(workspace_id=request.workspace_id, run_id=request.run_id),
        begun_count=1,
        started_at=timezone.now(),
    )


def _session(request: RunRequest) -> Session | None:
    if not request.session_id:
        return None
    rows = Session.objects.filter(workspace_id=request.workspace_id, agent_id=request.agent_id)
    return rows.filter(key=request.session_id).first()


def _citation(citation: Citation) -> dict[str, Any]:
    return {
        "document_id": citation.document_id,
        "chunk_id": citation.chunk_id,
        "start": citation.start,
        "end": citation.end,
        "quote": storable(citation.quote),
    }


def _result(row: Run) -> RunResult:
    return RunResult(
        stop=cast(StopReason, row.stop),
        text=row.answer,
        citations=tuple(Citation(**citation) for citation in row.citations),
        usage=Usage(
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            cost_usd=row.cost_usd,
        ),
        step_count=row.step_count,
        error_code=row.error_code,
        error_message=row.error_message,
    )
