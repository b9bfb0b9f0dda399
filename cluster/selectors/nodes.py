"""Members of the population as doors show them, with what happened to them and why."""

from typing import Any

from cluster.core.errors import NodeUnknown, RequestInvalid
from cluster.models import AgentNode, LifecycleEvent
from loomsite.access.ids import uuid_of
from loomsite.access.paging import page_by_time

Shown = dict[str, Any]


def node_list(
    *,
    workspace_id: str,
    state: str | None = None,
    agent: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> tuple[list[Shown], str | None]:
    """Return a page of nodes, newest first, and the cursor of the next page.

    Raises:
        RequestInvalid: There is no such state.
    """
    if state is not None and state not in AgentNode.State.values:
        known = ", ".join(AgentNode.State.values)
        raise RequestInvalid(f"state: There is no {state!r}; there are {known}.", field="state")
    rows = AgentNode.objects.filter(workspace_id=workspace_id).select_related("agent", "family")
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(agent__slug=agent) if agent else rows
    return page_by_time(rows, "created_at", _short, cursor=cursor, limit=limit)


def node_detail(*, workspace_id: str, node_id: str) -> Shown:
    """Return a node with its evidence and its latest history.

    Raises:
        NodeUnknown: There is none with this id here.
    """
    row = _row(workspace_id, node_id)
    blueprint = row.blueprint
    return {
        **_short(row),
        "blueprint": None
        if blueprint is None
        else {"id": str(blueprint.pk), "slug": blueprint.slug, "version": blueprint.version},
        "slots": row.slots,
        "probe_n": row.probe_n,
        "probe_mean": row.probe_total / row.probe_n if row.probe_n else None,
        "hard_errors": row.hard_errors,
        "retry_at": row.retry_at.isoformat() if row.retry_at else None,
        "quarantined_at": row.quarantined_at.isoformat() if row.quarantined_at else None,
        "retired_at": row.retired_at.isoformat() if row.retired_at else None,
        "merged_into_id": str(row.merged_into_id) if row.merged_into_id else None,
        "history": _history(row, limit=20),
    }


def node_history(*, workspace_id: str, node_id: str, limit: int = 100) -> list[Shown]:
    """Return what happened to a node and why, the latest first.

    Raises:
        NodeUnknown: There is none with this id here.
    """
    return _history(_row(workspace_id, node_id), limit=limit)


def _row(workspace_id: str, node_id: str) -> AgentNode:
    rows = AgentNode.objects.filter(workspace_id=workspace_id)
    rows = rows.select_related("agent", "family", "blueprint")
    row = rows.filter(id=uuid_of(node_id)).first()
    if row is None:
        raise NodeUnknown(f"There is no node {node_id!r}.", field="node_id")
    return row


def _history(row: AgentNode, *, limit: int) -> list[Shown]:
    return [
        {
            "kind": event.kind,
            "reason": event.reason,
            "actor": event.actor,
            "at": event.at.isoformat(),
            "detail": event.detail,
        }
        for event in LifecycleEvent.objects.filter(node=row).order_by("-id")[:limit]
    ]


def _short(row: AgentNode) -> Shown:
    return {
        "id": str(row.pk),
        "agent": row.agent.slug,
        "agent_id": str(row.agent_id),
        "family": row.family.slug,
        "state": row.state,
        "busy": row.busy,
        "task_count": row.task_count,
        "scored_n": round(row.scored_n, 3),
        "mean_score": row.scored_total / row.scored_n if row.scored_n else None,
        "cost_usd": f"{row.cost_usd:.6f}",
        "blueprint_id": str(row.blueprint_id) if row.blueprint_id else None,
        "parent_id": str(row.parent_id) if row.parent_id else None,
        "created_at": row.created_at.isoformat(),
    }
