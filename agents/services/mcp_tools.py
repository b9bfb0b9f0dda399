"""Writes of what MCP servers offer: their tools become rows that stay as they were reviewed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.core.errors import NotFound
from agents.models import Tool
from agents.services.mcp_connections import connection_locked
from agents.store.codec import json_storable, storable
from agents.tools.foreign_schema import Listing, McpToolSpec
from loomsite.access.core.errors import InputInvalid

_NOTED = 500


@dataclass(slots=True, kw_only=True)
class Refreshed:
    """What a look at a server found; names are those agents know.

    `changed` ones are not what was reviewed: they are held until somebody reviews them.
    """

    tools: list[str] = field(default_factory=list[str])
    added: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    gone: list[str] = field(default_factory=list[str])
    left_out: list[str] = field(default_factory=list[str])


def mcp_tools_keep(*, workspace_id: str, connection_id: str, listing: Listing) -> Refreshed:
    """Bring the rows of a server's tools in step with what it lists; what operators set is kept.

    A tool that is another one than before is held: agents go on with what was reviewed until
    `mcp_tool_review`. One that is no longer listed is gone; agents are not given it until it is
    back.

    Raises:
        NotFound: No such connection in this workspace.
    """
    now = timezone.now()
    with transaction.atomic():
        connection = connection_locked(workspace_id, connection_id)
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
            elif _held(row, tool, now):
                found.changed.append(row.name)
        for row in rows.values():
            if row.connection == connection and row.name not in found.tools:
                found.gone.append(row.name)
                if row.available:
                    row.available, row.note = False, f"Not listed any more on {now:%Y-%m-%d}."
                    row.save(update_fields=["available", "note", "updated_at"])
        connection.checked_at = now
        connection.last_error = _short("Left out: ", found.left_out)
        connection.save(update_fields=["checked_at", "last_error"])
    return found


def mcp_tool_review(*, workspace_id: str, name: str, accepted: bool) -> None:
    """Let agents have what a server says of a tool now, or switch the tool off.

    Raises:
        NotFound: No such tool in this workspace.
        InputInvalid: Nothing is held of it.
    """
    with transaction.atomic():
        rows = Tool.objects.select_for_update().filter(workspace_id=workspace_id)
        row = rows.filter(name=name.replace("\x00", "")).first()
        if row is None:
            raise NotFound(kind="tool", name=name)
        if not row.pending:
            message = "Nothing of this tool waits for review."
            raise InputInvalid.of("name", message, detail=message)
        today = f"{timezone.now():%Y-%m-%d}"
        if accepted:
            for field_name, value in row.pending.items():
                setattr(row, field_name, value)
            row.note = f"Its change was accepted on {today}."
        else:
            row.enabled, row.note = False, f"Its change was refused on {today}."
        row.pending = {}
        row.save()


def mcp_tools_review(*, workspace_id: str, connection_id: str, accepted: bool) -> list[str]:
    """Review all that is held of a server's tools; return their names.

    Raises:
        NotFound: No such connection in this workspace.
    """
    with transaction.atomic():
        connection = connection_locked(workspace_id, connection_id)
        held = Tool.objects.filter(connection=connection).exclude(pending={}).order_by("name")
        names = list(held.values_list("name", flat=True))
        for name in names:
            mcp_tool_review(workspace_id=workspace_id, name=name, accepted=accepted)
    return names


def mcp_connection_failed(*, workspace_id: str, connection_id: str, error: str) -> None:
    """Note why a server could not be asked; its tools stay as they are.

    Raises:
        NotFound: No such connection in this workspace.
    """
    with transaction.atomic():
        connection = connection_locked(workspace_id, connection_id)
        connection.checked_at, connection.last_error = timezone.now(), storable(error)[:_NOTED]
        connection.save(update_fields=["checked_at", "last_error"])


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


def _held(row: Tool, tool: McpToolSpec, now: datetime) -> bool:
    """Keep what is new of a tool for review; return whether it is another one than reviewed."""
    said = _said(tool)
    changed = {name: value for name, value in said.items() if getattr(row, name) != value}
    if (row.pending, row.available) == (changed, True):
        return bool(changed)
    if changed:
        row.note = f"Changed on {now:%Y-%m-%d}: {', '.join(sorted(changed))}. To be reviewed."
    elif row.pending:
        row.note = f"As reviewed again on {now:%Y-%m-%d}."
    else:
        row.note = f"Listed again on {now:%Y-%m-%d}."
    row.pending, row.available = changed, True
    row.save(update_fields=["pending", "note", "available", "updated_at"])
    return bool(changed)


def _short(heading: str, lines: Sequence[str]) -> str:
    return storable(heading + "; ".join(lines))[:_NOTED] if lines else ""
