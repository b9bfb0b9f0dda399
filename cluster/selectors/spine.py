"""What the loop sees of a task: one short read of everything that is recorded."""

from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Sum

from agents.models import UsageEntry
from cluster.core.codec import value_load
from cluster.core.errors import ClaimLost
from cluster.core.splitting import SplitTable
from cluster.core.types import (
    Adapted,
    ChildView,
    CitedSpan,
    Claim,
    Cost,
    DependencyPolicy,
    Executed,
    Forging,
    Matched,
    Outcome,
    Phase,
    Rejection,
    Scaled,
    Sensed,
    Status,
    TaskSpec,
    TaskView,
    Verdict,
)
from cluster.models import Assignment, Event, PhaseRecord, Task
from cluster.models import Forging as ForgingRow
from cluster.selectors.splits import rates_of, split_table

# This is read at every turn of the loop, and columns are what Django's queries cost.
_SEEN = (
    "workspace_id", "goal", "context", "checks", "collections", "tools", "metadata", "actor",
    "status", "cycle", "max_cycles", "min_score", "budget_usd", "deadline_at", "parent_id",
    "root_id", "depth", "agent_id", "spawned_cycle", "cancel_requested_at", "crash_count",
    "unavailable_since", "unavailable_reason",
)  # fmt: skip
_CHILD_SEEN = (
    "plan_key", "goal", "status", "outcome", "answer", "score", "citations", "error_message",
)  # fmt: skip
_HELD = Assignment.objects.filter(
    task=OuterRef("pk"), cycle=OuterRef("cycle"), state=Assignment.State.ACTIVE
)
PATIENCE_S = 3600.0
PATIENCE_UNPROVEN_S = 30.0
_RESULTS: dict[str, type[Any]] = {
    Phase.SENSE: Sensed,
    Phase.MATCH: Matched,
    Phase.SCALE: Scaled,
    Phase.EXECUTE: Executed,
    Phase.EVALUATE: Verdict,
    Phase.ADAPT: Adapted,
}


def task_view(*, claim: Claim) -> TaskView:
    """Return what the loop may look at.

    Raises:
        ClaimLost: Another worker has claimed the task since.
    """
    with transaction.atomic():
        task = (
            Task.objects.select_related("agent", "root", "workspace")
            .only(*_SEEN, "agent__slug", "root__budget_usd", "workspace__settings")
            .annotate(holds_slot=Exists(_HELD))
            .filter(id=claim.task_id, attempt=claim.attempt, claimed_by=claim.worker)
            .order_by()
            .first()
        )
        if task is None:
            raise ClaimLost(f"The claim on task {claim.task_id!r} is lost.")
        results = _records(task, task.cycle)
        scaled: Scaled | None = results.get(Phase.SCALE)
        now = database_now()
        since = task.unavailable_since
        return TaskView(
            task=task_spec(task),
            now=now,
            status=Status(task.status),
            cycle=task.cycle,
            cancel_requested=task.cancel_requested_at is not None,
            sensed=results.get(Phase.SENSE),
            forging=None if Phase.MATCH in results else _forging(task),
            matched=results.get(Phase.MATCH),
            scaled=scaled,
            executed=results.get(Phase.EXECUTE),
            verdict=results.get(Phase.EVALUATE),
            adapted=results.get(Phase.ADAPT),
            rejection=_rejection(task),
            inputs=_inputs(task),
            children=_children(task, scaled) if scaled and scaled.split else (),
            spawned=task.spawned_cycle == task.cycle,
            holds_slot=cast("Any", task).holds_slot,
            earlier_children=_earlier(task),
            tree_size=Task.objects.filter(root_id=task.root_id or task.id).count() + 1,
            spent=tree_cost(task.root_id or task.id),
            split_table=_split_table(task, results.get(Phase.SENSE), scaled),
            rates=rates_of(task.workspace.settings),
            replans=task.workspace.settings.get("dependency_policy") == DependencyPolicy.REPLAN,
            unavailable_s=(now - since).total_seconds() if since else 0.0,
            unavailable_reason=task.unavailable_reason,
            patience_s=_patience_s(task) if since else PATIENCE_S,
            crash_count=task.crash_count,
        )


def task_spec(task: Task) -> TaskSpec:
    """Return what was asked for; the budget is the whole tree's."""
    root = task.root or task
    return TaskSpec(
        id=str(task.id),
        workspace_id=str(task.workspace_id),
        goal=task.goal,
        context=task.context,
        agent=task.agent.slug if task.agent else None,
        checks=tuple(task.checks),
        budget_usd=root.budget_usd,
        max_cycles=task.max_cycles,
        min_score=task.min_score,
        deadline_at=task.deadline_at,
        collections=tuple(task.collections),
        tools=tuple(task.tools),
        metadata=task.metadata,
        actor=task.actor,
        parent_id=str(task.parent_id) if task.parent_id else None,
        root_id=str(task.root_id or task.id),
        depth=task.depth,
    )


def tree_cost(root_id: object) -> Cost:
    """Return what a whole task tree has cost so far."""
    return _cost(UsageEntry.objects.filter(root_task_id=root_id))


