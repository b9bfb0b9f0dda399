"""What people do to memories: correct one with its history kept, make one of several."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.core.errors import NotFound
from agents.models import MemoryEntry, MemoryRevision
from agents.services import rules
from agents.services.memories import memory_check, memory_locked
from agents.store import memories
from loomsite.access.core.errors import InputInvalid

CHANGEABLE = ("text", "importance", "subject", "topic", "occasion", "valid_until")
_MOST_MERGED = 50


def memory_edit(
    *,
    workspace_id: str,
    memory_id: str,
    actor: str,
    changes: Mapping[str, Any],
    embed: memories.Embed | None = None,
) -> None:
    """Change an entry; what it said before is kept in its history.

    Args:
        workspace_id: Whose memory.
        memory_id: Of the entry.
        actor: Who changes it.
        changes: Of CHANGEABLE, by name; `valid_until` None lets it hold for good.
        embed: Makes vectors; without it a changed text is found by its words alone.

    Raises:
        InputInvalid: A change cannot be made, or another entry says the same already.
        NotFound: No such entry in this workspace.
    """
    _check(changes)
    row = memory_locked(workspace_id, memory_id, lock=False)
    reworded = any(changes.get(name, getattr(row, name)) != getattr(row, name) for name in _WORDED)
    vectors = memories.vectors_of(
        workspace_id=workspace_id,
        scope=memories.Scope(kind=row.scope, id=row.scope_id),
        text=str(changes.get("text", row.text)).strip(),
        occasion=changes.get("occasion", row.occasion),
        until=row,
        embed=embed if reworded else None,
    )
    try:
        with transaction.atomic():
            row = memory_locked(workspace_id, memory_id)
            _apply(row, changes, actor=actor, now=timezone.now())
            if reworded:
                memories.index(row, vectors=vectors, anew=True)
            else:
                memories.show(row, now=timezone.now())
    except IntegrityError as error:
        if not rules.violates(error, "agents_memory_text_once_per_scope"):
            raise
        raise InputInvalid.of(
            "text", "Another entry of this scope says the same: merge the two."
        ) from None


def memories_merge(
    *,
    workspace_id: str,
    memory_ids: Sequence[str],
    text: str | None = None,
    actor: str = "",
    embed: memories.Embed | None = None,
) -> str:
    """Put one entry in the place of several of one scope, and return its id.

    They are closed and kept; the new one names them in its provenance. Its text is, when none is
    given, that of the most important of them, the newest of equals.

    Raises:
        InputInvalid: Fewer than two, more than can be, or of different scopes.
        NotFound: One of them is not in this workspace.
    """
    ids = list(dict.fromkeys(map(str, memory_ids)))
    if not 2 <= len(ids) <= _MOST_MERGED:  # noqa: PLR2004 -- one is no merge
        raise InputInvalid.of("memory_ids", f"Name 2 to {_MOST_MERGED} different entries.")
    rows = [memory_locked(workspace_id, memory_id, lock=False) for memory_id in ids]
    if len({(row.scope, row.scope_id) for row in rows}) > 1:
        raise InputInvalid.of("memory_ids", "They are of different scopes: merge those of one.")
    best = max(rows, key=lambda row: (row.importance, row.created_at, str(row.pk)))
    wanted = (best.text if text is None else text).strip()
    memory_check(text=wanted, scope=best.scope, scope_id=best.scope_id, importance=0)
    draft = memories.Draft(
        text=wanted,
        scope=memories.Scope(kind=best.scope, id=best.scope_id),
        kind=best.kind,
        importance=best.importance,
        provenance={
            "source": actor,
            "merged": ids,
            "sources": sorted({str(row.provenance.get("source", "")) for row in rows} - {""}),
        },
        occasion=best.occasion,
        subject=_common(row.subject for row in rows),
        topic=_common(row.topic for row in rows),
        vectors=memories.vectors_of(
            workspace_id=workspace_id,
            scope=memories.Scope(kind=best.scope, id=best.scope_id),
            text=wanted,
            embed=embed,
        ),
    )
    with transaction.atomic():
        now = timezone.now()
        held = MemoryEntry.objects.filter(workspace_id=workspace_id, pk__in=ids)
        if held.select_for_update().count() != len(ids):
            raise NotFound(kind="memory", name=ids[0])
        memories.close(workspace_id=workspace_id, rows=held.filter(valid_until=None), at=now)
        made = memories.add(workspace_id=workspace_id, draft=draft, now=now)
        MemoryRevision.objects.bulk_create(
            [
                MemoryRevision(
                    memory_id=row.pk,
                    at=now,
                    actor=actor[:200],
                    before={"valid_until": _plain(row.valid_until), "merged_into": made},
                )
                for row in rows
            ]
        )
    return made


_WORDED = ("text", "occasion")


def _apply(row: MemoryEntry, changes: Mapping[str, Any], *, actor: str, now: datetime) -> None:
    before = {name: _plain(getattr(row, name)) for name in changes}
    memories.change(row, changes)
    after = {name: _plain(getattr(row, name)) for name in changes}
    changed = {name: value for name, value in before.items() if after[name] != value}
    if not changed:
        return
    if row.valid_until is not None and row.valid_until < row.valid_from:
        raise InputInvalid.of("valid_until", "It cannot end before it began to hold.")
    row.save(update_fields=[*CHANGEABLE, "text_sha256"])
    MemoryRevision.objects.create(memory=row, at=now, actor=actor[:200], before=changed)


def _check(changes: Mapping[str, Any]) -> None:
    unknown = sorted(set(changes) - set(CHANGEABLE))
    if unknown or not changes:
        raise InputInvalid.of(
            unknown[0] if unknown else "text", f"Change one of {', '.join(CHANGEABLE)}."
        )
    checks = {
        "text": rules.text(20_000, least=1),
        "importance": rules.number(0, 1),
        "subject": rules.text(200),
        "topic": rules.text(200),
        "occasion": rules.text(200),
    }
    rules.validate({k: v for k, v in changes.items() if k in checks}, checks)
    until = changes.get("valid_until")
    if until is not None and (not isinstance(until, datetime) or until.tzinfo is None):
        raise InputInvalid.of("valid_until", "Must be a time with its zone, or nothing.")


def _common(values: Any) -> str:  # noqa: ANN401 -- any texts
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
