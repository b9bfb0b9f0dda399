"""Memories as a curator looks at them: what is new, unused, contradicting, used most, fading."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import (
    Avg,
    Count,
    Exists,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.core.errors import NotFound
from agents.models import MemoryEntry, MemoryUse, Run
from agents.selectors.memories import memory_value
from loomsite.access.core.errors import InputInvalid
from loomsite.access.ids import uuid_of

_NEWEST_RUNS = 5_000  # whose uses are counted
_OLDEST = 5_000  # entries among which the unused ones are looked for
_NEWEST_TOPICS = 5_000  # entries among which contradictions are looked for
_NEW = timedelta(days=7)
_REPLACED = timedelta(days=30)
_FADING_RUNS = 3
_FADING_MEAN = 0.4
_MOST_USES = 100


def memory_view(*, workspace_id: str, view: str, limit: int = 50) -> list[dict[str, Any]]:
    """Return entries of one view, with how often they were used and how those runs did.

    However much is kept, a view looks at the newest runs, the oldest entries or the newest topics
    alone, as many as the constants above say.

    Raises:
        InputInvalid: There is no such view.
    """
    if view not in VIEWS:
        raise InputInvalid.of("view", f"Use one of {', '.join(VIEWS)}.")
    ids = list(_VIEWS[view](workspace_id, timezone.now())[: max(0, limit)])
    counted = _counted(MemoryEntry.objects.filter(workspace_id=workspace_id, pk__in=ids))
    found = {row.pk: row for row in counted}
    return [_with_uses(found[pk]) for pk in ids if pk in found]


def memory_detail(*, workspace_id: str, memory_id: str) -> dict[str, Any]:
    """Return an entry with its history, the runs it was put before, and what contradicts it.

    Raises:
        NotFound: No such entry in this workspace.
    """
    rows = _counted(MemoryEntry.objects.filter(workspace_id=workspace_id))
    row = rows.filter(pk=uuid_of(memory_id)).first()
    if row is None:
        raise NotFound(kind="memory", name=memory_id)
    uses = MemoryUse.objects.filter(memory=row).select_related("run").order_by("-used_at", "-pk")
    return {
        **_with_uses(row),
        "history": _history(row),
        "uses": [_use(use) for use in uses[:_MOST_USES]],
        "rivals": [memory_value(rival) for rival in _rivals(row)],
    }


def memories_export(*, workspace_id: str, subject: str) -> dict[str, Any]:
    """Return all that is kept about a subject: entries, their history, where they were used.

    Raises:
        InputInvalid: No subject is named.
    """
    if not subject:
        raise InputInvalid.of("subject", "Name a subject: nothing is exported without one.")
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id, subject=subject)
    rows = rows.prefetch_related("revisions", "uses__run").order_by("created_at", "pk")
    return {
        "subject": subject,
        "exported_at": timezone.now(),
        "memories": [
            {
                **memory_value(row),
                "history": _history(row),
                "uses": [_use(use) for use in row.uses.all()],  # pyright: ignore[reportAttributeAccessIssue] -- Django's
            }
            for row in rows
        ],
    }


def _all(workspace_id: str) -> "QuerySet[MemoryEntry]":
    return MemoryEntry.objects.filter(workspace_id=workspace_id)


def _kept(workspace_id: str, now: datetime) -> "QuerySet[MemoryEntry]":
    holds = Q(valid_until__isnull=True) | Q(valid_until__gt=now)
    return _all(workspace_id).filter(holds).exclude(review=MemoryEntry.Review.REJECTED)


def _new(workspace_id: str, now: datetime) -> Any:  # noqa: ANN401 -- ids
    rows = _kept(workspace_id, now).filter(created_at__gt=now - _NEW)
    return rows.order_by("-created_at", "-pk").values_list("pk", flat=True)


def _unused(workspace_id: str, now: datetime) -> Any:  # noqa: ANN401 -- ids
    oldest = _kept(workspace_id, now).order_by("created_at", "pk")
    used = MemoryUse.objects.filter(memory=OuterRef("pk"), held_out=False)
    rows = MemoryEntry.objects.filter(~Exists(used), pk__in=oldest.values("pk")[:_OLDEST])
    return rows.order_by("created_at", "pk").values_list("pk", flat=True)


def _most_used(workspace_id: str, now: datetime) -> Any:  # noqa: ANN401 -- ids
    rows = _uses(workspace_id, now).annotate(n=Count("pk"))
    return rows.order_by("-n", "memory").values_list("memory", flat=True)


def _fading(workspace_id: str, now: datetime) -> Any:  # noqa: ANN401 -- ids
    scored = _uses(workspace_id, now).annotate(
        n=Count("outcome"), mean=Avg(F("outcome"), output_field=FloatField())
    )
    rows = scored.filter(n__gte=_FADING_RUNS, mean__lt=_FADING_MEAN)
    return rows.order_by("mean", "-n", "memory").values_list("memory", flat=True)


def _uses(workspace_id: str, now: datetime) -> Any:  # noqa: ANN401 -- uses by entry
    """Return the uses by the newest runs of entries that are kept, grouped by entry."""
    runs = Run.objects.filter(workspace_id=workspace_id).order_by("-started_at", "-pk")
    holds = Q(memory__valid_until__isnull=True) | Q(memory__valid_until__gt=now)
    rows = MemoryUse.objects.filter(holds, run__in=runs.values("pk")[:_NEWEST_RUNS], held_out=False)
    rows = rows.exclude(memory__review=MemoryEntry.Review.REJECTED)
    return rows.order_by().values("memory")


def _pending(workspace_id: str, now: datetime) -> Any:  # noqa: ANN401, ARG001 -- ids; as all views
    rows = _all(workspace_id).filter(review=MemoryEntry.Review.PENDING)
    return rows.order_by("created_at", "pk").values_list("pk", flat=True)


def _expired(workspace_id: str, now: datetime) -> Any:  # noqa: ANN401 -- ids
    rows = _all(workspace_id).filter(valid_until__lte=now)
    return rows.order_by("-valid_until", "-pk").values_list("pk", flat=True)


def _contradicting(workspace_id: str, now: datetime) -> Any:  # noqa: ANN401 -- ids
    """Entries of a topic on which another one of their scope says something else, now or lately."""
    recent = Q(valid_until__isnull=True) | Q(valid_until__gt=now - _REPLACED)
    rivals = (
        MemoryEntry.objects.filter(
            recent,
            ~Q(topic=""),
            workspace_id=OuterRef("workspace_id"),
            scope=OuterRef("scope"),
            scope_id=OuterRef("scope_id"),
            topic=OuterRef("topic"),
        )
        .exclude(pk=OuterRef("pk"))
        .exclude(text_sha256=OuterRef("text_sha256"))
        .exclude(review=MemoryEntry.Review.REJECTED)
    )
    settled = _all(workspace_id).filter(~Q(topic="")).order_by("-created_at", "-pk")
    rows = MemoryEntry.objects.filter(
        recent, Exists(rivals), pk__in=settled.values("pk")[:_NEWEST_TOPICS]
    ).exclude(review=MemoryEntry.Review.REJECTED)
    ordered = rows.order_by("scope", "scope_id", "topic", "-created_at", "pk")
    return ordered.values_list("pk", flat=True)


_VIEWS: Final[Mapping[str, Callable[[str, datetime], Any]]] = {
    "new": _new,
    "unused": _unused,
    "contradicting": _contradicting,
    "most_used": _most_used,
    "pending": _pending,
    "fading": _fading,
    "expired": _expired,
}
VIEWS = tuple(_VIEWS)


def _rivals(row: MemoryEntry) -> Sequence[MemoryEntry]:
    if not row.topic:
        return []
    rows = MemoryEntry.objects.filter(
        workspace_id=row.workspace_id,  # pyright: ignore[reportAttributeAccessIssue] -- Django's
        scope=row.scope,
        scope_id=row.scope_id,
        topic=row.topic,
    )
    return list(rows.exclude(pk=row.pk).order_by("-created_at", "pk")[:20])


def _counted(rows: "QuerySet[MemoryEntry]") -> "QuerySet[MemoryEntry]":
    own = MemoryUse.objects.filter(memory=OuterRef("pk"), held_out=False).order_by()
    grouped = own.values("memory")
    return rows.annotate(
        used=Coalesce(Subquery(grouped.annotate(n=Count("pk")).values("n")), 0),
        scored=Coalesce(Subquery(grouped.annotate(n=Count("outcome")).values("n")), 0),
        helped=Subquery(
            grouped.annotate(mean=Avg(F("outcome"), output_field=FloatField())).values("mean")
        ),
    )


def _with_uses(row: Any) -> dict[str, Any]:  # noqa: ANN401 -- a row with annotations
    return {
        **memory_value(row),
        "used": row.used,
        "scored": row.scored,
        "helped": None if row.helped is None else round(row.helped, 4),
    }


def _history(row: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 -- a row and Django's relations
    return [
        {"at": item.at, "actor": item.actor, "before": item.before} for item in row.revisions.all()
    ]


def _use(use: Any) -> dict[str, Any]:  # noqa: ANN401 -- a row and Django's relations
    return {
        "run_id": str(use.run_id),
        "task_id": str(use.run.task_id),
        "used_at": use.used_at,
        "score": use.score,
        "held_out": use.held_out,
        "outcome": use.outcome,
    }
