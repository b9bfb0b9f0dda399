"""Reads of conversations."""

from typing import Any

from django.db.models import Count

from agents.core.errors import NotFound
from agents.models import Session, SessionMessage
from loomsite.access.ids import uuid_of
from loomsite.access.paging import Page, page_by_number, page_by_time


def session_list(
    *,
    workspace_id: str,
    agent: str | None = None,
    key: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[dict[str, Any]]:
    """Return a page of the conversations, the latest first.

    Args:
        workspace_id: Whose conversations.
        agent: Only those with the agent of this slug.
        key: Only those that their callers named so.
        cursor: Where the page before ended.
        limit: At most this many.
    """
    rows = _sessions(workspace_id)
    if agent is not None:
        rows = rows.filter(agent__slug=agent.replace("\x00", ""))
    if key is not None:
        rows = rows.filter(key=key.replace("\x00", ""))
    return page_by_time(rows, "updated_at", _session, cursor=cursor, limit=limit)


def session_detail(*, workspace_id: str, session_id: str) -> dict[str, Any]:
    """Return a conversation: what is said of it in lists, and the summary of its older turns.

    Raises:
        NotFound: No such conversation in this workspace.
    """
    row = _own(workspace_id, session_id)
    return {**_session(row), "summary": row.summary, "consolidated_at": row.consolidated_at}


def session_messages(
    *, workspace_id: str, session_id: str, cursor: str | None = None, limit: int = 20
) -> Page[dict[str, Any]]:
    """Return a page of a conversation's messages, oldest first.

    Raises:
        NotFound: No such conversation in this workspace.
        CursorInvalid: It is not one of ours.
    """
    rows = SessionMessage.objects.filter(session=_own(workspace_id, session_id))
    return page_by_number(rows, "index", _message, cursor=cursor, limit=limit)


def _sessions(workspace_id: str) -> Any:  # noqa: ANN401 -- an annotated QuerySet
    rows = Session.objects.filter(workspace_id=workspace_id).select_related("agent")
    return rows.annotate(message_count=Count("messages"))


def _own(workspace_id: str, session_id: str) -> Session:
    rows = _sessions(workspace_id)
    row = rows.filter(pk=uuid_of(session_id)).first()
    if row is None:
        raise NotFound(kind="session", name=session_id)
    return row


def _session(row: Session) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "key": row.key,
        "agent": row.agent.slug,
        "message_count": row.message_count,  # pyright: ignore[reportAttributeAccessIssue] -- annotated
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _message(row: SessionMessage) -> dict[str, Any]:
    said = row.message
    return {
        "index": row.index,
        "run_id": str(row.run_id),
        "role": said["role"],
        "content": said["content"],
        "tool_calls": said.get("tool_calls", []),
        "in_window": not row.compacted,
        "created_at": row.created_at,
    }
