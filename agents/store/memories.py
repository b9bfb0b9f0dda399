"""What agents remember beyond a run: scoped entries, found by the engine that finds documents."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from agents.core.ports import MemoryHit, TextEmbedder
from agents.memory.recall import score
from agents.memory.topics import topic_of
from agents.models import MemoryEntry, MemoryUse, Run
from agents.store import memory_neighbours
from agents.store.codec import json_storable, storable
from knowledge import wiring as knowledge
from knowledge.core.neighbours import with_neighbours
from loomsite.access.bridge import db

_CANDIDATES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose memory: workspace, agent, session or task; `id` is empty for the workspace."""

    kind: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


WORKSPACE = Scope(kind="workspace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry to be kept.

    Attributes:
        occasion: When and where it was said, in words; entries of one occasion are neighbours.
        subject: Whom it is about, to export or erase all of it.
        topic: The one thing it settles; found in the text when empty, and often there is none.
        vector: What `vector_of` made, by the model `embedding_model`.
    """

    text: str
    scope: Scope = WORKSPACE
    kind: str = "fact"
    importance: float = 0.5
    provenance: Mapping[str, Any] = field(default_factory=dict)
    review: str = MemoryEntry.Review.ACCEPTED
    key: str = ""
    occasion: str = ""
    subject: str = ""
    topic: str = ""
    vector: Sequence[float] | None = None
    embedding_model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for, as text and, where there is an embedder, as a vector of its model."""

    text: str
    vector: Sequence[float] | None = None
    model_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DbMemory:
    """`MemoryStore` bound to the scopes of one run; what it writes belongs to `owner`."""

    workspace_id: str
    owner: Scope
    readable: tuple[Scope, ...]
    provenance: Mapping[str, Any]
    embedder: TextEmbedder | None
    fence: Callable[[], None]

    async def remember(
        self, text: str, *, kind: str = "fact", importance: float = 0.5, key: str = ""
    ) -> str:
        vector = None
        if self.embedder is not None:
            before = await db(previous, workspace_id=self.workspace_id, scope=self.owner)
            vector = mean(await self.embedder.embed(embedding_texts(text, before)))
        draft = Draft(
            text=text,
            scope=self.owner,
            kind=kind,
            importance=importance,
            provenance=self.provenance,
            key=key,
            vector=vector,
            embedding_model="" if self.embedder is None else self.embedder.model_id,
        )
        return await db(self._remember, draft)

    async def recall(self, query: str, *, limit: int = 8) -> list[MemoryHit]:
        question = Question(text=query)
        if self.embedder is not None:
            vector = (await self.embedder.embed([query]))[0]
            question = Question(text=query, vector=vector, model_id=self.embedder.model_id)
        return await db(self._recall, question, limit)

    def _remember(self, draft: Draft) -> str:
        with transaction.atomic():
            self.fence()
            return add(workspace_id=self.workspace_id, draft=draft, now=timezone.now())

    def _recall(self, question: Question, limit: int) -> list[MemoryHit]:
        hits = search(
            workspace_id=self.workspace_id,
            scopes=self.readable,
            question=question,
            limit=limit,
            now=timezone.now(),
        )
        run = Run.objects.filter(
            workspace_id=self.workspace_id, pk=self.provenance.get("run_id")
        ).first()
        if run is not None:
            uses = [MemoryUse(memory_id=hit.id, run=run, score=hit.score) for hit in hits]
            MemoryUse.objects.bulk_create(uses, ignore_conflicts=True)
        return hits


def embedding_texts(text: str, before: str) -> list[str]:
    """Return the texts whose vectors' mean stands for an entry that was said after `before`."""
    return [text, f"{before}\n{text}"] if before else [text]


def mean(vectors: Sequence[Sequence[float]]) -> list[float]:
    """Return the unit vector between these."""
    summed = [sum(column) for column in zip(*vectors, strict=True)]
    length = sum(x * x for x in summed) ** 0.5 or 1.0
    return [x / length for x in summed]


def previous(*, workspace_id: str, scope: Scope, occasion: str = "") -> str:
    """Return what was said last in a scope on the same occasion; empty when nothing was."""
    if not memory_neighbours.has_order(scope.kind, occasion):
        return ""
    rows = MemoryEntry.objects.filter(
        workspace_id=workspace_id, scope=scope.kind, scope_id=scope.id, occasion=occasion
    )
    rows = rows.exclude(review=MemoryEntry.Review.REJECTED)
    return rows.order_by("-created_at", "-pk").values_list("text", flat=True).first() or ""


def add(*, workspace_id: str, draft: Draft, now: datetime) -> str:
    """Keep an entry once per key, and once per text in its scope; return its id.

    What held until now of the same topic in the same scope is closed, and kept. Call it inside a
    transaction.
    """
    text = storable(draft.text).strip()
    occasion = " ".join(storable(draft.occasion).split())[:200]
    digest = hashlib.sha256(text.encode()).hexdigest()
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id)
    own = rows.filter(scope=draft.scope.kind, scope_id=draft.scope.id, valid_until__isnull=True)
    known = own.filter(text_sha256=digest, occasion=occasion).order_by("created_at", "pk").first()
    if draft.key:
        known = rows.filter(key=draft.key).first() or known
    if known is not None:
        return str(known.pk)
    topic = " ".join(storable(draft.topic).casefold().split())[:200] or topic_of(text)
    if topic and draft.review == MemoryEntry.Review.ACCEPTED:
        close(workspace_id=workspace_id, rows=own.filter(topic=topic), at=now)
    row = MemoryEntry.objects.create(
        workspace_id=workspace_id,
        scope=draft.scope.kind,
        scope_id=draft.scope.id,
        kind=storable(draft.kind)[:32],
        key=draft.key[:255],
        text=text,
        text_sha256=digest,
        occasion=occasion,
        subject=storable(draft.subject)[:200],
        topic=topic,
        importance=min(1.0, max(0.0, draft.importance)),
        provenance=json_storable(dict(draft.provenance)),
        review=draft.review,
        valid_from=now,
    )
    knowledge.memory_index(
        workspace_id=workspace_id,
        scope=str(draft.scope),
        memory=knowledge.Memory(
            memory_id=str(row.pk),
            text=text,
            occasion=occasion,
            vectors={} if draft.vector is None else {draft.embedding_model: draft.vector},
        ),
    )
    return str(row.pk)


