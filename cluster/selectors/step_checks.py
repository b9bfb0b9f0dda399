"""Declared checks of steps: what their tools have brought, and which were learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.selectors.runs import results_of_tools
from cluster.core.checks import CheckResult, step_of
from cluster.core.types import TaskView
from cluster.models import MarketEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A check of a step that was learned from, and how much of the evaluation it was."""

    result: CheckResult
    share: float


def steps_settled(*, task_id: object, cycle: int, node_id: str = "") -> dict[int, Finished]:
    """Return the checks of steps that were learned from in a cycle, by their number."""
    lines = MarketEntry.objects.filter(task_id=task_id, cycle=cycle, kind="step")
    if node_id:
        lines = lines.filter(node_id=node_id)
    return {
        terms["check"]: Finished(
            result=CheckResult(
                kind=terms["kind"],
                required=False,
                passed=terms["score"] >= 1.0,
                score=terms["score"],
                detail=terms["detail"],
                step=terms["step"],
            ),
            share=terms["share"],
        )
        for terms in lines.values_list("terms", flat=True)
    }


def results_of(
    *,
    workspace_id: str,
    checks: Sequence[Mapping[str, object]],
    run_ids: Sequence[str],
    task_ids: Sequence[str] = (),
) -> dict[str, str]:
    """Return by tool what the steps have brought that these checks look at."""
    tools = sorted({step for check in checks if (step := step_of(check))})
    if not tools:
        return {}
    return results_of_tools(
        workspace_id=workspace_id, tools=tools, run_ids=run_ids, task_ids=task_ids
    )


def results_seen(view: TaskView, checks: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Return what the steps of a task's run have brought; of one that was split, its parts' too."""
    run = view.executed.run_id if view.executed else None
    return results_of(
        workspace_id=view.task.workspace_id,
        checks=checks,
        run_ids=[run] if run else [],
        task_ids=[child.id for child in view.children],
    )
