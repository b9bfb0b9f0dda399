"""Reads of what runs left behind: traces, artifacts, approvals, usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum

from agents.core.errors import NotFound
from agents.models import (
    Approval,
    Artifact,
    Run,
    Step,
    ToolEffect,
    UsageEntry,
)
from loomsite.access.ids import uuid_of, uuids_of
from loomsite.access.paging import Page, page_by_time


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A run in a list."""

    id: str
    task_id: str
    agent: str
    status: str
    stop: str
    model: str
    step_count: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalView:
    """A question to people."""

    id: str
    task_id: str
    kind: str
    question: str
    options: list[str]
    detail: dict[str, Any]
    status: str
    decision: str
    text: str
    edited: dict[str, Any] | None
    answered_by: str
    created_at: datetime
    answered_at: datetime | None


def run_list(*, workspace_id: str, task_id: str) -> list[RunLine]:
    """Return the runs of a task, oldest first."""
    rows = Run.objects.filter(workspace_id=workspace_id, task_id=uuid_of(task_id))
    return [_run(row) for row in rows.select_related("agent").order_by("started_at", "pk")]


def run_steps(*, workspace_id: str, run_id: str) -> list[dict[str, Any]]:
    """Return a run's trace: each model call with the tool calls it made, in order.

    Raises:
        NotFound: No such run in this workspace.
    """
    runs = Run.objects.filter(workspace_id=workspace_id)
    run = runs.filter(pk=uuid_of(run_id)).first()
    if run is None:
        raise NotFound(kind="run", name=run_id)
    calls: dict[int, list[dict[str, Any]]] = {}
    for effect in ToolEffect.objects.filter(run=run).order_by("step", "pk"):
        calls.setdefault(effect.step, []).append(
            {
                "tool": effect.tool,
                "arguments": effect.arguments,
                "state": effect.state,
                "result": effect.result,
                "latency_ms": effect.latency_ms,
            }
        )
    return [
        {
            "index": step.index,
            "content": step.message["content"],
            "reasoning": step.message.get("reasoning", ""),
            "tool_calls": calls.get(step.index, []),
            "finish_reason": step.finish_reason,
            "model": step.model,
            "prompt_tokens": step.prompt_tokens,
            "completion_tokens": step.completion_tokens,
            "cost_usd": step.cost_usd,
            "latency_ms": step.latency_ms,
            "report": step.report,
            "at": step.created_at,
        }
        for step in Step.objects.filter(run=run).order_by("index")
    ]


def results_of_tools(
    *,
    workspace_id: str,
    tools: Sequence[str],
    run_ids: Sequence[str],
    task_ids: Sequence[str] = (),
) -> dict[str, str]:
    """Return by tool what the first call that succeeded brought, in these runs or of these tasks.

    The first to end counts; a result too long for the model is the preview that it was given.
    """
    rows = ToolEffect.objects.filter(
        Q(run_id__in=uuids_of(run_ids)) | Q(run__task_id__in=uuids_of(task_ids)),
        run__workspace_id=workspace_id,
        tool__in=tools,
        state=ToolEffect.State.DONE,
    ).order_by("ended_at", "id")
    found: dict[str, str] = {}
    for tool, result in rows.values_list("tool", "result"):
        found.setdefault(tool, result)
    return found


def runs_artifacts(*, workspace_id: str, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return what these runs kept, oldest first, without the content."""
    rows = Artifact.objects.filter(workspace_id=workspace_id, run_id__in=list(run_ids))
    return [_artifact(row) for row in rows.defer("content").order_by("created_at", "pk")]


def artifact_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> Page[dict[str, Any]]:
    """Return a page of the workspace's artifacts, newest first, without the content."""
    rows = Artifact.objects.filter(workspace_id=workspace_id).defer("content")
    return page_by_time(rows, "created_at", _artifact, cursor=cursor, limit=limit)


def artifact_content(*, workspace_id: str, artifact_id: str) -> tuple[str, str, bytes]:
    """Return an artifact's name, media type and content.

    Raises:
        NotFound: No such artifact in this workspace.
    """
    rows = Artifact.objects.filter(workspace_id=workspace_id)
    row = rows.filter(pk=uuid_of(artifact_id)).first()
    if row is None:
        raise NotFound(kind="artifact", name=artifact_id)
    return row.name, row.media_type, bytes(row.content)


def approval_list(
    *, workspace_id: str, status: str | None = "open", cursor: str | None = None, limit: int = 20
) -> Page[ApprovalView]:
    """Return a page of the questions to people, newest first; status None for all."""
    rows = Approval.objects.filter(workspace_id=workspace_id)
    if status is not None:
        rows = rows.filter(status=status)
    return page_by_time(rows, "created_at", _approval, cursor=cursor, limit=limit)


def usage_by_model(*, workspace_id: str, since: datetime) -> list[dict[str, Any]]:
    """Return what each model and purpose used since then, the dearest first."""
    rows = UsageEntry.objects.filter(workspace_id=workspace_id, at__gte=since)
    grouped = rows.values("model", "purpose", "priced").annotate(
        calls=Count("pk"),
        prompt=Sum("prompt_tokens"),
        completion=Sum("completion_tokens"),
        cost=Sum("cost_usd"),
    )
    return [
        {
            "model": row["model"],
            "purpose": row["purpose"],
            "priced": row["priced"],
            "calls": row["calls"],
            "prompt_tokens": row["prompt"],
            "completion_tokens": row["completion"],
            "cost_usd": row["cost"],
        }
        for row in grouped.order_by("-cost", "model", "purpose", "priced")
    ]


def _run(row: Run) -> RunLine:
    return RunLine(
        id=str(row.pk),
        task_id=str(row.task_id),
        agent=row.agent.slug,
        status=row.status,
        stop=row.stop,
        model=row.model,
        step_count=row.step_count,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cost_usd=row.cost_usd,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _approval(row: Approval) -> ApprovalView:
    return ApprovalView(
        id=str(row.pk),
        task_id=str(row.task_id),
        kind=row.kind,
        question=row.question,
        options=row.options,
        detail=row.detail,
        status=row.status,
        decision=row.decision,
        text=row.text,
        edited=row.edited,
        answered_by=row.answered_by,
        created_at=row.created_at,
        answered_at=row.answered_at,
    )


def _artifact(row: Artifact) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "task_id": None if row.task_id is None else str(row.task_id),
        "name": row.name,
        "media_type": row.media_type,
        "size": row.size,
        "sha256": row.sha256,
        "created_at": row.created_at,
    }