def close(*, workspace_id: str, rows: "QuerySet[MemoryEntry]", at: datetime) -> None:
    """Let entries hold until `at` and no longer; they stay as history, out of recall."""
    ids = [str(pk) for pk in rows.select_for_update().order_by("pk").values_list("pk", flat=True)]
    if ids:
        MemoryEntry.objects.filter(pk__in=ids).update(valid_until=at)
        knowledge.memories_show(workspace_id=workspace_id, memory_ids=ids, shown=False)


def search(
    *,
    workspace_id: str,
    scopes: Sequence[Scope],
    question: Question,
    limit: int,
    now: datetime,
) -> list[MemoryHit]:
    """Return what is remembered in these scopes and fits, best first, ties by id.

    Rejected entries and those that hold no longer are left out.
    """
    fits = knowledge.memory_find(
        workspace_id=workspace_id,
        scopes=[str(scope) for scope in scopes],
        query=storable(question.text),
        vector=question.vector,
        model_id=question.model_id,
    )
    joined = with_neighbours(fits, memory_neighbours.of_entries(list(fits)))
    best = sorted(joined, key=lambda key: (-joined[key], key))[: max(_CANDIDATES, limit)]
    rows = list(_visible(workspace_id, scopes, now).filter(pk__in=best))
    trust = _trust([row.pk for row in rows])
    hits = [
        _hit(row, fit=joined[str(row.pk)], trust=trust.get(row.pk, 1.0), now=now) for row in rows
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[: max(0, limit)]


def _visible(workspace_id: str, scopes: Sequence[Scope], now: datetime) -> "QuerySet[MemoryEntry]":
    seen = Q(pk__in=[])
    for scope in scopes:
        seen |= Q(scope=scope.kind, scope_id=scope.id)
    rows = MemoryEntry.objects.filter(seen, workspace_id=workspace_id, valid_from__lte=now)
    rows = rows.exclude(review=MemoryEntry.Review.REJECTED)
    return rows.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=now))


def _trust(ids: Sequence[Any]) -> dict[Any, float]:
    """Return what is left of an entry's importance: less for each run it was in that failed."""
    ended = Q(run__status=Run.Status.ENDED)
    found = (
        MemoryUse.objects.filter(memory_id__in=list(ids))
        .order_by()
        .values("memory_id")
        .annotate(used=Count("pk", filter=ended), failed=Count("pk", filter=ended & _FAILED))
    )
    return {row["memory_id"]: 1 - row["failed"] / (row["used"] + 2) for row in found}


_FAILED = ~Q(run__error_code="")


def _hit(row: MemoryEntry, *, fit: float, trust: float, now: datetime) -> MemoryHit:
    total = score(
        meaning=fit,
        words=fit,
        importance=row.importance * trust,
        created_at=row.valid_from,
        now=now,
    )
    return MemoryHit(
        id=str(row.pk),
        text=row.text,
        kind=row.kind,
        importance=row.importance,
        score=round(total, 6),
        created_at=row.created_at,
        source=str(row.provenance.get("source", "")),
    )
