"""What an answer was worth, written down: once per evaluation, with every component."""

from collections import Counter

from agents.models import Run, Violation
from agents.services.context import context_judged
from agents.services.memory_uses import memory_uses_settle
from cluster.core.codec import value_dump, value_load
from cluster.core.types import Executed, Phase, ScorePart, Verdict
from cluster.models import Event, PhaseRecord, Reward, Task
from loomsite.access.ids import uuid_of


def reward_write(
    *, task: Task, verdict: Verdict, node_id: str | None, evaluation: int, source: str = ""
) -> Reward:
    """Keep an evaluation with its components; nothing is ever edited.

    The run, and the memories and sources that it was given, are told how it did. How its steps
    went is kept beside the cycle's own evaluation, and has no weight.
    """
    run_id = _run_id(task)
    workspace_id = str(task.workspace_id)
    score = verdict.score if verdict.verified else None
    if run_id:
        context_judged(workspace_id=workspace_id, run_id=run_id, score=score)
    if run_id and score is not None:
        Run.objects.filter(workspace_id=workspace_id, pk=run_id).update(score=score)
        memory_uses_settle(workspace_id=workspace_id, run_id=run_id, score=score)
    parts = list(verdict.components)
    if evaluation == 0 and run_id and (signals := step_signals(task, run_id)):
        parts.append(signals)
    return Reward.objects.create(
        task=task,
        cycle=task.cycle,
        evaluation=evaluation,
        node_id=node_id,
        score=verdict.score,
        verified=verdict.verified,
        outcome=verdict.outcome.value,
        components=[value_dump(part) for part in parts],
        source=source or verdict.judge,
        comment=verdict.comment,
    )


def step_signals(task: Task, run_id: str) -> ScorePart | None:
    """Return how the tool calls of a cycle's run went, for people to see; None without any."""
    events = Event.objects.filter(task=task)
    began = events.filter(type="cycle.started").order_by("-seq").values_list("seq", flat=True)
    ended = events.filter(type="tool_call.ended", seq__gt=began.first() or 0)
    calls = [
        (data.get("tool"), data.get("arguments"), bool(data.get("ok")))
        for data in ended.values_list("data", flat=True)
    ]
    refused = Violation.objects.filter(run_id=run_id).count()
    if not calls and not refused:
        return None
    wrong = sum(not ok for _, _, ok in calls)
    asked = Counter((tool, arguments) for tool, arguments, _ in calls)
    repeated = sum(count - 1 for count in asked.values())
    tried = max(len(calls), refused)
    detail = f"{len(calls)} tool calls, {wrong} failed, {refused} refused, {repeated} repeated"
    return ScorePart(
        source="steps",
        name="tool_calls",
        score=max(0.0, 1.0 - (wrong + repeated) / tried) if calls else 0.0,
        weight=0.0,
        detail=detail,
    )


def _run_id(task: Task) -> str | None:
    records = PhaseRecord.objects.filter(task=task, cycle=task.cycle, phase=Phase.EXECUTE)
    result = records.values_list("result", flat=True).first()
    run_id = None if result is None else value_load(Executed, result).run_id
    return run_id if uuid_of(run_id) else None  # other drivers name runs as they like
