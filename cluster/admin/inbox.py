"""The inbox: everything that waits for a person, with the buttons of its own page beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from agents.models import Approval, MemoryEntry, Skill, Tool
from cluster.models import Blueprint, Task
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.diff import changes
from loomsite.access.admin.display import cut, json_text, row_url

GROUP_MOST: Final = 50
_TEXT_MOST = 1_500
# What does not decide: a draft is accepted or refused here, the rest is for its own page.
_DECIDING: Final = frozenset(
    {"activate", "retire", "approve", "accept", "refuse", "reject", "promote"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of row that waits for a decision.

    Attributes:
        label: The heading above them.
        waiting: Which of a model's rows wait.
        shown: What is shown of one: `title`, `note`, `text`, and the `changes` it would make.
    """

    label: str
    model: type[Any]
    waiting: Callable[[QuerySet], QuerySet]
    shown: Callable[[Any], Mapping[str, Any]]


def _skill(row: Skill) -> dict[str, Any]:
    return {"title": row.name, "note": row.description, "text": cut_lines(row.instructions)}


def _blueprint(row: Blueprint) -> dict[str, Any]:
    spec = row.spec if isinstance(row.spec, dict) else {}
    note = str(spec.get("description") or row.reason)
    return {"title": str(row), "note": note, "text": cut_lines(str(spec.get("instructions", "")))}


def _tool(row: Tool) -> dict[str, Any]:
    now = {name: getattr(row, name, None) for name in row.pending}
    note = "The server says other things of this tool than what was reviewed."
    return {"title": row.name, "note": note, "changes": changes(now, row.pending)}


def _memory(row: MemoryEntry) -> dict[str, Any]:
    return {"title": cut(row.text, 120), "note": row.kind, "text": ""}


KINDS: Final = (
    Kind(
        label="Drafts of skills",
        model=Skill,
        waiting=lambda rows: rows.filter(state=Skill.State.DRAFT).defer("embedding", "files"),
        shown=_skill,
    ),
    Kind(
        label="Drafts of blueprints",
        model=Blueprint,
        waiting=lambda rows: rows.filter(state=Blueprint.State.DRAFT),
        shown=_blueprint,
    ),
    Kind(
        label="MCP tools that changed",
        model=Tool,
        waiting=lambda rows: rows.exclude(pending={}),
        shown=_tool,
    ),
    Kind(
        label="Memories to review",
        model=MemoryEntry,
        waiting=lambda rows: rows.filter(review=MemoryEntry.Review.PENDING, valid_until=None),
        shown=_memory,
    ),
)


def questions(page: LoomAdmin, request: HttpRequest) -> list[dict[str, Any]]:
    """Return the open questions that the person may see, the oldest first."""
    rows = page.get_queryset(request).filter(status=Approval.Status.OPEN)
    found = list(rows.select_related("workspace").order_by("created_at", "pk")[:GROUP_MOST])
    homes = {row.workspace_id for row in found}
    tasks = Task.objects.filter(pk__in=[row.task_id for row in found], workspace_id__in=homes)
    goals = dict(tasks.values_list("pk", "goal"))
    return [
        {
            "row": row,
            "goal": cut(goals.get(row.task_id, ""), 100),
            "task_url": row_url("cluster_task", row.task_id) if row.task_id in goals else "",
            "url": page.page_url_of(row),
            "answer_url": page.button_url(row, "answer"),
            "may": bool(page.actions_for(request, row)),
            "edit_url": page.extra_url("edit", row) if editable(row) else "",
            **asked(row.detail),
        }
        for row in found
    ]


def drafts(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what else waits for a decision, by kind, oldest first."""
    groups: list[dict[str, Any]] = []
    for kind in KINDS:
        page = admin.site._registry.get(kind.model)  # noqa: SLF001 -- get_model_admin raises instead
        if not isinstance(page, LoomAdmin) or not page.has_view_permission(request):
            continue
        rows = kind.waiting(page.get_queryset(request)).order_by("pk")
        items = [
            {
                "row": row,
                "url": page.page_url_of(row),
                "opts": page.opts,
                "actions": [
                    {"action": action, "url": page.button_url(row, action.name)}
                    for action in page.actions_for(request, row)
                    if action.name in _DECIDING
                ],
                "editable": page.has_change_permission(request, row),
                **kind.shown(row),
            }
            for row in rows[:GROUP_MOST]
        ]
        if items:
            groups.append({"label": kind.label, "items": items})
    return groups


def editable(row: Approval) -> bool:
    """Say whether a question is about a tool call that can be approved in another form."""
    has_tool = isinstance(row.detail, dict) and bool(row.detail.get("tool"))
    return has_tool and any(option in Approval.APPROVING for option in row.options or ())


def asked(detail: object) -> dict[str, Any]:
    """Return the tool call that a question is about, where it is about one."""
    if not isinstance(detail, dict) or not detail.get("tool"):
        return {"tool": "", "arguments": ""}
    arguments = detail.get("arguments", "")
    text = arguments if isinstance(arguments, str) else json_text(arguments)
    return {"tool": str(detail["tool"]), "arguments": cut_lines(text)}


def cut_lines(text: str) -> str:
    """Return a text's beginning with its lines as they are."""
    return text if len(text) <= _TEXT_MOST else text[: _TEXT_MOST - 1] + "…"
