"""A row for each call, written beside it and not in its way."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from django.db import DatabaseError, InterfaceError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult
from pydantic import BaseModel

from loomsite.access import services
from loomsite.access.bridge import db
from loomsite.access.core.errors import AccessError
from mcp_server.bridge import Desk, Visit

logger = logging.getLogger(__name__)

DOOR = "mcp"
_TARGETS: Mapping[str, str] = {
    "tools/call": "name",
    "resources/read": "uri",
    "prompts/get": "name",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
    "subscriptions/listen": "",
    "resources/subscribe": "uri",
}
_TARGET_MAX = 200
_FULL = 2_000


@dataclass(slots=True)
class AuditLog:
    """Rows on their way to the database: each goes at once, and many together when many wait."""

    _waiting: list[services.AuditRow] = field(default_factory=list[services.AuditRow])
    _writer: asyncio.Task[None] | None = None

    async def add(self, row: services.AuditRow) -> None:
        """Take a row; return at once unless the database has fallen far behind."""
        self._waiting.append(row)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        if len(self._waiting) > _FULL:
            await asyncio.wait({self._writer})

    async def flush(self) -> None:
        """Return when everything taken so far is written."""
        if self._writer is not None:
            await asyncio.wait({self._writer})

    async def _write(self) -> None:
        while self._waiting:
            rows, self._waiting = self._waiting, []
            try:
                await db(services.audit_write_many, rows=rows)
            except (DatabaseError, InterfaceError) as error:
                logger.error("%d audit rows could not be written: %s", len(rows), error)  # noqa: TRY400 -- the database's own words say it all


class Audited:
    """The middleware that knows who calls, and keeps a row of what they called."""

    def __init__(self, desk: Desk, log: AuditLog) -> None:
        self._desk = desk
        self._log = log

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Serve one request; what it is about is in its row, what it says is not."""
        with self._desk.visit() as visit:
            if ctx.method not in _TARGETS or ctx.request_id is None:
                return await call_next(ctx)
            began, outcome = time.monotonic(), "abandoned"
            try:
                result = await call_next(ctx)
                outcome = _outcome(result)
            except MCPError as error:
                outcome = f"error {error.error.code}"
                raise
            except Exception:
                outcome = "crashed"
                raise
            finally:
                taken_ms = round((time.monotonic() - began) * 1000)
                await asyncio.shield(self._note(visit, ctx, outcome, taken_ms))
            return result

    async def _note(
        self, visit: Visit, ctx: ServerRequestContext[Any, Any], outcome: str, taken_ms: int
    ) -> None:
        # Whom the database cannot name now, or who may not call at all, was refused at the door.
        with contextlib.suppress(AccessError, DatabaseError, InterfaceError):
            principal = await visit.principal()
            params = dict(ctx.params or {})
            arguments = params.get("arguments")
            about = cast(dict[str, Any], arguments) if isinstance(arguments, dict) else {}
            detail: dict[str, Any] = {"outcome": outcome, "ms": taken_ms}
            if "task_id" in about:
                detail["task_id"] = _line(about["task_id"])
            await self._log.add(
                services.AuditRow(
                    workspace_id=principal.workspace_id,
                    actor=principal.actor,
                    door=DOOR,
                    action=ctx.method,
                    target=_line(params.get(_TARGETS[ctx.method], "")),
                    detail=detail,
                )
            )


def _line(value: object) -> str:
    """Return what a client named, as far as a row can keep it."""
    return str(value)[:_TARGET_MAX].replace("\x00", "").encode(errors="replace").decode()


def _outcome(result: HandlerResult) -> str:
    if isinstance(result, CallToolResult):
        return "refused" if result.is_error else "ok"
    wire: Mapping[str, Any] = result.model_dump() if isinstance(result, BaseModel) else result or {}
    if wire.get("isError") or wire.get("is_error"):
        return "refused"
    return str(wire.get("resultType") or "ok").replace("complete", "ok")
