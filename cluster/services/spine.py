"""Writing down what the loop decided: each step one short transaction under the task's fence."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from django.db import connection, transaction
from django.db.models import F

from cluster import live
from cluster.core.phases import scale
from cluster.core.steps import (
    Admit,
    Ask,
    Delegate,
    Finish,
    Forged,
    HoldAuction,
    InsideStep,
    NextCycle,
    Park,
    Record,
    Settle,
    Spawn,
    TakeSlot,
    Written,
)
from cluster.core.types import (
    Adapted,
    Claim,
    Executed,
    Matched,
    Phase,
    Scaled,
    Sensed,
    Status,
    TaskView,
    Verdict,
)
from cluster.models import AgentNode, PhaseRecord, Task, TaskEdge
from cluster.runner import Happenings
from cluster.services.auctions import (
    BUSY_PAUSE_S,
    Hammer,
    auction_hold,
    slot_release,
    slot_take,
)
from cluster.services.domains import goal_seen
from cluster.services.ending import task_finish
from cluster.services.growth import forged_keep
from cluster.services.journal import (
    event_append,
    happenings_write,
    parent_lock,
    phase_begin,
    phase_record,
    task_fenced,
    task_save,
)
from cluster.services.rewards import reward_write
from cluster.services.settlement import node_reached, verdict_settle
from cluster.services.splits import arm_keep, families_lock, parts_settle
from cluster.services.step_checks import learns_online
from cluster.services.waiting import ask, child_create, delegate, park, review

# Checks that hold for each part by itself; a part that builds on others has no sources of its own.
PASSED_ON = frozenset({"cites_sources"})
_CURSOR = ("phase", "phase_started_at", "progress_done", "progress_total", "progress_message")
_NEXT = {
    Phase.SENSE: Phase.MATCH,
    Phase.MATCH: Phase.SCALE,
    Phase.SCALE: Phase.EXECUTE,
    Phase.EXECUTE: Phase.EVALUATE,
    Phase.EVALUATE: Phase.ADAPT,
}
# What a task that was asked to stop does not do any more: it would wait, or others would begin.
_BEGINS = (HoldAuction, TakeSlot, Forged, Admit, Spawn, Park, Ask, Delegate, NextCycle)
_RESULT_PHASE: dict[type, Phase] = {
    Sensed: Phase.SENSE,
    Scaled: Phase.SCALE,
    Executed: Phase.EXECUTE,
    Verdict: Phase.EVALUATE,
}


def step_record(
    *, claim: Claim, view: TaskView, step: InsideStep, happenings: Happenings
) -> Written:
    """Carry out a step for a claimed task and return what became of it.

    Raises:
        ClaimLost: Another worker holds the task now; nothing was written.
    """
    with transaction.atomic():
        if isinstance(step, Finish):
            parent_lock(claim.task_id)
        task, now = task_fenced(claim)
        if happenings.pending:
            happenings_write(task, now, happenings)
            task_save(task)  # not every step saves, and these must not be lost
        if task.cancel_requested_at is not None and isinstance(step, _BEGINS):
            go_on, result = True, None  # asked to stop in the meantime: nothing new is begun
        else:
            go_on, result = _carry_out(task, step, view, now)
        return Written(
            go_on=go_on,
            now=now,
            cancel_requested=task.cancel_requested_at is not None,
            result=result,
        )


def _carry_out(  # noqa: C901, PLR0911, PLR0912 -- one line a step
    task: Task, step: InsideStep, view: TaskView, now: datetime
) -> tuple[bool, Matched | Scaled | Adapted | None]:
    match step:
        case HoldAuction():
            return _auction(task, step, view, now)
        case TakeSlot():
            return _slot_again(task, step, now), None
        case Forged():
            forged_keep(task=task, step=step, now=now)
            task_save(task)
        case Admit():
            return review(task, now), None
        case Settle():
            return True, _settle(task, step, view, now)
        case Record():
            return True, _record(task, step, view, now)
        case Spawn():
            _spawn(task, step, now)
        case NextCycle():
            _next_cycle(task, step, now)
        case Park():
            return park(task, step, asked_at=view.now, now=now), None
        case Ask():
            return ask(task, step, now), None
        case Delegate():
            return delegate(task, step, view.limits, now), None
        case Finish():
            task_finish(task=task, step=step, now=now)
            return False, None
        case _:
            assert_never(step)
    return True, None


def _advance(task: Task, phase: Phase, now: datetime, *fields: str, message: str) -> None:
    """Move the cursor behind a recorded phase."""
    task.unavailable_since, task.unavailable_reason = None, ""
    task.mishap_count, task.crash_count, task.suspicion = 0, 0, 0
    following = _NEXT.get(phase)
    phase_begin(task, following, now)
    task.progress_total = len(Phase)
    task.progress_done = list(Phase).index(phase) + 1
    task.progress_message = message[:500]
    task_save(
        task, *_CURSOR, "unavailable_since", "unavailable_reason", "mishap_count", "crash_count",
        "suspicion", *fields,
    )  # fmt: skip


def _record(task: Task, step: Record, view: TaskView, now: datetime) -> Scaled | None:
    result = step.result
    if isinstance(result, Scaled) and result.split:
        result = _within_cap(task, result, view)
    phase = _RESULT_PHASE[type(result)]
    inputs: dict[str, object] = {"goal_chars": len(task.goal), "attempt": task.attempt}
    if view.rejection:
        inputs["rejection"] = view.rejection.comment
    if view.inputs:
        inputs["inputs"] = [child.id for child in view.inputs]
    phase_record(task, phase, now, inputs=inputs, result=result)
    if step.embedding:
        goal_seen(task=task, embedding=step.embedding, now=now)
    message = f"{phase.value} done"
    if isinstance(result, Scaled) and result.split:
        message = f"split into {len(result.parts)} parts"
    if isinstance(result, Verdict):
        message = f"{result.outcome.value}" + (
            f", score {result.score:.2f}" if result.score else ""
        )
    _advance(task, phase, now, message=message)
    if not isinstance(result, Scaled):
        return None
    if result.split and task.cancel_requested_at is None:
        # At once: between the look at the tree and its growth nobody else may grow it.
        _spawn(task, scale.spawn(result), now)
    return result


def _within_cap(task: Task, scaled: Scaled, view: TaskView) -> Scaled:
    """Return the split if the tree still has room for it; whoever grows the tree waits in line."""
    root_id = task.root_id or task.id
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [str(root_id)])
    size = Task.objects.filter(root_id=root_id).count() + 1
    fresh = sum(part.reuse_task_id is None for part in scaled.parts)
    most = view.limits.max_tree
    return scaled if size + fresh <= most else scale.capped(scaled, size=size, most=most)


def _auction(
    task: Task, step: HoldAuction, view: TaskView, now: datetime
) -> tuple[bool, Matched | None]:
    hammer = auction_hold(task=task, step=step, spent_usd=view.spent.cost_usd, now=now)
    if hammer.kind == "won":
        assert hammer.matched
        matched = hammer.matched
    elif hammer.kind == "forge":
        task.progress_message = hammer.reason[:500]
        task_save(task, "progress_message")
        return True, None
    elif hammer.kind == "nobody" or _impatient(hammer, view):
        matched = Matched(
            node_id=None, agent_id=None, agent=None, auction_id=None, reason=hammer.reason
        )
    else:
        pause = Park(
            status=Status.RUNNING,
            reason=hammer.reason,
            until=now + timedelta(seconds=hammer.pause_s),
            unavailable=hammer.kind == "circuit",
        )
        return park(task, pause, asked_at=now, now=now), None
    phase_record(
        task, Phase.MATCH, now,
        inputs={
            "weights": dict(step.weights), "tools": list(step.tools),
            "without": list(step.without),
        },
        result=matched,
    )  # fmt: skip
    _advance(task, Phase.MATCH, now, message=f"{matched.agent or 'nobody'}: {matched.reason}")
    return True, matched


def _slot_again(task: Task, step: TakeSlot, now: datetime) -> bool:
    """Take a slot for a run that goes on, or wait for one; say which."""
    if slot_take(task=task):
        return True
    pause = Park(
        status=Status.RUNNING,
        reason=f"every slot of {step.agent} is taken",
        until=now + timedelta(seconds=BUSY_PAUSE_S),
    )
    return park(task, pause, asked_at=now, now=now)


def _impatient(hammer: Hammer, view: TaskView) -> bool:
    """Tell whether agents whose endpoint is away have been waited for long enough."""
    return hammer.kind == "circuit" and view.unavailable_s >= view.patience_s


def _spawn(task: Task, step: Spawn, now: datetime) -> None:
    """Create the children; the slot is given back, since a task that waits does no work."""
    if task.spawned_cycle == task.cycle:
        return
    slot_release(task=task, now=now)
    # Kept parts first: one that builds on them need not wait, wherever the plan names them.
    made = {
        part.key: Task.objects.get(id=part.reuse_task_id, parent=task)
        for part in step.parts
        if part.reuse_task_id
    }
    ready: list[Task] = []
    for order, part in enumerate(step.parts):
        if part.reuse_task_id:
            continue
        waits = any(_open(made, key, step) for key in part.depends_on)
        child = child_create(task, now, key=part.key, goal=part.goal, order=order, waits=waits)
        child.tools = list(part.tools)
        child.checks = [
            {**check, "required": False}
            for check in task.checks
            if check.get("kind") in PASSED_ON and not part.depends_on
        ]
        child.context = "\n\n".join(text for text in (task.context, step.shared) if text)
        event_append(child, "task.created", now, parent_id=str(task.id), key=part.key)
        task_save(child, "tools", "checks", "context")
        made[part.key] = child
        if not waits:
            ready.append(child)
    TaskEdge.objects.bulk_create(
        [
            TaskEdge(predecessor=made[key], successor=made[part.key])
            for part in step.parts
            if not part.reuse_task_id
            for key in part.depends_on
        ]
    )
    fresh = [part.key for part in step.parts if not part.reuse_task_id]
    task.spawned_cycle = task.cycle
    task.pending_children = len(fresh)
    task.progress_total, task.progress_done = len(step.parts), len(step.parts) - len(fresh)
    event_append(
        task, "task.split", now,
        children=[{"key": key, "id": str(made[key].id)} for key in fresh],
        kept=len(step.parts) - len(fresh),
    )  # fmt: skip
    task_save(task, "spawned_cycle", "pending_children", "progress_total", "progress_done")
    for child in ready:
        live.task_wake(str(child.id))


def _open(made: dict[str, Task], key: str, step: Spawn) -> bool:
    """Tell whether a dependency has still to be worked on; plans may name a later part."""
    if key in made:
        return made[key].status != Status.SUCCEEDED
    return any(part.key == key for part in step.parts)


def _settle(task: Task, step: Settle, view: TaskView, now: datetime) -> Adapted:
    assert view.sensed
    predicted = view.matched.success_probability if view.matched else None
    families_lock(task=task, view=view, node_id=step.node_id)
    deferred = task.parent_id is not None and not learns_online(task)
    if deferred and step.node_id is not None and not step.hard_error:
        reward_write(task=task, verdict=step.verdict, node_id=step.node_id, evaluation=0)
        adapted = Adapted(settled=0, reason="learned from at the end of the whole")
    else:
        adapted = verdict_settle(
            task=task, step=step, sensed=view.sensed, predicted=predicted, now=now
        )
    if adapted.settled == 0 and (reached := _answered_by(view)):
        node_reached(node_id=reached)
    score = step.verdict.score if step.verdict.verified else None
    parts_settle(task=task, view=view, score=score, now=now)
    if score is not None and not step.hard_error:
        arm_keep(task=task, view=view, score=score, now=now)
    phase_record(
        task, Phase.ADAPT, now, inputs={"node_id": step.node_id, "hard_error": step.hard_error},
        result=adapted,
    )  # fmt: skip
    task.phase = Phase.ADAPT.value
    _advance(task, Phase.ADAPT, now, message=adapted.reason)
    if view.matched and view.matched.node_id and view.executed and view.executed.run_id:
        _count(task, view.matched.node_id, view.executed.cost.cost_usd)
    slot_release(task=task, now=now)
    return adapted


def _answered_by(view: TaskView) -> str | None:
    """Return the winner where its own run ended with an answer."""
    if view.matched is None or view.executed is None or not view.executed.run_id:
        return None
    return view.matched.node_id if view.executed.stop == "answered" else None


def _count(task: Task, node_id: str, cost_usd: Decimal) -> None:
    """Add a run with its cost and time to the node's books, which prices are made from."""
    executed = PhaseRecord.objects.get(task=task, cycle=task.cycle, phase=Phase.EXECUTE.value)
    seconds = (executed.ended_at - executed.started_at).total_seconds()
    AgentNode.objects.filter(id=node_id).update(
        task_count=F("task_count") + 1,
        cost_usd=F("cost_usd") + cost_usd,
        seconds=F("seconds") + seconds,
    )


def _next_cycle(task: Task, step: NextCycle, now: datetime) -> None:
    task.cycle += 1
    task.pending_children = 0
    event_append(task, "cycle.started", now, cycle=task.cycle, reason=step.reason)
    phase_begin(task, Phase.SENSE, now)
    task.progress_done, task.progress_total = 0, len(Phase)
    task.progress_message = f"cycle {task.cycle}: {step.reason}"[:500]
    task_save(task, "cycle", "pending_children", *_CURSOR)
