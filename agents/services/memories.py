"""Writes of memory by people and programs; agents write through their store."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.core.errors import NotFound
from agents.models import Agent, MemoryEntry
from agents.services import rules
from agents.store import memories
from loomsite.access.core.errors import FieldError, InputInvalid

_LONGEST_TEXT = 20_000
_KINDS = tuple(MemoryEntry.Scope.values)


def memory_remember(
    *,
    workspace_id: str,
    text: str,
    scope: str = "workspace",
    scope_id: str = "",
    importance: float = 0.5,
    provenance: Mapping[str, Any] | None = None,
    key: str = "",
    embedding: Sequence[float] | None = None,
    embedding_model: str = "",
) -> str:
    """Keep a text and return its id; the same text in the same scope is kept once.

    Args:
        workspace_id: Whose memory.
        text: What to remember.
        scope: Who may recall it: workspace, agent, session or task.
        scope_id: Which agent, session or task; empty for the workspace.
        importance: From 0 to 1.
        provenance: Who says so, from what.
        key: The same key again returns the same entry.
        embedding: The text's vector; without one it is found by its words alone.
        embedding_model: The model that made the vector.

    Raises:
        InputInvalid: A value cannot be used.
        NotFound: The scope's agent is not one of the workspace's.
    """
    memory_check(text=text, scope=scope, scope_id=scope_id, importance=importance)
    if scope == MemoryEntry.Scope.AGENT:
        agents = Agent.objects.filter(workspace_id=workspace_id)
        if not (rules.is_uuid(scope_id) and agents.filter(pk=scope_id).exists()):
            raise NotFound(kind="agent", name=scope_id)
    draft = memories.Draft(
        text=text,
        scope=memories.Scope(kind=scope, id=scope_id),
        importance=importance,
        provenance=provenance or {},
        key=key,
        embedding=embedding,
        embedding_model=embedding_model,
    )
    with transaction.atomic():
        return memories.add(workspace_id=workspace_id, draft=draft, now=timezone.now())


def memory_review(*, workspace_id: str, memory_id: str, accepted: bool) -> None:
    """Accept an entry, or reject it so that it is recalled no more.

    Raises:
        NotFound: No such entry in this workspace.
    """
    review = MemoryEntry.Review.ACCEPTED if accepted else MemoryEntry.Review.REJECTED
    if not _own(workspace_id, memory_id).update(review=review):
        raise NotFound(kind="memory", name=memory_id)


def memory_expire(*, workspace_id: str, memory_id: str, at: datetime | None = None) -> None:
    """Let an entry hold until `at`, now when left out; it stays as history.

    Raises:
        NotFound: No such entry in this workspace.
    """
    with transaction.atomic():
        row = _own(workspace_id, memory_id).select_for_update().first()
        if row is None:
            raise NotFound(kind="memory", name=memory_id)
        row.valid_until = max(at or timezone.now(), row.valid_from)
        row.save(update_fields=["valid_until"])


def memory_erase(*, workspace_id: str, memory_id: str) -> None:
    """Remove an entry for good.

    Raises:
        NotFound: No such entry in this workspace.
    """
    erased, _ = _own(workspace_id, memory_id).delete()
    if not erased:
        raise NotFound(kind="memory", name=memory_id)


def _own(workspace_id: str, memory_id: str):  # noqa: ANN202 -- a QuerySet
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id)
    return rows.filter(pk=memory_id) if rules.is_uuid(memory_id) else rows.none()


def memory_check(*, text: str, scope: str, scope_id: str, importance: float) -> None:
    """Pass when these values can be remembered.

    Raises:
        InputInvalid: One cannot.
    """
    rules.validate(
        {"text": text, "scope": scope, "scope_id": scope_id, "importance": importance},
        {
            "text": rules.text(_LONGEST_TEXT, least=1),
            "scope": rules.one_of(*_KINDS),
            "scope_id": rules.text(200),
            "importance": rules.number(0, 1),
        },
    )
    if (scope == MemoryEntry.Scope.WORKSPACE) != (scope_id == ""):
        message = "Empty for the scope workspace; the agent, session or task for the others."
        raise InputInvalid(
            f"scope_id: {message}", errors=(FieldError(field="scope_id", message=message),)
        )
