"""Rewards as doors show them: every evaluation with its components, weights and source."""

from typing import Any

from cluster.core.errors import RequestInvalid
from cluster.core.submission import task_id_read
from cluster.models import Reward
from loomsite.access.paging import page_by_number

Shown = dict[str, Any]
SOURCES = ("check", "judge", "person", "steps")


def reward_list(
    *,
    workspace_id: str,
    task_id: str | None = None,
    node_id: str | None = None,
    agent: str | None = None,
    source: str | None = None,
    verified: bool | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> tuple[list[Shown], str | None]:
    """Return a page of evaluations, newest first, and the cursor of the next page.

    Args:
        workspace_id: Whose.
        task_id: Of this task.
        node_id: Of this node's answers.
        agent: Of this agent's answers, by slug.
        source: With a component of this kind: check, judge, person or steps.
        verified: Whether anybody looked.
        cursor: From the page before.
        limit: At most so many.

    Raises:
        RequestInvalid: An id or the source cannot be one.
        CursorInvalid: The cursor is not one of ours.
    """
    rows = Reward.objects.filter(task__workspace_id=workspace_id)
    if source is not None:
        if source not in SOURCES:
            raise RequestInvalid(
                f"source: There is no {source!r}; there are {', '.join(SOURCES)}.", field="source"
            )
        rows = rows.filter(components__contains=[{"source": source}])
    if task_id is not None:
        rows = rows.filter(task_id=task_id_read(task_id))
    if node_id is not None:
        rows = rows.filter(node_id=task_id_read(node_id))
    if agent is not None:
        rows = rows.filter(node__agent__slug=agent)
    if verified is not None:
        rows = rows.filter(verified=verified)
    rows = rows.select_related("node__agent")
    return page_by_number(rows, "-id", _shown, cursor=cursor, limit=limit)


def _shown(row: Reward) -> Shown:
    return {
        "id": row.pk,
        "task_id": str(row.task_id),
        "cycle": row.cycle,
        "evaluation": row.evaluation,
        "node_id": str(row.node_id) if row.node_id else None,
        "agent": row.node.agent.slug if row.node else None,
        "score": row.score,
        "verified": row.verified,
        "outcome": row.outcome or None,
        "components": row.components,
        "source": row.source,
        "comment": row.comment,
        "at": row.at.isoformat(),
    }
