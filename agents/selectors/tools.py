"""Reads of tools and of the MCP servers that some of them come from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q

from agents.core.errors import NotFound
from agents.models import McpConnection, Tool
from agents.tools.http_fetch import NAME as FETCH
from loomsite.access.ids import uuid_of
from loomsite.access.paging import Page, page_by_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsAllowed:
    """Tools that are switched off, and the hosts that pages may be fetched from."""

    off: frozenset[str] = frozenset()
    fetch_hosts: tuple[str, ...] = ()


def tool_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> Page[dict[str, Any]]:
    """Return a page of the workspace's tools, by name."""
    rows = Tool.objects.filter(workspace_id=workspace_id).select_related("connection")
    return page_by_name(rows, "name", _tool, cursor=cursor, limit=limit)


def tools_allowed(*, workspace_id: str) -> ToolsAllowed:
    """Return what operators say of the workspace's tools."""
    rows = Tool.objects.filter(workspace_id=workspace_id)
    said = rows.filter(Q(enabled=False) | Q(name=FETCH)).values_list("name", "enabled", "options")
    return ToolsAllowed(
        off=frozenset(name for name, enabled, _ in said if not enabled),
        fetch_hosts=tuple(
            host for name, _, options in said if name == FETCH for host in options.get("hosts", ())
        ),
    )


def tool_detail(*, workspace_id: str, name: str) -> dict[str, Any]:
    """Return a tool with its parameters and what is held of it for review.

    Raises:
        NotFound: No such tool in this workspace.
    """
    rows = Tool.objects.filter(workspace_id=workspace_id, name=name.replace("\x00", ""))
    row = rows.select_related("connection").first()
    if row is None:
        raise NotFound(kind="tool", name=name)
    return {**_tool(row), "parameters": row.parameters, "pending": row.pending}


def mcp_connection_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> Page[dict[str, Any]]:
    """Return a page of the workspace's MCP connections, by slug."""
    rows = McpConnection.objects.filter(workspace_id=workspace_id)
    return page_by_name(rows, "slug", _connection, cursor=cursor, limit=limit)


def mcp_connection_detail(*, workspace_id: str, connection_id: str) -> dict[str, Any]:
    """Return a connection as people may see it: never its secrets.

    Raises:
        NotFound: No such connection in this workspace.
    """
    return _connection(mcp_connection_row(workspace_id=workspace_id, connection_id=connection_id))


def mcp_connection_row(*, workspace_id: str, connection_id: str) -> McpConnection:
    """Return a connection with what a call to its server needs.

    Raises:
        NotFound: No such connection in this workspace.
    """
    rows = McpConnection.objects.filter(workspace_id=workspace_id)
    row = rows.filter(pk=uuid_of(connection_id)).first()
    if row is None:
        raise NotFound(kind="MCP connection", name=connection_id)
    return row


def mcp_connections_stale(*, before: datetime, limit: int) -> list[tuple[str, str]]:
    """Return workspace and id of connections not asked since then, the longest ago first."""
    rows = McpConnection.objects.filter(enabled=True)
    rows = rows.filter(Q(checked_at=None) | Q(checked_at__lt=before))
    rows = rows.order_by(F("checked_at").asc(nulls_first=True))
    return [(str(w), str(pk)) for w, pk in rows.values_list("workspace_id", "pk")[:limit]]


def mcp_tools(*, workspace_id: str, names: list[str]) -> list[tuple[Tool, McpConnection]]:
    """Return the named tools that a server lists now and that are not switched off, by name."""
    rows = Tool.objects.filter(
        workspace_id=workspace_id,
        name__in=names,
        enabled=True,
        available=True,
        connection__enabled=True,
    ).select_related("connection")
    return [(row, row.connection) for row in rows.order_by("name") if row.connection is not None]


def _tool(row: Tool) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "tags": row.tags,
        "effect": row.effect,
        "idempotent": row.idempotent,
        "timeout_s": row.timeout_s,
        "options": row.options,
        "source": row.source,
        "connection": None if row.connection is None else row.connection.slug,
        "available": row.available,
        "held": bool(row.pending),
        "note": row.note,
        "enabled": row.enabled,
    }


def _connection(row: McpConnection) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "slug": row.slug,
        "name": row.name,
        "transport": row.transport,
        "url": row.url,
        "command": row.command,
        "arguments": row.arguments,
        "environment": sorted(row.environment),
        "has_secret": bool(row.secret),
        "trusted": row.trusted,
        "enabled": row.enabled,
        "last_error": row.last_error,
        "checked_at": row.checked_at,
    }