def own_cost(task_id: object) -> Cost:
    """Return what one task's own calls have cost, its children's not counted."""
    return _cost(UsageEntry.objects.filter(task_id=task_id))


def _cost(entries: Any) -> Cost:  # noqa: ANN401 -- a query set
    total = entries.aggregate(
        p=Sum("prompt_tokens"), c=Sum("completion_tokens"), usd=Sum("cost_usd")
    )
    return Cost(
        prompt_tokens=total["p"] or 0,
        completion_tokens=total["c"] or 0,
        cost_usd=total["usd"] or Decimal(0),
    )


def database_now() -> datetime:
    """Return the time by the clock that all leases and deadlines go by."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
        assert row is not None
        return row[0]


def _records(task: Task, cycle: int) -> dict[str, Any]:
    rows = PhaseRecord.objects.filter(task=task, cycle=cycle).values_list("phase", "result")
    return {phase: value_load(_RESULTS[phase], result) for phase, result in rows}


def _forging(task: Task) -> Forging | None:
    row = ForgingRow.objects.filter(task=task, cycle=task.cycle).select_related("best__agent")
    found = row.first()
    if found is None:
        return None
    need = found.need
    return Forging(
        state=found.state,
        action=found.action,
        reason=found.reason,
        tools=tuple(need.get("tools", ())),
        allowed=need.get("allowed", {}),
        denied=need.get("denied", {}),
        domains=tuple(need.get("domains", ())),
        taken=tuple(need.get("taken", ())),
        best=found.best.agent.slug if found.best else "",
    )


def _rejection(task: Task) -> Rejection | None:
    """Return what was wrong in the cycle before; one cut short has no verdict.

    Where a person had the task auctioned anew, that is what was wrong.
    """
    if task.cycle == 1:
        return None
    results = _records(task, task.cycle - 1)
    verdict: Verdict | None = results.get(Phase.EVALUATE)
    matched: Matched | None = results.get(Phase.MATCH)
    executed: Executed | None = results.get(Phase.EXECUTE)
    if verdict is None:
        return _let_go(task)
    return Rejection(
        cycle=task.cycle - 1,
        node_id=matched.node_id if matched else None,
        outcome=verdict.outcome,
        comment=verdict.comment,
        answer=executed.answer if executed else "",
    )


def _let_go(task: Task) -> Rejection | None:
    said = Event.objects.filter(task=task, type="task.reauctioned").order_by("-seq").first()
    if said is None or said.data.get("cycle") != task.cycle:
        return None
    return Rejection(
        cycle=task.cycle - 1,
        node_id=said.data.get("without"),
        outcome=Outcome.CANCELLED,
        comment=str(said.data.get("reason") or "Another agent was asked for."),
    )


def child_view(child: Task) -> ChildView:
    """Return a task as its parent, or the task that depends on it, sees it."""
    return ChildView(
        id=str(child.id),
        key=child.plan_key,
        goal=child.goal,
        status=Status(child.status),
        outcome=Outcome(child.outcome) if child.outcome else None,
        answer=child.answer or "",
        score=child.score,
        citations=tuple(CitedSpan(**citation) for citation in child.citations),
        error_message=child.error_message,
    )


def _children(task: Task, scaled: Scaled) -> tuple[ChildView, ...]:
    """Return the parts' tasks in the plan's order, those kept from an earlier cycle included."""
    kept = {part.reuse_task_id: part.key for part in scaled.parts if part.reuse_task_id}
    parts = Task.objects.filter(parent=task).only(*_CHILD_SEEN).order_by()
    fresh = {c.plan_key: c for c in parts.filter(parent_cycle=task.cycle)}
    again = {str(c.id): c for c in parts.filter(id__in=list(kept))} if kept else {}
    found = [
        again.get(part.reuse_task_id) if part.reuse_task_id else fresh.get(part.key)
        for part in scaled.parts
    ]
    return tuple(child_view(child) for child in found if child is not None)


def _earlier(task: Task) -> tuple[ChildView, ...]:
    if task.cycle == 1:
        return ()
    rows = Task.objects.filter(parent=task, parent_cycle__lt=task.cycle).only(*_CHILD_SEEN)
    rows = rows.order_by("plan_order", "id")
    return tuple(child_view(child) for child in rows)


def _inputs(task: Task) -> tuple[ChildView, ...]:
    rows = Task.objects.filter(edges_out__successor=task).only(*_CHILD_SEEN)
    rows = rows.order_by("plan_order", "id")
    return tuple(child_view(row) for row in rows)


def _split_table(task: Task, sensed: Sensed | None, scaled: Scaled | None) -> SplitTable:
    """Return what splitting was worth so far; nobody asks before SENSE and after SCALE."""
    if sensed is None or scaled is not None:
        return SplitTable()
    return split_table(workspace_id=str(task.workspace_id), domain=sensed.main_domain)


def _patience_s(task: Task) -> float:
    """Wait for an endpoint that has worked before; one that never did is misconfigured."""
    proven = UsageEntry.objects.filter(workspace_id=task.workspace_id).exists()
    return PATIENCE_S if proven else PATIENCE_UNPROVEN_S
