"""What agents remember beyond a run: scoped entries, found by meaning and by word."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db import transaction
from django.db.models import F, Q, QuerySet, Value
from django.utils import timezone
from pgvector.django import CosineDistance

from agents.core.ports import MemoryHit, TextEmbedder
from agents.memory.recall import score
from agents.models import MemoryEntry
from agents.store.codec import json_storable, storable
from loomsite.access.bridge import db

_CANDIDATES = 50
_MOST_WORDS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose memory: workspace, agent, session or task; `id` is empty for the workspace."""

    kind: str
    id: str = ""


WORKSPACE = Scope(kind="workspace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry to be kept."""

    text: str
    scope: Scope = WORKSPACE
    kind: str = "fact"
    importance: float = 0.5
    provenance: Mapping[str, Any] = field(default_factory=dict)
    review: str = MemoryEntry.Review.ACCEPTED
    key: str = ""
    embedding: Sequence[float] | None = None
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
        draft = Draft(
            text=text,
            scope=self.owner,
            kind=kind,
            importance=importance,
            provenance=self.provenance,
            key=key,
            embedding=None if self.embedder is None else (await self.embedder.embed([text]))[0],
            embedding_model="" if self.embedder is None else self.embedder.model_id,
        )
        return await db(self._remember, draft)

    async def recall(self, query: str, *, limit: int = 8) -> list[MemoryHit]:
        question = Question(text=query)
        if self.embedder is not None:
            vector = (await self.embedder.embed([query]))[0]
            question = Question(text=query, vector=vector, model_id=self.embedder.model_id)
        return await db(
            search,
            workspace_id=self.workspace_id,
            scopes=self.readable,
            question=question,
            limit=limit,
            now=timezone.now(),
        )

    def _remember(self, draft: Draft) -> str:
        with transaction.atomic():
            self.fence()
            return add(workspace_id=self.workspace_id, draft=draft, now=timezone.now())


def add(*, workspace_id: str, draft: Draft, now: datetime) -> str:
    """Keep an entry once per key, and once per text in its scope; return its id."""
    text = storable(draft.text).strip()
    digest = hashlib.sha256(text.encode()).hexdigest()
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id)
    same = Q(
        scope=draft.scope.kind,
        scope_id=draft.scope.id,
        text_sha256=digest,
        valid_until__isnull=True,
    )
    if draft.key:
        same |= Q(key=draft.key)
    known = rows.filter(same).order_by("created_at", "pk").first()
    if known is not None:
        return str(known.pk)
    row = MemoryEntry.objects.create(
        workspace_id=workspace_id,
        scope=draft.scope.kind,
        scope_id=draft.scope.id,
        kind=storable(draft.kind)[:32],
        key=draft.key[:255],
        text=text,
        text_sha256=digest,
        importance=min(1.0, max(0.0, draft.importance)),
        provenance=json_storable(dict(draft.provenance)),
        review=draft.review,
        valid_from=now,
        embedding=None if draft.embedding is None else list(draft.embedding),
        embedding_model=draft.embedding_model,
    )
    return str(row.pk)


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
    rows = _visible(workspace_id, scopes, now)
    meanings: dict[str, float] = {}
    found: dict[str, MemoryEntry] = {}
    if question.vector is not None:
        for row, similarity in _by_meaning(rows, question):
            found[str(row.pk)] = row
            meanings[str(row.pk)] = similarity
    ranks: dict[str, float] = {}
    for row, rank in _by_words(rows, question.text):
        found[str(row.pk)] = row
        ranks[str(row.pk)] = rank
    best_rank = max(ranks.values(), default=0.0) or 1.0
    hits = [
        _hit(row, meaning=meanings.get(key, 0.0), words=ranks.get(key, 0.0) / best_rank, now=now)
        for key, row in found.items()
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[: max(0, limit)]


def _visible(workspace_id: str, scopes: Sequence[Scope], now: datetime) -> "QuerySet[MemoryEntry]":
    seen = Q(pk__in=[])
    for scope in scopes:
        seen |= Q(scope=scope.kind, scope_id=scope.id)
    rows = MemoryEntry.objects.filter(seen, workspace_id=workspace_id, valid_from__lte=now)
    rows = rows.exclude(review=MemoryEntry.Review.REJECTED)
    return rows.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=now))


def _by_meaning(
    rows: "QuerySet[MemoryEntry]", question: Question
) -> list[tuple[MemoryEntry, float]]:
    distance = CosineDistance("embedding", list(question.vector or ()))
    near = rows.filter(embedding_model=question.model_id, embedding__isnull=False)
    near = near.annotate(distance=distance).order_by("distance", "pk")[:_CANDIDATES]
    return [(row, max(0.0, 1.0 - float(row.distance))) for row in near]  # pyright: ignore[reportAttributeAccessIssue] -- annotated


def _by_words(rows: "QuerySet[MemoryEntry]", text: str) -> list[tuple[MemoryEntry, float]]:
    words = list(dict.fromkeys(storable(text).casefold().split()))[:_MOST_WORDS]
    if not words:
        return []
    query = SearchQuery(words[0], config="simple")
    for word in words[1:]:
        query |= SearchQuery(word, config="simple")
    vector = SearchVector("text", config="simple")
    rank = SearchRank(vector, query, normalization=Value(1))
    matching = rows.annotate(words=vector).filter(words=query)
    matching = matching.annotate(rank=rank).order_by(F("rank").desc(), "pk")[:_CANDIDATES]
    return [(row, float(row.rank)) for row in matching]  # pyright: ignore[reportAttributeAccessIssue] -- annotated


def _hit(row: MemoryEntry, *, meaning: float, words: float, now: datetime) -> MemoryHit:
    fit = score(
        meaning=meaning,
        words=words,
        importance=row.importance,
        created_at=row.valid_from,
        now=now,
    )
    return MemoryHit(
        id=str(row.pk),
        text=row.text,
        kind=row.kind,
        importance=row.importance,
        score=round(fit, 6),
        created_at=row.created_at,
        source=str(row.provenance.get("source", "")),
    )
