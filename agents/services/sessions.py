"""Writes of conversations that are not a run's."""

from django.db import transaction

from agents.core.errors import NotFound
from agents.models import MemoryEntry, Session
from agents.services.memories import memories_erase
from loomsite.access.ids import uuid_of


def session_delete(*, workspace_id: str, session_id: str) -> None:
    """Forget a conversation for good: its turns, its summary, and what was kept in its scope.

    Memories in the scope of its key stay while another agent has a conversation of that key.

    Raises:
        NotFound: No such conversation in this workspace.
    """
    with transaction.atomic():
        rows = Session.objects.select_for_update().filter(workspace_id=workspace_id)
        row = rows.filter(pk=uuid_of(session_id)).first()
        if row is None:
            raise NotFound(kind="session", name=session_id)
        key = row.key
        row.delete()
        if not Session.objects.filter(workspace_id=workspace_id, key=key).exists():
            memories_erase(workspace_id=workspace_id, scope=MemoryEntry.Scope.SESSION, scope_id=key)
