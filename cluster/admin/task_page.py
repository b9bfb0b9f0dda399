"""What the page of a task shows, read by the same selectors as every other door."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse

from agents.models import Approval
from cluster.admin import inbox
from cluster.core.types import FINAL
from cluster.models import Task
from cluster.selectors.tasks import task_detail, task_tree
from knowledge.selectors import citations_titled
from loomsite.access.admin.display import cut, money, row_url, span

_TREE_MOST = 200


def page(task: Task, now: datetime) -> dict[str, Any]:
    """Return the template's values for the top of a task's page; the rest is read when seen."""
    home, task_id = str(task.workspace_id), str(task.pk)
    detail = task_detail(workspace_id=home, task_id=task_id)
    tree = _rows(task_tree(workspace_id=home, task_id=task_id), task_id)
    return {
        "task": task,
        "detail": detail,
        "cited": citations_titled(workspace_id=home, citations=detail["citations"]),
        "summary": summary(task, detail, now),
        "is_final": task.status in FINAL,
        "asked": _asked(task, detail["request"]),
        "cycles": timeline(detail["phases"], now),
        "tree": tree[:_TREE_MOST],
        "tree_left": max(len(tree) - _TREE_MOST, 0),
    }


def _asked(task: Task, request: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the tool call that a task waits with, and where it can be changed."""
    rows = Approval.objects.filter(workspace_id=task.workspace_id)
    row = rows.filter(pk=request["id"]).first() if request else None
    if row is None:
        return {}
    edit_url = reverse("admin:agents_approval_edit", args=[row.pk]) if inbox.editable(row) else ""
    back = row_url("cluster_task", task.pk)
    return {**inbox.asked(row.detail), "edit_url": edit_url, "back": back}


def said(data: Mapping[str, Any]) -> str:
    """Return an event's data on a line: what is nested is left to the event's own page."""
    return ", ".join(
        f"{key} {cut(value, 80)}"
        for key, value in data.items()
        if value is not None and not isinstance(value, dict | list)
    )


def summary(task: Task, detail: Mapping[str, Any], now: datetime) -> str:
    """Return one sentence that says how a task is doing."""
    spent = f"{detail['tokens']['total']:,} tokens, {money(detail['cost_usd'])}"
    took = span(((task.finished_at or now) - task.created_at).total_seconds())
    by = f" by {detail['agent']}" if detail["agent"] else ""
    if task.status in FINAL:
        score = "" if task.score is None else f", score {task.score:.2f}"
        checked = "" if task.verified or task.score is None else " (not verified)"
        why = f": {cut(task.error_message, 200)}" if task.error_message else ""
        tries = f" in {task.cycle} cycles" if task.cycle > 1 else ""
        return (
            f"{str(task.status).capitalize()}{by} after {took}{tries}{score}{checked}; {spent}{why}"
        )
    doing = str(task.status).replace("_", " ").capitalize()
    phase = f", {str(task.phase).upper()} of cycle {task.cycle}" if task.phase else ""
    said = task.unavailable_reason or task.progress_message
    return f"{doing}{phase} for {took}; {spent}" + (f": {cut(said, 200)}" if said else "")


def timeline(phases: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Return the phases by cycle, each with its duration and its place on one scale, in percent."""
    spans = [
        (
            each,
            datetime.fromisoformat(each["started_at"]),
            datetime.fromisoformat(each["ended_at"]) if each["ended_at"] else now,
        )
        for each in phases
    ]
    if not spans:
        return []
    first = min(start for _, start, _ in spans)
    whole = max((max(end for _, _, end in spans) - first).total_seconds(), 1e-6)
    cycles: dict[int, list[dict[str, Any]]] = {}
    for each, start, end in spans:
        seconds = max((end - start).total_seconds(), 0)
        cycles.setdefault(each["cycle"], []).append(
            {
                "phase": each["phase"],
                "seconds": seconds,
                "open": each["ended_at"] is None,
                "left": f"{min((start - first).total_seconds() / whole, 1) * 100:.2f}",
                "width": f"{min(seconds / whole, 1) * 100:.2f}",
            }
        )
    return [{"cycle": number, "phases": rows} for number, rows in sorted(cycles.items())]


def _rows(node: Mapping[str, Any], here: str, depth: int = 0) -> list[dict[str, Any]]:
    """Return the tree as lines with their depth, in order: templates do not recurse."""
    line = {**node, "depth": depth, "indent": f"{depth * 1.25:.2f}", "here": node["id"] == here}
    line["goal"] = cut(node["goal"], 120)
    below = [row for child in node["children"] for row in _rows(child, here, depth + 1)]
    return [line, *below]
