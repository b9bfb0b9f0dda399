"""A run's trace in pages: thousands of steps are read a hundred at a time, without their text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from agents.core.errors import NotFound
from agents.models import Approval, Run, Step, ToolEffect
from loomsite.access.ids import uuid_of

TRACE_PAGE: Final = 100
POINTS_MOST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCall:
    """A tool call in a trace, without its text."""

    tool: str
    state: str
    latency_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedStep:
    """A model call in a trace, without its text."""

    index: int
    model: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal
    latency_ms: int
    at: datetime
    calls: Sequence[TracedCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What filled the context window at one step, and what was left out of it.

    `growth` is the prompt's size over the run: pairs of step and tokens, at most `POINTS_MOST`.
    """

    index: int
    prompt_tokens: int
    sources: Sequence[Mapping[str, Any]]
    growth: Sequence[tuple[int, int]]
    last: int


def run_trace(
    *, workspace_id: str, run_id: str, start: int = 0, limit: int = TRACE_PAGE
) -> list[TracedStep]:
    """Return a run's steps from number `start` on, in order.

    Raises:
        NotFound: No such run in this workspace.
    """
    run = _run(workspace_id, run_id)
    steps = list(
        Step.objects.filter(run=run, index__gte=start)
        .order_by("index")
        .defer("message", "report")[:limit]
    )
    calls: dict[int, list[TracedCall]] = {}
    if steps:
        effects = ToolEffect.objects.filter(
            run=run, step__gte=steps[0].index, step__lte=steps[-1].index
        )
        named = effects.order_by("step", "pk").values_list("step", "tool", "state", "latency_ms")
        for step, tool, state, latency_ms in named[: 20 * limit]:
            calls.setdefault(step, []).append(
                TracedCall(tool=tool, state=state, latency_ms=latency_ms)
            )
    return [
        TracedStep(
            index=step.index,
            model=step.model,
            finish_reason=step.finish_reason,
            prompt_tokens=step.prompt_tokens,
            completion_tokens=step.completion_tokens,
            cached_tokens=step.cached_tokens,
            reasoning_tokens=step.reasoning_tokens,
            cost_usd=step.cost_usd,
            latency_ms=step.latency_ms,
            at=step.created_at,
            calls=tuple(calls.get(step.index, ())),
        )
        for step in steps
    ]


def run_step(*, workspace_id: str, run_id: str, index: int) -> dict[str, Any]:
    """Return one step of a run with what was said and called.

    Raises:
        NotFound: No such run in this workspace, or it has no such step.
    """
    run = _run(workspace_id, run_id)
    step = Step.objects.filter(run=run, index=index).first()
    if step is None:
        raise NotFound(kind="step", name=str(index))
    message: Mapping[str, Any] = step.message if isinstance(step.message, dict) else {}
    return {
        "index": step.index,
        "content": message.get("content") or "",
        "reasoning": message.get("reasoning") or "",
        "report": step.report,
        "calls": _calls(workspace_id, run, index),
    }


def _calls(workspace_id: str, run: Run, index: int) -> list[dict[str, Any]]:
    """Return a step's tool calls; `changed_by` names the person who changed one before it ran."""
    effects = list(ToolEffect.objects.filter(run=run, step=index).order_by("pk"))
    changed = Approval.objects.filter(
        workspace_id=workspace_id,
        task_id=run.task_id,
        run_id=run.pk,
        key__in=[effect.key for effect in effects],
        edited__isnull=False,
    )
    edits = {row.key: row for row in changed.order_by("answered_at", "pk")} if effects else {}
    return [
        {
            "tool": effect.tool,
            "arguments": effect.arguments,
            "state": effect.state,
            "result": effect.result,
            "latency_ms": effect.latency_ms,
            "changed_by": edits[effect.key].answered_by if effect.key in edits else "",
            "approval_id": edits[effect.key].pk if effect.key in edits else None,
        }
        for effect in effects
    ]


def run_window(*, workspace_id: str, run_id: str, index: int | None = None) -> Window | None:
    """Return what filled a run's window at a step, the last one when none is named.

    Raises:
        NotFound: No such run in this workspace.
    """
    run = _run(workspace_id, run_id)
    sizes = list(
        Step.objects.filter(run=run).order_by("index").values_list("index", "prompt_tokens")
    )
    if not sizes:
        return None
    wanted = index if index is not None and any(at == index for at, _ in sizes) else sizes[-1][0]
    step = Step.objects.only("report", "prompt_tokens").get(run=run, index=wanted)
    report: Any = step.report if isinstance(step.report, dict) else {}
    every = -(-len(sizes) // POINTS_MOST)
    return Window(
        index=wanted,
        prompt_tokens=step.prompt_tokens,
        sources=[each for each in report.get("context", ()) if isinstance(each, dict)],
        growth=sizes[::every],
        last=sizes[-1][0],
    )


def _run(workspace_id: str, run_id: str) -> Run:
    rows = Run.objects.filter(workspace_id=workspace_id).only("pk")
    row = rows.filter(pk=uuid_of(run_id)).first()
    if row is None:
        raise NotFound(kind="run", name=run_id)
    return row
