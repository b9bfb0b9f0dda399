"""The parts of a task's page that are read when they are looked at."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.http import Http404, HttpRequest

from agents.core.errors import NotFound
from agents.selectors.runs import run_list, runs_artifacts
from agents.selectors.traces import TRACE_PAGE, Window, run_step, run_trace, run_window
from cluster.admin.task_page import said
from cluster.models import Task
from cluster.selectors.tasks import task_auction, task_events, task_rewards
from loomsite.access.admin.parts import Part

EVENTS_SHOWN: Final = 200
_RUNS_SHOWN: Final = 50

PARTS: Final = (
    Part(name="auction", template="loom/admin/task_auction.html", run="part_auction"),
    Part(name="trace", template="loom/admin/task_trace.html", run="part_trace"),
    Part(name="step", template="loom/admin/task_step.html", run="part_step"),
    Part(name="window", template="loom/admin/task_window.html", run="part_window"),
    Part(name="rewards", template="loom/admin/task_rewards.html", run="part_rewards"),
    Part(name="artifacts", template="loom/admin/task_artifacts.html", run="part_artifacts"),
    Part(name="events", template="loom/admin/task_events.html", run="part_events"),
)


class TaskParts:
    """The methods that read the parts; each is given a task that the person may see."""

    def part_auction(self, request: HttpRequest, task: Task) -> dict[str, Any]:  # noqa: ARG002 -- a part's signature
        auctions = task_auction(workspace_id=str(task.workspace_id), task_id=str(task.pk))
        return {"auctions": [auction_shown(each) for each in auctions]}

    def part_trace(self, request: HttpRequest, task: Task) -> dict[str, Any]:
        home = str(task.workspace_id)
        runs = run_list(workspace_id=home, task_id=str(task.pk))
        chosen = _chosen(runs, request.GET.get("run", ""))
        start = _whole(request.GET.get("start")) or 0
        steps = run_trace(workspace_id=home, run_id=chosen.id, start=start) if chosen else []
        longest = max((step.latency_ms for step in steps), default=0) or 1
        return {
            "runs": runs[-_RUNS_SHOWN:],
            "run": chosen,
            "start": start,
            "steps": [
                {"step": step, "share": f"{100 * step.latency_ms / longest:.1f}"} for step in steps
            ],
            "before": max(start - TRACE_PAGE, 0) if start else None,
            "after": start + TRACE_PAGE if len(steps) == TRACE_PAGE else None,
            "last": max((chosen.step_count if chosen else 0) - TRACE_PAGE, 0),
        }

    def part_step(self, request: HttpRequest, task: Task) -> dict[str, Any]:
        chosen = self._run_of(request, task)
        try:
            step = run_step(
                workspace_id=str(task.workspace_id),
                run_id=chosen.id,
                index=_whole(request.GET.get("step")) or 0,
            )
        except NotFound:
            raise Http404 from None
        return {"step": step}

    def part_window(self, request: HttpRequest, task: Task) -> dict[str, Any]:
        home = str(task.workspace_id)
        runs = run_list(workspace_id=home, task_id=str(task.pk))
        chosen = _chosen(runs, request.GET.get("run", ""))
        if chosen is None:
            return {"window": None}
        index = _whole(request.GET.get("step"))
        window = run_window(workspace_id=home, run_id=chosen.id, index=index)
        return {
            "run": chosen,
            "runs": runs[-_RUNS_SHOWN:],
            "window": window_shown(window) if window else None,
        }

    def part_rewards(self, request: HttpRequest, task: Task) -> dict[str, Any]:  # noqa: ARG002 -- a part's signature
        return {"rewards": task_rewards(workspace_id=str(task.workspace_id), task_id=str(task.pk))}

    def part_artifacts(self, request: HttpRequest, task: Task) -> dict[str, Any]:  # noqa: ARG002 -- a part's signature
        home = str(task.workspace_id)
        runs = run_list(workspace_id=home, task_id=str(task.pk))
        return {"artifacts": runs_artifacts(workspace_id=home, run_ids=[run.id for run in runs])}

    def part_events(self, request: HttpRequest, task: Task) -> dict[str, Any]:
        before = _whole(request.GET.get("before")) or task.event_seq + 1
        events = task_events(
            workspace_id=str(task.workspace_id),
            task_id=str(task.pk),
            after=max(0, before - 1 - EVENTS_SHOWN),
            limit=EVENTS_SHOWN,
        )
        shown = [
            {**each, "said": said(each["data"])} for each in events[::-1] if each["seq"] < before
        ]
        first = shown[-1]["seq"] if shown else 0
        return {"events": shown, "older": first if first > 1 else None, "newest": before}

    def _run_of(self, request: HttpRequest, task: Task) -> Any:
        runs = run_list(workspace_id=str(task.workspace_id), task_id=str(task.pk))
        chosen = next((run for run in runs if run.id == request.GET.get("run")), None)
        if chosen is None:
            raise Http404
        return chosen


def auction_shown(auction: Mapping[str, Any]) -> dict[str, Any]:
    """Return an auction with its filters in words and its winner's bid marked."""
    excluded = {str(why).replace("_", " "): count for why, count in auction["excluded"].items()}
    bids = [{**bid, "won": bid["agent"] == auction["winner"]} for bid in auction["bids"]]
    return {**auction, "excluded": excluded, "bids": bids}


def window_shown(window: Window) -> dict[str, Any]:
    """Return the window's sources with their shares, and the rest of the prompt as one more."""
    sources = [
        {
            "name": str(each.get("source", "")),
            "tokens": _count(each.get("tokens")),
            "kept": _count(each.get("kept")),
            "left_out": _count(each.get("left_out")),
            "why": str(each.get("why") or ""),
        }
        for each in window.sources
    ]
    known = sum(each["tokens"] for each in sources)
    rest = window.prompt_tokens - known
    if rest > 0:
        name = "instructions, goal, tools and turns"
        sources.append({"name": name, "tokens": rest, "kept": 0, "left_out": 0, "why": ""})
    whole = max(window.prompt_tokens, known, 1)
    shown = [{**each, "share": f"{100 * each['tokens'] / whole:.1f}"} for each in sources]
    return {
        "index": window.index,
        "last": window.last,
        "before": window.index - 1 if window.index else None,
        "after": window.index + 1 if window.index < window.last else None,
        "prompt_tokens": window.prompt_tokens,
        "sources": shown,
        "left_out": sum(each["left_out"] for each in sources),
        "growth": [tokens for _, tokens in window.growth],
    }


def _chosen(runs: Sequence[Any], wanted: str) -> Any:
    """Return the run that is asked for, else the latest."""
    return next((run for run in runs if run.id == wanted), runs[-1] if runs else None)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004 -- what a column holds


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
