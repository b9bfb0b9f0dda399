"""From finished conversations to memory: what users said that is worth keeping for good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q

from agents.memory.consolidate import consolidate
from agents.models import MemoryEntry, Session, SessionMessage
from agents.store.codec import message_from_json

QUIET = timedelta(minutes=5)
AT_ONCE = 100
_MOST_TURNS = 500
_MOST_KNOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietSession:
    """A conversation with turns whose facts are not in memory yet."""

    id: str
    workspace_id: str
    key: str
    agent: str
    consolidated_at: datetime | None
    updated_at: datetime


def sessions_quiet(*, now: datetime) -> list[QuietSession]:
    """Return conversations that nobody went on with for a while, the longest waiting first."""
    rows = Session.objects.filter(updated_at__lt=now - QUIET).filter(
        Q(consolidated_at__isnull=True) | Q(consolidated_at__lt=F("updated_at"))
    )
    return [
        QuietSession(
            id=str(row.pk),
            workspace_id=str(row.workspace.pk),
            key=row.key,
            agent=row.agent.slug,
            consolidated_at=row.consolidated_at,
            updated_at=row.updated_at,
        )
        for row in rows.select_related("workspace", "agent").order_by("updated_at")[:AT_ONCE]
    ]


def session_consolidate(session: QuietSession, *, remember: Callable[[str, float], object]) -> int:
    """Remember what is new in a conversation, each fact once; return how many facts there were.

    Args:
        session: From `sessions_quiet`; what is said meanwhile is for the next time.
        remember: Keeps a text of an importance, in the session's own scope.
    """
    rows = SessionMessage.objects.filter(
        workspace_id=session.workspace_id, session_id=session.id, created_at__lte=session.updated_at
    )
    if session.consolidated_at is not None:  # what was erased since must not come back
        rows = rows.filter(created_at__gt=session.consolidated_at)
    turns = [message_from_json(row.message) for row in rows.order_by("index")[:_MOST_TURNS]]
    facts = consolidate(turns, known=_known(session))
    for fact in facts:
        remember(fact.text, fact.importance)
    # By a query, not `save`: that would make the session look as if somebody had gone on with it.
    Session.objects.filter(workspace_id=session.workspace_id, pk=session.id).update(
        consolidated_at=session.updated_at
    )
    return len(facts)


def _known(session: QuietSession) -> Sequence[str]:
    rows = MemoryEntry.objects.filter(
        workspace_id=session.workspace_id,
        scope=MemoryEntry.Scope.SESSION,
        scope_id=session.key,
    )
    return list(rows.order_by("-created_at").values_list("text", flat=True)[:_MOST_KNOWN])
