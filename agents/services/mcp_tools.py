"""Writes of what MCP servers offer: their tools become rows that stay as they were reviewed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.core.errors import NotFound
from agents.core.types import ToolSpec
from agents.models import McpConnection, Tool
from agents.services import rules
from agents.store.codec import json_storable, storable

_NOTED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class McpToolSpec:
    """A tool as agents may be granted it, and what its server calls it."""

    remote_name: str
    spec: ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a server offered, and why some of it cannot be used."""

    tools: tuple[McpToolSpec, ...]
    left_out: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Refreshed:
    """What a look at a server changed; names are those agents know."""

    tools: list[str] = field(default_factory=list[str])
    added: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    gone: list[str] = field(default_factory=list[str])
    left_out: list[str] = field(default_factory=list[str])


def mcp_tools_keep(*, workspace_id: str, connection_id: str, listing: Listing) -> Refreshed:
    """Bring the rows of a server's tools in step with what it lists; what operators set is kept.

    A tool that is another one than before is noted as changed, one that is no longer listed as
    gone; agents are not given it until it is back.

    Raises:
        NotFound: No such connection in this workspace.
    """
    now = timezone.now()
    with transaction.atomic():
        connection = _locked(workspace_id, connection_id)
        rows = {row.name: row for row in Tool.objects.filter(workspace_id=workspace_id)}
        found = Refreshed(left_out=list(listing.left_out))
        for tool in listing.tools:
            row = rows.get(tool.spec.name)
            if row is not None and row.connection != connection:
                found.left_out.append(f"{tool.remote_name!r}: {tool.spec.name} is another tool")
                continue
            found.tools.append(tool.spec.name)
            if row is None:
                found.added.append(tool.spec.name)
                Tool.objects.create(
                    workspace_id=workspace_id,
                    connection=connection,
                    source=Tool.Source.MCP,
                    name=tool.spec.name,
                    timeout_s=tool.spec.timeout_s,
                    **_said(tool),
                )
            elif _updated(row, tool, now):
                found.changed.append(row.name)
        for row in rows.values():
            if row.connection == connection and row.name not in found.tools:
                found.gone.append(row.name)
                row.available, row.note = False, f"Not listed any more on {now:%Y-%m-%d}."
                row.save(update_fields=["available", "note", "updated_at"])
        connection.checked_at = now
        connection.last_error = _short("Left out: ", found.left_out)
        connection.save(update_fields=["checked_at", "last_error"])
    return found


def mcp_connection_failed(*, workspace_id: str, connection_id: str, error: str) -> None:
    """Note why a server could not be asked; its tools stay as they are.

    Raises:
        NotFound: No such connection in this workspace.
    """
    with transaction.atomic():
        connection = _locked(workspace_id, connection_id)
        connection.checked_at, connection.last_error = timezone.now(), storable(error)[:_NOTED]
        connection.save(update_fields=["checked_at", "last_error"])


def _locked(workspace_id: str, connection_id: str) -> McpConnection:
    rows = McpConnection.objects.select_for_update().filter(workspace_id=workspace_id)
    row = rows.filter(pk=connection_id).first() if rules.is_uuid(connection_id) else None
    if row is None:
        raise NotFound(kind="MCP connection", name=connection_id)
    return row


def _said(tool: McpToolSpec) -> dict[str, Any]:
    """Return what a row holds of what the server says; it may say what cannot be stored."""
    return {
        "remote_name": storable(tool.remote_name),
        "description": storable(tool.spec.description),
        "parameters": json_storable(tool.spec.parameters),
        "tags": sorted(tool.spec.tags),
        "effect": tool.spec.effect,
        "idempotent": tool.spec.idempotent,
    }


def _updated(row: Tool, tool: McpToolSpec, now: datetime) -> bool:
    """Write what is new of a tool; return whether it is another one than before."""
    said = _said(tool)
    changed = [name for name, value in said.items() if getattr(row, name) != value]
    if not changed and row.available:
        return False
    if changed:
        row.note = f"Changed on {now:%Y-%m-%d}: {', '.join(changed)}."
    else:
        row.note = f"Listed again on {now:%Y-%m-%d}."
    for name, value in said.items():
        setattr(row, name, value)
    row.available = True
    row.save()
    return bool(changed)


def _short(heading: str, lines: Sequence[str]) -> str:
    return storable(heading + "; ".join(lines))[:_NOTED] if lines else ""
