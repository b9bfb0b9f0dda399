"""What one agent knows, handed on to another: to a child at its birth, to an heir for good."""

from django.db import transaction
from django.utils import timezone

from agents.models import MemoryEntry
from agents.store import memories
from agents.store.memories import Scope

KEY_IMPORTANCE = 0.7
"""From here on a fact is worth handing on."""
AT_ONCE = 20
HAND_OFF = "hand-off"


def facts_hand_on(*, workspace_id: str, from_agent_id: str, to_agent_id: str, why: str) -> int:
    """Copy the key facts of an agent's own memory to another's, each once; return how many.

    What it was handed itself is not handed on. The copies are found by their words until the
    index of memories has seen them.
    """
    entries = (
        MemoryEntry.objects.filter(
            workspace_id=workspace_id,
            scope=MemoryEntry.Scope.AGENT,
            scope_id=from_agent_id,
            importance__gte=KEY_IMPORTANCE,
            review=MemoryEntry.Review.ACCEPTED,
            valid_until__isnull=True,
        )
        .exclude(provenance__handed_by__isnull=False)
        .order_by("-importance", "-created_at", "id")
    )
    given = set(
        MemoryEntry.objects.filter(
            workspace_id=workspace_id, scope=MemoryEntry.Scope.AGENT, scope_id=to_agent_id
        ).values_list("text_sha256", flat=True)
    )
    new = [row for row in entries if row.text_sha256 not in given][:AT_ONCE]
    for row in new:
        fact_hand(
            workspace_id=workspace_id,
            from_agent_id=from_agent_id,
            to_agent_id=to_agent_id,
            text=row.text,
            importance=row.importance,
            why=why,
        )
    return len(new)


def fact_hand(
    *,
    workspace_id: str,
    from_agent_id: str,
    to_agent_id: str,
    text: str,
    importance: float = KEY_IMPORTANCE,
    why: str = HAND_OFF,
) -> None:
    """Let an agent remember one thing that another tells it."""
    draft = memories.Draft(
        text=text,
        scope=Scope(kind="agent", id=to_agent_id),
        importance=importance,
        provenance={"source": f"{why}:{from_agent_id}", "handed_by": from_agent_id},
    )
    with transaction.atomic():
        memories.add(workspace_id=workspace_id, draft=draft, now=timezone.now())
