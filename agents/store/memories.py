"""What agents remember beyond a run: scoped entries, found by the engine that finds documents."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from agents.core.ports import MemoryHit
from agents.memory.cues import cues
from agents.memory.recall import score
from agents.memory.topics import topic_of
from agents.models import MemoryEntry
from agents.store import memory_neighbours, memory_uses
from agents.store.codec import json_storable, storable
from knowledge import wiring as knowledge
from knowledge.core.neighbours import embedding_texts, fits, mean
from knowledge.core.types import Fusion
from loomsite.access.bridge import db

_CANDIDATES = 200
_LASTING = 0.4  # of a score, however badly the runs did: what nobody else knows is still found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose memory: workspace, agent, session or task; `id` is empty for the workspace."""

    kind: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


WORKSPACE = Scope(kind="workspace")


class Embed(Protocol):
    """Give each text's vector by every model that a scope needs, under the models' names."""

    def __call__(
        self, *, workspace_id: str, scope: str, texts: Sequence[str]
    ) -> Mapping[str, Sequence[Sequence[float]]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """An entry's vectors by the names of their models, and the entry before it that is in them."""

    by_model: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    follows: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry to be kept.

    Attributes:
        occasion: When and where it was said, in words; entries of one occasion are neighbours.
        subject: Whom it is about, to export or erase all of it.
        topic: The one thing it settles; found in the text when empty, and often there is none.
        vectors: What `vectors_of` made.
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
    vectors: Vectors = field(default_factory=Vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class DbMemory:
    """`MemoryStore` bound to the scopes of one run; what it writes belongs to `owner`.

    Attributes:
        held_out: The run goes without memories, by lot: what it would have got is noted, and how
            such runs do beside the others says whether memories help.
    """

    workspace_id: str
    owner: Scope
    readable: tuple[Scope, ...]
    provenance: Mapping[str, Any]
    embed: Embed | None
    fence: Callable[[], None]
    held_out: bool = False

    async def remember(
        self, text: str, *, kind: str = "fact", importance: float = 0.5, key: str = ""
    ) -> str:
        vectors = await db(
            vectors_of,
            workspace_id=self.workspace_id,
            scope=self.owner,
            text=text,
            embed=self.embed,
        )
        draft = Draft(
            text=text,
            scope=self.owner,
            kind=kind,
            importance=importance,
            provenance=self.provenance,
            key=key,
            vectors=vectors,
        )
        return await db(self._remember, draft)

    async def recall(self, query: str, *, limit: int = 8, given: bool = True) -> list[MemoryHit]:
        return await db(self._recall, query, limit, given)

    async def give(self, scores: Mapping[str, float]) -> None:
        if scores:
            await db(self._note, scores)

    def _remember(self, draft: Draft) -> str:
        with transaction.atomic():
            self.fence()
            return add(workspace_id=self.workspace_id, draft=draft, now=timezone.now())

    def _recall(self, query: str, limit: int, given: bool) -> list[MemoryHit]:  # noqa: FBT001 -- `db` passes by position
        hits = search(
            workspace_id=self.workspace_id,
            scopes=self.readable,
            query=query,
            meaning=self.embed is not None,
            limit=limit,
            now=timezone.now(),
        )
        if given or self.held_out:
            self._note({hit.id: hit.score for hit in hits})
        return [] if self.held_out else hits

    def _note(self, scores: Mapping[str, float]) -> None:
        memory_uses.note(
            workspace_id=self.workspace_id,
            run_id=str(self.provenance.get("run_id") or ""),
            scores=scores,
            held_out=self.held_out,
        )


def vectors_of(
    *,
    workspace_id: str,
    scope: Scope,
    text: str,
    embed: Embed | None,
    occasion: str = "",
    until: MemoryEntry | None = None,
) -> Vectors:
    """Return an entry's vectors, by all models that its scope needs; none without `embed`."""
    if embed is None:
        return Vectors()
    follows, before = previous(
        workspace_id=workspace_id, scope=scope, occasion=_line(occasion), until=until
    )
    texts = embedding_texts(storable(text).strip(), before)
    made = embed(workspace_id=workspace_id, scope=str(scope), texts=texts)
    return Vectors(by_model={name: mean(of) for name, of in made.items()}, follows=follows)


def previous(
    *, workspace_id: str, scope: Scope, occasion: str = "", until: MemoryEntry | None = None
) -> tuple[str, str]:
    """Return the id and text of what was said last in a scope on the same occasion.

    Before `until` where it is given; empty when nothing was.
    """
    if not memory_neighbours.has_order(scope.kind, occasion):
        return "", ""
    rows = MemoryEntry.objects.filter(
        workspace_id=workspace_id, scope=scope.kind, scope_id=scope.id, occasion=occasion
    )
    rows = rows.exclude(review=MemoryEntry.Review.REJECTED)
    if until is not None:
        earlier = Q(created_at=until.created_at, pk__lt=until.pk)
        rows = rows.filter(Q(created_at__lt=until.created_at) | earlier)
    row = rows.order_by("-created_at", "-pk").values_list("pk", "text").first()
    return ("", "") if row is None else (str(row[0]), row[1])


def add(*, workspace_id: str, draft: Draft, now: datetime) -> str:
    """Keep an entry once per key, and once per text in its scope; return its id.

    What held until now of the same topic in the same scope is closed, and kept. Call it inside a
    transaction.
    """
    text = storable(draft.text).strip()
    occasion = _line(draft.occasion)
    digest = _digest(text)
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id)
    own = rows.filter(scope=draft.scope.kind, scope_id=draft.scope.id, valid_until__isnull=True)
    known = own.filter(text_sha256=digest, occasion=occasion).order_by("created_at", "pk").first()
    if draft.key:
        known = rows.filter(key=draft.key).first() or known
    if known is not None:
        return str(known.pk)
    topic = _line(draft.topic).casefold() or topic_of(text)
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
    index(row, vectors=draft.vectors)
    return str(row.pk)


def index(row: MemoryEntry, *, vectors: Vectors, anew: bool = False) -> None:
    """Make an entry findable; `anew` when it may be in the index already. In a transaction."""
    workspace_id = str(row.workspace_id)  # pyright: ignore[reportAttributeAccessIssue] -- Django's
    if anew:
        knowledge.memories_drop(workspace_id=workspace_id, memory_ids=[str(row.pk)])
    scope = Scope(kind=row.scope, id=row.scope_id)
    knowledge.memory_index(
        workspace_id=workspace_id,
        scope=str(scope),
        memory=knowledge.Memory(
            memory_id=str(row.pk),
            text=row.text,
            occasion=row.occasion,
            vectors=vectors.by_model,
            follows=vectors.follows,
        ),
    )
    if anew:
        show(row, now=timezone.now())


def show(row: MemoryEntry, *, now: datetime) -> None:
    """Let an entry be found as long as it holds and nobody rejected it."""
    held = row.valid_until is None or row.valid_until > now
    knowledge.memories_show(
        workspace_id=str(row.workspace_id),  # pyright: ignore[reportAttributeAccessIssue] -- Django's
        memory_ids=[str(row.pk)],
        shown=held and row.review != MemoryEntry.Review.REJECTED,
    )


def change(row: MemoryEntry, changes: Mapping[str, Any]) -> None:
    """Give an entry other values, cleaned as new ones are; a new text settles its own topic."""
    for name, value in changes.items():
        setattr(row, name, _line(value) if name in ("subject", "occasion", "topic") else value)
    if "text" in changes:
        row.text = storable(row.text).strip()
        row.text_sha256 = _digest(row.text)
    row.topic = row.topic.casefold()
    if "text" in changes and "topic" not in changes:
        row.topic = topic_of(row.text) or row.topic


def _line(text: str) -> str:
    return " ".join(storable(text).split())[:200]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def close(*, workspace_id: str, rows: "QuerySet[MemoryEntry]", at: datetime) -> None:
    """Let entries hold until `at` and no longer; they stay as history, out of recall."""
    ids = [str(pk) for pk in rows.select_for_update().order_by("pk").values_list("pk", flat=True)]
    if ids:
        MemoryEntry.objects.filter(workspace_id=workspace_id, pk__in=ids).update(valid_until=at)
        knowledge.memories_show(workspace_id=workspace_id, memory_ids=ids, shown=False)


def search(
    *,
    workspace_id: str,
    scopes: Sequence[Scope],
    query: str,
    limit: int,
    now: datetime,
    meaning: bool = True,
    fusion: Fusion = "convex",
) -> list[MemoryHit]:
    """Return what is remembered in these scopes and fits, best first, ties by id.

    Rejected entries and those that hold no longer are left out. `meaning` False searches words
    alone.
    """
    found = knowledge.memory_find(
        workspace_id=workspace_id,
        scopes=[str(scope) for scope in scopes],
        query=storable(query),
        meaning=meaning,
        fusion=fusion,
    )
    joined = fits(found, memory_neighbours.of_entries(list(found.words)), fusion=fusion)
    best = sorted(joined, key=lambda key: (-joined[key], key))[: max(_CANDIDATES, limit)]
    rows = list(_visible(workspace_id, scopes, now).filter(pk__in=best))
    trust = memory_uses.trust([row.pk for row in rows])
    # Words alone, or vectors alone, are what they are called.
    fused = fusion in ("convex", "rrf")
    given = cues(query, {str(row.pk): row.text for row in rows}) if fused else {}
    scale = 1 + max(given.values(), default=0.0)
    hits = [
        _hit(
            row,
            fit=(joined[str(row.pk)] + given.get(str(row.pk), 0.0)) / scale,
            trust=trust.get(row.pk, 1.0),
            now=now,
        )
        for row in rows
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[: max(0, limit)]


def _visible(workspace_id: str, scopes: Sequence[Scope], now: datetime) -> "QuerySet[MemoryEntry]":
    seen = Q(pk__in=[])
    for scope in scopes:
        seen |= Q(scope=scope.kind, scope_id=scope.id)
    rows = MemoryEntry.objects.filter(seen, workspace_id=workspace_id, valid_from__lte=now)
    rows = rows.exclude(review=MemoryEntry.Review.REJECTED)
    return rows.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=now))


def _hit(row: MemoryEntry, *, fit: float, trust: float, now: datetime) -> MemoryHit:
    total = score(
        meaning=fit,
        words=fit,
        importance=row.importance,
        created_at=row.valid_from,
        now=now,
    ) * (_LASTING + (1 - _LASTING) * trust)
    return MemoryHit(
        id=str(row.pk),
        text=row.text,
        kind=row.kind,
        importance=row.importance,
        score=round(total, 6),
        created_at=row.created_at,
        source=str(row.provenance.get("source", "")),
    )
