"""Writes of memory by people and programs; agents write through their store."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.core.errors import NotFound
from agents.models import Agent, MemoryEntry, MemoryRevision
from agents.services import rules
from agents.store import memories
from knowledge import wiring as knowledge
from loomsite.access.core.errors import InputInvalid
from loomsite.access.ids import uuid_of

_LONGEST_TEXT = 20_000
_LONGEST_QUERY = 200_000  # as documents are asked
_LONGEST_NAME = 200
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
    occasion: str = "",
    subject: str = "",
    topic: str = "",
    review: bool = False,
    embed: memories.Embed | None = None,
) -> str:
    """Keep a text and return its id; the same text in the same scope and occasion is kept once.

    Args:
        workspace_id: Whose memory.
        text: What to remember.
        scope: Who may recall it: workspace, agent, session or task.
        scope_id: Which agent, session or task; empty for the workspace.
        importance: From 0 to 1.
        provenance: Who says so, from what.
        key: The same key again returns the same entry.
        occasion: When and where it was said, in words; entries of one occasion are neighbours.
        subject: Whom it is about.
        topic: The one thing it settles: what held of it until now is closed, and kept.
        review: Somebody must accept it before it closes anything; it is recalled meanwhile.
        embed: Makes vectors; without it the entry is found by its words alone.

    Raises:
        InputInvalid: A value cannot be used.
        NotFound: The scope's agent is not one of the workspace's.
    """
    memory_check(text=text, scope=scope, scope_id=scope_id, importance=importance)
    named = {"occasion": occasion, "subject": subject, "topic": topic}
    rules.validate(named, {name: rules.text(_LONGEST_NAME) for name in named})
    if scope == MemoryEntry.Scope.AGENT:
        agents = Agent.objects.filter(workspace_id=workspace_id)
        if not agents.filter(pk=uuid_of(scope_id)).exists():
            raise NotFound(kind="agent", name=scope_id)
    owner = memories.Scope(kind=scope, id=scope_id)
    vectors = memories.vectors_of(
        workspace_id=workspace_id, scope=owner, text=text, occasion=occasion, embed=embed
    )
    draft = memories.Draft(
        text=text,
        scope=owner,
        importance=importance,
        provenance=provenance or {},
        key=key,
        occasion=occasion,
        subject=subject,
        topic=topic,
        review=MemoryEntry.Review.PENDING if review else MemoryEntry.Review.ACCEPTED,
        vectors=vectors,
    )
    with transaction.atomic():
        return memories.add(workspace_id=workspace_id, draft=draft, now=timezone.now())


def memory_review(*, workspace_id: str, memory_id: str, accepted: bool) -> None:
    """Accept an entry, or reject it so that it is recalled no more.

    Accepting one of a topic closes what held of that topic until now.

    Raises:
        NotFound: No such entry in this workspace.
    """
    with transaction.atomic():
        row = memory_locked(workspace_id, memory_id)
        row.review = MemoryEntry.Review.ACCEPTED if accepted else MemoryEntry.Review.REJECTED
        row.save(update_fields=["review"])
        if accepted and row.topic and row.valid_until is None:
            rivals = MemoryEntry.objects.filter(
                workspace_id=workspace_id,
                scope=row.scope,
                scope_id=row.scope_id,
                topic=row.topic,
                valid_until__isnull=True,
                created_at__lt=row.created_at,
            )
            memories.close(workspace_id=workspace_id, rows=rivals, at=timezone.now())
        knowledge.memories_show(
            workspace_id=workspace_id,
            memory_ids=[memory_id],
            shown=accepted and (row.valid_until is None or row.valid_until > timezone.now()),
        )


def memory_expire(*, workspace_id: str, memory_id: str, at: datetime | None = None) -> None:
    """Let an entry hold until `at`, now when left out; it stays as history.

    Raises:
        NotFound: No such entry in this workspace.
    """
    with transaction.atomic():
        row = memory_locked(workspace_id, memory_id)
        until = max(at or timezone.now(), row.valid_from)
        row.valid_until = until
        row.save(update_fields=["valid_until"])
        if until <= timezone.now():
            knowledge.memories_show(workspace_id=workspace_id, memory_ids=[memory_id], shown=False)


def memory_erase(*, workspace_id: str, memory_id: str) -> None:
    """Remove an entry for good.

    Raises:
        NotFound: No such entry in this workspace.
    """
    with transaction.atomic():
        _erase(workspace_id, [memory_locked(workspace_id, memory_id).pk])


def memories_erase(
    *,
    workspace_id: str,
    subject: str | None = None,
    scope: str | None = None,
    scope_id: str = "",
    keep_embeddings: bool = False,
) -> int:
    """Remove all that is remembered about a subject, or in a scope, and return how many entries.

    What was made of their texts goes too: cached vectors unless `keep_embeddings`, and a job makes
    those of entries anew that were made with the text of one before them.

    Raises:
        InputInvalid: Neither is named, or the scope cannot be.
    """
    if not subject and scope is None:
        message = "Name a subject, or a scope: nothing is erased without one."
        raise InputInvalid.of("subject", message, detail=message)
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id)
    if subject:
        rows = rows.filter(subject=subject)
    if scope is not None:
        memory_check(text="-", scope=scope, scope_id=scope_id, importance=0)
        rows = rows.filter(scope=scope, scope_id=scope_id)
    with transaction.atomic():
        ids = list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
        _erase(workspace_id, ids, keep_embeddings=keep_embeddings)
    return len(ids)


def _erase(workspace_id: str, ids: Sequence[UUID], *, keep_embeddings: bool = False) -> None:
    if not keep_embeddings:
        said: dict[str, list[str]] = {str(pk): [] for pk in ids}
        revisions = MemoryRevision.objects.filter(memory__in=ids, before__has_key="text")
        for pk, text in revisions.values_list("memory_id", "before__text"):
            said[str(pk)].append(text)
        followers = knowledge.memories_forget(workspace_id=workspace_id, texts=said)
        MemoryEntry.objects.filter(workspace_id=workspace_id, pk__in=followers).update(
            indexed=False
        )
    knowledge.memories_drop(workspace_id=workspace_id, memory_ids=[str(pk) for pk in ids])
    MemoryEntry.objects.filter(workspace_id=workspace_id, pk__in=ids).delete()


def memories_index(*, limit: int, embed: memories.Embed) -> int:
    """Put entries into the index that are not in it yet, and return how many; safe to run twice."""
    rows = list(MemoryEntry.objects.filter(indexed=False).order_by("pk")[:limit])
    for row in rows:
        workspace_id = str(row.workspace_id)  # pyright: ignore[reportAttributeAccessIssue] -- Django's
        vectors = memories.vectors_of(
            workspace_id=workspace_id,
            scope=memories.Scope(kind=row.scope, id=row.scope_id),
            text=row.text,
            occasion=row.occasion,
            until=row,
            embed=embed,
        )
        with transaction.atomic():
            held = MemoryEntry.objects.select_for_update().filter(pk=row.pk, indexed=False).first()
            if held is not None:
                memories.index(held, vectors=vectors, anew=True)
                MemoryEntry.objects.filter(pk=held.pk).update(indexed=True)
    return len(rows)


def memory_locked(workspace_id: str, memory_id: str, *, lock: bool = True) -> MemoryEntry:
    """Return an entry, held for the transaction unless `lock` is False.

    Raises:
        NotFound: No such entry in this workspace.
    """
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id)
    rows = rows.select_for_update() if lock else rows
    row = rows.filter(pk=uuid_of(memory_id)).first()
    if row is None:
        raise NotFound(kind="memory", name=memory_id)
    return row


def recall_check(*, query: str, scope: str, scope_id: str) -> None:
    """Pass when a scope can be asked this.

    Raises:
        InputInvalid: The query or the scope cannot be used.
    """
    rules.validate({"query": query}, {"query": rules.text(_LONGEST_QUERY, least=1)})
    memory_check(text="-", scope=scope, scope_id=scope_id, importance=0)


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
        raise InputInvalid.of(
            "scope_id", "Empty for the scope workspace; the agent, session or task for the others."
        )
