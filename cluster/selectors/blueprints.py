"""Blueprints as doors show them: versions, what differs between them, lineage, results."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, Sum

from cluster.core.errors import BlueprintUnknown, RequestInvalid
from cluster.core.forging import FORMAT, spec_changes
from cluster.models import AgentNode, Blueprint, BlueprintEvent, MarketEntry
from loomsite.access.ids import uuid_of
from loomsite.access.paging import page_by_time

Shown = dict[str, Any]
EVENTS_SHOWN = 100
LINEAGE_MAX = 2_000


def blueprint_list(
    *,
    workspace_id: str,
    state: str | None = None,
    slug: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> tuple[list[Shown], str | None]:
    """Return a page of versions in short, newest first, and the cursor of the next page.

    Raises:
        RequestInvalid: There is no such state.
    """
    if state is not None and state not in Blueprint.State.values:
        known = ", ".join(Blueprint.State.values)
        raise RequestInvalid(f"state: There is no {state!r}; there are {known}.", field="state")
    rows = Blueprint.objects.filter(workspace_id=workspace_id)
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(slug=slug) if slug else rows
    page = page_by_time(rows, "created_at", lambda row: row, cursor=cursor, limit=limit)
    records = _records(page.results)
    return [_short(row, records) for row in page.results], page.next_cursor


def blueprint_detail(*, workspace_id: str, blueprint_id: str) -> Shown:
    """Return a version with its spec, its results, its nodes and what became of it.

    Raises:
        BlueprintUnknown: There is none with this id here.
    """
    row = _row(workspace_id, blueprint_id)
    nodes = AgentNode.objects.filter(blueprint=row).select_related("agent").order_by("created_at")
    events = BlueprintEvent.objects.filter(blueprint=row)[:EVENTS_SHOWN]
    return {
        **_short(row, _records([row])),
        "spec": row.spec,
        "nodes": [
            {"id": str(node.pk), "agent": node.agent.slug, "state": node.state} for node in nodes
        ],
        "events": [
            {
                "kind": event.kind,
                "reason": event.reason,
                "actor": event.actor,
                "at": event.at.isoformat(),
            }
            for event in events
        ],
    }


def blueprint_versions(*, workspace_id: str, slug: str) -> list[Shown]:
    """Return the versions of a line, the latest first.

    Raises:
        BlueprintUnknown: There is no such line here.
    """
    rows = list(Blueprint.objects.filter(workspace_id=workspace_id, slug=slug).order_by("-version"))
    if not rows:
        raise BlueprintUnknown(f"There is no blueprint {slug!r}.", field="slug")
    records = _records(rows)
    return [_short(row, records) for row in rows]


def blueprint_diff(*, workspace_id: str, blueprint_id: str, against_id: str | None = None) -> Shown:
    """Return what a version changed against another, its parent when none is named.

    The first of a line is compared with nothing at all.

    Raises:
        BlueprintUnknown: One of them is not here.
    """
    row = _row(workspace_id, blueprint_id)
    other = row.parent if against_id is None else _row(workspace_id, against_id)
    return {
        "from": _named(other) if other else None,
        "to": _named(row),
        "changes": spec_changes(other.spec if other else {}, row.spec),
    }


def blueprint_lineage(*, workspace_id: str) -> Shown:
    """Return who comes from whom: versions by parent, nodes by blueprint and parent."""
    rows = list(
        Blueprint.objects.filter(workspace_id=workspace_id).order_by("slug", "version")[
            :LINEAGE_MAX
        ]
    )
    records = _records(rows)
    nodes = (
        AgentNode.objects.filter(workspace_id=workspace_id)
        .select_related("agent", "family")
        .order_by("created_at", "id")[:LINEAGE_MAX]
    )
    return {
        "blueprints": [_short(row, records) for row in rows],
        "nodes": [
            {
                "id": str(node.pk),
                "agent": node.agent.slug,
                "state": node.state,
                "family": node.family.slug,
                "blueprint_id": str(node.blueprint_id) if node.blueprint_id else None,
                "parent_id": str(node.parent_id) if node.parent_id else None,
                "merged_into_id": str(node.merged_into_id) if node.merged_into_id else None,
            }
            for node in nodes
        ],
    }


def blueprint_export(*, workspace_id: str, blueprint_id: str) -> Shown:
    """Return the document that `blueprint_import` makes the same blueprint of.

    Raises:
        BlueprintUnknown: There is none with this id here.
    """
    row = _row(workspace_id, blueprint_id)
    return {
        "format": FORMAT,
        "slug": row.slug,
        "version": row.version,
        "reason": row.reason,
        "spec": row.spec,
    }


def _row(workspace_id: str, blueprint_id: str) -> Blueprint:
    rows = Blueprint.objects.filter(workspace_id=workspace_id).select_related("parent")
    row = rows.filter(id=uuid_of(blueprint_id)).first()
    if row is None:
        raise BlueprintUnknown(f"There is no blueprint {blueprint_id!r}.", field="blueprint_id")
    return row


def _records(rows: Iterable[Blueprint]) -> dict[UUID, tuple[int, float | None]]:
    """Return each version's judged results: how many, and their mean."""
    found = (
        MarketEntry.objects.filter(
            node__blueprint__in=[row.pk for row in rows], kind="score", evaluation=0
        )
        .values("node__blueprint_id")
        .order_by()
        .annotate(n=Count("id", filter=Q(score__isnull=False)), total=Sum("score"))
    )
    return {
        line["node__blueprint_id"]: (
            line["n"],
            line["total"] / line["n"] if line["n"] else None,
        )
        for line in found
    }


def _named(row: Blueprint) -> Shown:
    return {"id": str(row.pk), "slug": row.slug, "version": row.version, "state": row.state}


def _short(row: Blueprint, records: dict[UUID, tuple[int, float | None]]) -> Shown:
    n, mean = records.get(row.pk, (0, None))
    return {
        **_named(row),
        "name": str(row.spec.get("name") or row.slug),
        "description": str(row.spec.get("description") or "")[:300],
        "origin": row.origin,
        "reason": row.reason,
        "created_by": row.created_by,
        "parent_id": str(row.parent_id) if row.parent_id else None,
        "n": n,
        "mean": mean,
        "created_at": row.created_at.isoformat(),
        "promoted_at": row.promoted_at.isoformat() if row.promoted_at else None,
        "retired_at": row.retired_at.isoformat() if row.retired_at else None,
    }
