"""Memory with the embedder plugged in: what doors and jobs call."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from agents.core.ports import MemoryHit
from agents.services import memories, memory_curation
from agents.store import memories as memory_store
from agents.store.memories import Scope
from knowledge import wiring as knowledge
from knowledge.core.types import Fusion

_MOST_RECALLED = 100
_INDEXED_AT_ONCE = 200


def memory_remember(
    *,
    workspace_id: str,
    text: str,
    scope: str = "workspace",
    scope_id: str = "",
    importance: float = 0.5,
    provenance: Mapping[str, Any] | None = None,
    key: str = "",
    occasion: str = "",
    subject: str = "",
    topic: str = "",
    review: bool = False,
) -> str:
    """Keep a text so that it is found by meaning, and return its id; see `services.memories`."""
    return memories.memory_remember(
        workspace_id=workspace_id,
        text=text,
        scope=scope,
        scope_id=scope_id,
        importance=importance,
        provenance=provenance,
        key=key,
        occasion=occasion,
        subject=subject,
        topic=topic,
        review=review,
        embed=knowledge.memory_vectors,
    )


def memory_recall(
    *,
    workspace_id: str,
    query: str,
    scope: str = "workspace",
    scope_id: str = "",
    limit: int = 8,
    fusion: Fusion = "convex",
) -> list[MemoryHit]:
    """Return what a scope remembers and fits the query, best first.

    Raises:
        InputInvalid: The query or the scope cannot be used.
    """
    memories.recall_check(query=query, scope=scope, scope_id=scope_id)
    return memory_store.search(
        workspace_id=workspace_id,
        scopes=[Scope(kind=scope, id=scope_id)],
        query=query,
        fusion=fusion,
        limit=min(max(limit, 0), _MOST_RECALLED),
        now=timezone.now(),
    )


def memory_edit(*, workspace_id: str, memory_id: str, actor: str, **changes: Any) -> None:  # noqa: ANN401 -- values of any kind, checked below
    """Change an entry and keep what it said before; see `services.memory_curation`."""
    memory_curation.memory_edit(
        workspace_id=workspace_id,
        memory_id=memory_id,
        actor=actor,
        changes=changes,
        embed=knowledge.memory_vectors,
    )


def memories_merge(
    *, workspace_id: str, memory_ids: Sequence[str], text: str | None = None, actor: str = ""
) -> str:
    """Put one entry in the place of several; see `services.memory_curation`."""
    return memory_curation.memories_merge(
        workspace_id=workspace_id,
        memory_ids=memory_ids,
        text=text,
        actor=actor,
        embed=knowledge.memory_vectors,
    )


def memories_index() -> int:
    """Make findable what was remembered before there was an index; return how many entries."""
    return memories.memories_index(
        limit=_INDEXED_AT_ONCE,
        embed=knowledge.memory_vectors,
    )
