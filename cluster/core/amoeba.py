"""The loop: from what is recorded, what comes next. Pure; the shells perform and record it."""

from dataclasses import replace

from cluster.core.phases import adapt, evaluate, execute, match, scale, sense
from cluster.core.steps import (
    Finish,
    Forge,
    ForgeOutcome,
    HoldAuction,
    InsideStep,
    JudgeOutcome,
    NextCycle,
    OutsideOutcome,
    OutsideStep,
    PlanOutcome,
    PlanSplit,
    Record,
    RunAgent,
    RunOutcome,
    SenseOutcome,
    Settle,
    Step,
    TakeSlot,
    Written,
)
from cluster.core.types import (
    Adapted,
    Executed,
    Matched,
    Outcome,
    Scaled,
    Sensed,
    Status,
    TaskView,
    Verdict,
)

MAX_CRASHES = 3
# Ends that another attempt cannot better.
_FINAL_OUTCOMES = frozenset({Outcome.OVER_BUDGET, Outcome.CANCELLED})


def next_step(view: TaskView) -> Step:  # noqa: PLR0911 -- one line a phase, read from the top
    """Return what comes next for a task, from what is recorded of it and nothing else."""
    stop = _stop(view)
    if stop:
        return stop
    if view.sensed is None:
        return sense.step(view)
    if view.matched is None:
        return match.step(view, view.sensed)
    if view.matched.node_id is None:
        return match.nobody(view.matched.reason)
    if view.scaled is None:
        return scale.step(view, view.sensed)
    if view.scaled.split and not view.spawned:
        return scale.spawn(view.scaled)
    if view.executed is None:
        return execute.step(view, view.matched, view.scaled)
    if view.verdict is None:
        return evaluate.step(view.executed)
    if view.adapted is None:
        return adapt.step(view.matched, view.scaled, view.executed, view.verdict)
    return _after(view, view.executed, view.verdict)


def conclude(view: TaskView, step: OutsideStep, outcome: OutsideOutcome) -> InsideStep:
    """Return what an outside step's outcome means for the task."""
    match outcome:
        case SenseOutcome():
            return sense.conclude(view, outcome)
        case PlanOutcome():
            assert isinstance(step, PlanSplit)
            return Record(result=scale.conclude(view, step, outcome.reply, outcome.repaired))
        case RunOutcome():
            assert isinstance(step, RunAgent)
            return execute.conclude(view, outcome)
        case JudgeOutcome():
            return evaluate.conclude(view, outcome)
        case ForgeOutcome():
            assert isinstance(step, Forge)
            return match.forged(step, outcome)


def advance(  # noqa: PLR0911 -- one line a kind of step
    view: TaskView, step: InsideStep, written: Written
) -> TaskView | None:
    """Return the view after a step was written, or None where it has to be read again.

    Whoever holds the claim is the only one who writes a task's phases, so what was recorded is
    known without reading it; children, questions and a new cycle are not.
    """
    fresh = replace(view, now=written.now, cancel_requested=written.cancel_requested)
    match step:
        case Record(result=Sensed() as sensed):
            return replace(fresh, sensed=sensed, unavailable_s=0.0)
        case Record(result=Scaled()) if isinstance(written.result, Scaled) and written.result.split:
            return None  # its parts are there
        case Record(result=Scaled() as planned):
            scaled = written.result if isinstance(written.result, Scaled) else planned
            return replace(fresh, scaled=scaled, unavailable_s=0.0)
        case Record(result=Executed() as executed):
            spent = view.spent + executed.cost
            return replace(fresh, executed=executed, spent=spent, unavailable_s=0.0)
        case Record(result=Verdict() as verdict):
            return replace(fresh, verdict=verdict, unavailable_s=0.0)
        case HoldAuction() if isinstance(written.result, Matched):
            return replace(fresh, matched=written.result, holds_slot=True, unavailable_s=0.0)
        case TakeSlot():
            return replace(fresh, holds_slot=True)
        case Settle() if isinstance(written.result, Adapted):
            return replace(fresh, adapted=written.result)
        case _:
            return None


def _stop(view: TaskView) -> Finish | None:
    """Return the end that comes from outside the phases: cancelled, too late, or poison."""
    if view.cancel_requested:
        return Finish(
            status=Status.CANCELLED,
            outcome=Outcome.CANCELLED,
            error_code="cluster.cancelled",
            error_message="Cancelled on request.",
        )
    if view.crash_count >= MAX_CRASHES and view.adapted is None:
        return Finish(
            status=Status.FAILED,
            outcome=Outcome.FAILED,
            error_code="cluster.poison",
            error_message=(
                f"Set aside: the process running it died {view.crash_count} times at the same step."
            ),
        )
    late = view.task.deadline_at is not None and view.now >= view.task.deadline_at
    if late and view.adapted is None:
        return Finish(
            status=Status.FAILED,
            outcome=Outcome.TIMED_OUT,
            error_code="cluster.deadline_passed",
            error_message="The task's deadline passed.",
            answer=view.executed.answer if view.executed else "",
        )
    return None


def _after(view: TaskView, executed: Executed, verdict: Verdict) -> NextCycle | Finish:
    again = view.replans and bool(executed.failed_parts)
    cycles = view.task.max_cycles + again
    if not verdict.accepted and view.cycle < cycles and _affordable(view, verdict):
        return NextCycle(reason=verdict.comment or verdict.outcome.value)
    return Finish(
        status=Status.SUCCEEDED if verdict.accepted else Status.FAILED,
        outcome=verdict.outcome,
        answer=executed.answer,
        citations=executed.citations,
        score=verdict.score,
        verified=verdict.verified,
        error_code="" if verdict.accepted else executed.error_code or "cluster.rejected",
        error_message="" if verdict.accepted else executed.error_message or verdict.comment,
    )


def _affordable(view: TaskView, verdict: Verdict) -> bool:
    if verdict.outcome in _FINAL_OUTCOMES:
        return False
    if view.executed and view.executed.stop == "unavailable":
        return False
    budget = view.task.budget_usd
    return budget is None or view.spent.cost_usd < budget
