"""Conversations that outlive a process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Subquery

from agents.core.ports import SessionState
from agents.core.types import Message
from agents.models import Run, Session, SessionMessage
from agents.store.codec import message_from_json, message_to_json, storable
from loomsite.access.bridge import db


@dataclass(frozen=True, slots=True, kw_only=True)
class DbSessions:
    """`SessionStore` of one agent in one workspace; a session is made when first written to."""

    workspace_id: str
    agent_id: str
    fence: Callable[[], None]

    async def load(self, session_id: str) -> SessionState:
        return await db(self._load, session_id)

    async def append(self, session_id: str, *, run_id: str, messages: Sequence[Message]) -> None:
        await db(self._append, session_id, run_id=run_id, messages=messages)

    async def compact(self, session_id: str, *, summary: str, dropped: int) -> None:
        await db(self._compact, session_id, summary=summary, dropped=dropped)

    def _load(self, session_id: str) -> SessionState:
        row = self._sessions(session_id).first()
        if row is None:
            return SessionState()
        turns = SessionMessage.objects.filter(session=row, compacted=False).order_by("index")
        return SessionState(
            summary=row.summary, messages=tuple(message_from_json(turn.message) for turn in turns)
        )

    def _append(self, session_id: str, *, run_id: str, messages: Sequence[Message]) -> None:
        with transaction.atomic():
            self.fence()
            Session.objects.get_or_create(
                workspace_id=self.workspace_id, agent_id=self.agent_id, key=session_id
            )
            row = self._sessions(session_id).select_for_update().get()
            turns = SessionMessage.objects.filter(session=row)
            if turns.filter(run_id=run_id).exists():
                return
            # A task's further cycle answers the same turn again: the rejected answer was none.
            turns.filter(run_id__in=_attempts_before(run_id), compacted=False).delete()
            last = turns.aggregate(last=Max("index"))["last"]
            first = 0 if last is None else last + 1
            SessionMessage.objects.bulk_create(
                SessionMessage(
                    workspace_id=self.workspace_id,
                    session=row,
                    index=first + offset,
                    run_id=run_id,
                    message=message_to_json(message),
                )
                for offset, message in enumerate(messages)
            )
            row.save(update_fields=["updated_at"])

    def _compact(self, session_id: str, *, summary: str, dropped: int) -> None:
        with transaction.atomic():
            self.fence()
            row = self._sessions(session_id).select_for_update().first()
            if row is None:
                return
            turns = SessionMessage.objects.filter(session=row, compacted=False).order_by("index")
            oldest = list(turns.values_list("pk", flat=True)[:dropped])
            SessionMessage.objects.filter(pk__in=oldest).update(compacted=True)
            row.summary = storable(summary)
            row.save(update_fields=["summary", "updated_at"])

    def _sessions(self, session_id: str):  # noqa: ANN202 -- a QuerySet
        return Session.objects.filter(
            workspace_id=self.workspace_id, agent_id=self.agent_id, key=session_id
        )


def _attempts_before(run_id: str):  # noqa: ANN202 -- a QuerySet
    task = Run.objects.filter(pk=run_id).values("task_id")[:1]
    return Run.objects.filter(task_id=Subquery(task)).exclude(pk=run_id).values("pk")
