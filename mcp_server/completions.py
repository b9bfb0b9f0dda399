"""What an address or an argument may go on with: ids and slugs of the caller's workspace."""

from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from agents.selectors import offers
from cluster.selectors import tasks as selectors
from knowledge import selectors as documents
from loomsite.access.bridge import db
from mcp_server.bridge import Desk

NEWEST = 100  # the protocol takes no more values


def register(server: MCPServer, desk: Desk) -> None:
    """Add completions to `server`."""

    @server.completion()
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,  # noqa: ARG001 -- the SDK's signature
    ) -> Completion:
        subject = argument.name
        if isinstance(ref, ResourceTemplateReference):
            subject = _SUBJECTS.get(ref.uri.partition("://")[0], "")
        found = _COMPLETIONS.get(subject)
        if found is None:
            return Completion(values=[], total=0, has_more=False)
        scope, values = found
        async with desk.reading(scope) as caller:
            listed = await db(values, workspace_id=caller.workspace_id, prefix=argument.value)
        return Completion(values=listed[:NEWEST], total=len(listed), has_more=False)


def _task_ids(*, workspace_id: str, prefix: str) -> list[str]:
    rows, _ = selectors.task_list(workspace_id=workspace_id, limit=NEWEST)
    return [row["id"] for row in rows if row["id"].startswith(prefix.lower())]


def _document_ids(*, workspace_id: str, prefix: str) -> list[str]:
    rows, _ = documents.document_list(workspace_id=workspace_id, limit=NEWEST)
    return [str(row["id"]) for row in rows if str(row["id"]).startswith(prefix.lower())]


def _collections(*, workspace_id: str, prefix: str) -> list[str]:
    rows, _ = documents.collection_list(workspace_id=workspace_id, limit=NEWEST)
    return [row["slug"] for row in rows if row["slug"].startswith(prefix)]


_SUBJECTS = {"task": "task_id", "agent": "agent", "skill": "skill", "knowledge": "document_id"}
_COMPLETIONS: dict[str, tuple[str, Callable[..., list[Any]]]] = {
    "task_id": ("tasks:read", _task_ids),
    "agent": ("agents:read", offers.agent_slugs),
    "skill": ("agents:read", offers.skill_names),
    "document_id": ("knowledge:read", _document_ids),
    "collection": ("knowledge:read", _collections),
}
