"""Replace the model behind a collection's vectors while both are served.

New chunks get vectors by both models from the moment a move begins; searches use the old model's
until each chunk has one by the new, then the collection changes over in one transaction and the old
vectors go. All state is in rows: killed at any point, the job goes on where it was.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from celery import current_app
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from knowledge.core.errors import (
    CollectionBusy,
    CollectionMissing,
    EmbeddingUnavailable,
    KnowledgeError,
    ReembeddingMissing,
)
from knowledge.core.neighbours import embedding_texts, mean
from knowledge.core.ports import Embedder
from knowledge.core.preparing import embedding_text
from knowledge.models import Chunk, Collection, Document, Reembedding
from knowledge.services.embeddings import embedding_model_ensure, texts_embed
from knowledge.services.serving import EngineOf
from knowledge.store import vectors

REEMBED_JOB = "knowledge.tasks.reembedding_job"
GRACE_S = 5.0  # for searches that began before the change-over and still read the old vectors
_BATCH = 256  # chunks: what a killed job does again at most
_STALE_S = 60.0
_LOCK = 0x7265656D


def reembedding_start(
    *,
    workspace_id: UUID | str,
    collection: str | None,
    embedder: Embedder,
    actor: str = "",
    queue: bool = True,
) -> list[str]:
    """Begin to move a collection, or all of a workspace with its memories, to another model.

    Return the ids of the moves, those that were under way to that model already among them;
    collections that have all their vectors by it are left out.

    Raises:
        CollectionMissing: There is none of that name in this workspace.
        CollectionBusy: It is being moved to yet another model.
        EmbeddingUnavailable: The model does not answer.
    """
    to_model = embedding_model_ensure(embedder=embedder)
    rows = Collection.objects.filter(workspace_id=workspace_id)
    if collection is not None:
        rows = rows.filter(slug=collection).exclude(kind=Collection.Kind.MEMORY)
        if not rows.exists():
            raise CollectionMissing(f"There is no collection {collection!r} in this workspace.")
    ids: list[str] = []
    for row in rows.exclude(kind=Collection.Kind.SCRATCH).order_by("pk"):
        active = Reembedding.objects.filter(collection=row, status__in=Reembedding.ACTIVE).first()
        if active is None and _needs(row, to_model):
            active = _begin(row, to_model, actor=actor)
        if active is None:
            continue
        if active.to_model_id != to_model:
            raise CollectionBusy(
                f"{row.slug!r} is being moved to {active.to_model.name!r}: wait, or cancel that."
            )
        ids.append(str(active.pk))
        if queue:
            _queue(active.pk)
    return ids


def reembedding_cancel(*, workspace_id: UUID | str, reembedding_id: UUID | str) -> None:
    """Give a move up; the vectors made for it go. Too late once the collection has changed over.

    Raises:
        ReembeddingMissing: There is none under way of that id in this workspace.
    """
    rows = Reembedding.objects.filter(
        workspace_id=workspace_id, pk=reembedding_id, status__in=Reembedding.MOVING
    )
    row = rows.first()
    if row is None or not rows.update(status=Reembedding.Status.CANCELLED):
        raise ReembeddingMissing(f"Nothing is under way under {str(reembedding_id)[:100]!r}.")
    _clear_others(row.collection.pk, keep=row.collection.embedding_model_id)  # pyright: ignore[reportAttributeAccessIssue] -- Django's
    _ended(row, Reembedding.Status.CANCELLED)


def reembedding_run(
    *,
    reembedding_id: UUID | str,
    engine_of: EngineOf,
    pause: Callable[[float], object],
    on_progress: Callable[[int, int], object] | None = None,
) -> str:
    """Carry a move through, and return how it stands; safe to run twice and to be killed.

    Args:
        reembedding_id: Of the move.
        engine_of: Gives the embedder of a model's name.
        pause: Waits for some seconds.
        on_progress: Is told how many chunks of how many have their new vector.

    Raises:
        EmbeddingUnavailable: The model is away; run it again later.
    """
    row = Reembedding.objects.filter(pk=reembedding_id).select_related("to_model").first()
    if row is None:
        return "gone"
    collection_id: int = row.collection_id
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, collection_id])
        if cursor.fetchone() == (False,):
            return row.status
        try:
            return _carry(row, engine_of=engine_of, pause=pause, on_progress=on_progress)
        except KnowledgeError as error:
            status = Reembedding.Status.RUNNING if error.retryable else Reembedding.Status.FAILED
            _moving(row).update(status=status, error=str(error), error_code=error.code)
            raise
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, collection_id])


def reembeddings_resume() -> int:
    """Queue moves again that nobody is at, and return how many."""
    before = timezone.now() - timedelta(seconds=_STALE_S)
    rows = Reembedding.objects.filter(status__in=Reembedding.ACTIVE)
    stale = rows.filter(Q(heartbeat_at=None) | Q(heartbeat_at__lt=before))
    ids = list(stale.values_list("pk", flat=True)[:100])
    for reembedding_id in ids:
        _queue(reembedding_id)
    return len(ids)


def _begin(row: Collection, to_model: int, *, actor: str) -> Reembedding:
    try:
        with transaction.atomic():
            return Reembedding.objects.create(
                workspace_id=row.workspace_id,  # pyright: ignore[reportAttributeAccessIssue] -- Django's
                collection=row,
                from_model_id=row.embedding_model_id,  # pyright: ignore[reportAttributeAccessIssue] -- Django's
                to_model_id=to_model,
                actor=actor[:200],
            )
    except IntegrityError:  # somebody else began one at the same moment
        return Reembedding.objects.get(collection=row, status__in=Reembedding.ACTIVE)


def _needs(row: Collection, to_model: int) -> bool:
    if row.embedding_model_id != to_model:  # pyright: ignore[reportAttributeAccessIssue] -- Django's
        return True
    return bool(vectors.chunks_lacking(row.pk, model_id=to_model, limit=1))


def _carry(
    row: Reembedding,
    *,
    engine_of: EngineOf,
    pause: Callable[[float], object],
    on_progress: Callable[[int, int], object] | None,
) -> str:
    collection_id: int = row.collection_id
    target = row.to_model
    if row.status in Reembedding.MOVING:
        engine = engine_of(target.name)
        if engine is None or engine.dim != target.dim:
            raise EmbeddingUnavailable(
                f"No endpoint here serves {target.name!r} with {target.dim} numbers a vector.",
                retryable=False,
            )
        while not _changed_over(row):
            if not _beat(row, on_progress):
                return "cancelled"
            _embed_some(row, engine)
        _beat(row, on_progress)
        pause(GRACE_S)
    _clear_others(collection_id, keep=target.pk)
    _ended(row, Reembedding.Status.DONE)
    return Reembedding.Status.DONE


def _embed_some(row: Reembedding, engine: Embedder) -> None:
    collection_id: int = row.collection_id
    numbers = vectors.chunks_lacking(collection_id, model_id=row.to_model.pk, limit=_BATCH)
    texts = _texts(collection_id, numbers)
    flat = [text for chunk_texts in texts.values() for text in chunk_texts]
    made = iter(texts_embed(texts=flat, embedder=engine))
    by_chunk = {
        chunk_id: mean([next(made) for _ in chunk_texts]) if len(chunk_texts) > 1 else next(made)
        for chunk_id, chunk_texts in texts.items()
    }
    vectors.vectors_add(by_chunk, collection_id=collection_id, model_id=row.to_model.pk)


def _texts(collection_id: int, chunk_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return what each chunk's vector is made of, as when it was ingested or remembered."""
    chunks = Chunk.objects.filter(pk__in=list(chunk_ids), document__collection=collection_id)
    rows = list(
        chunks.order_by("pk").values_list(
            "pk", "text", "heading", "document__title", "document__metadata__follows",
            "document__collection__kind",
        )
    )  # fmt: skip
    earlier = dict(
        Document.objects.filter(
            collection=collection_id, external_id__in=[row[4] for row in rows if row[4]]
        ).values_list("external_id", "text")
    )
    return {
        pk: embedding_texts(text, earlier.get(follows, ""))
        if kind == Collection.Kind.MEMORY
        else [embedding_text(title, heading, text)]
        for pk, text, heading, title, follows, kind in rows
    }


def _beat(row: Reembedding, on_progress: Callable[[int, int], object] | None) -> bool:
    """Note how far the move is; False when it was cancelled or its collection is gone."""
    total, done = vectors.progress(row.collection_id, model_id=row.to_model.pk)
    rows = Reembedding.objects.filter(pk=row.pk, status__in=Reembedding.ACTIVE)
    now = timezone.now()
    alive = rows.update(total=total, done=done, heartbeat_at=now, error="", error_code="")
    rows.filter(status=Reembedding.Status.QUEUED).update(
        status=Reembedding.Status.RUNNING, started_at=now
    )
    if on_progress is not None:
        on_progress(done, total)
    return bool(alive)


def _clear_others(collection_id: int, *, keep: int | None) -> None:
    """Remove a collection's vectors by all models but one, and their indexes."""
    for model_id in vectors.models_present(collection_id):
        if model_id != keep:
            vectors.index_drop(collection_id, model_id=model_id)
            vectors.vectors_remove(collection_id, model_id=model_id)


def _ended(row: Reembedding, status: str) -> None:
    Reembedding.objects.filter(pk=row.pk).update(status=status, finished_at=timezone.now())


def _queue(reembedding_id: UUID) -> None:
    transaction.on_commit(
        lambda: current_app.send_task(REEMBED_JOB, args=[str(reembedding_id)]), robust=True
    )


def _changed_over(row: Reembedding) -> bool:
    """Let the new model serve when no chunk lacks its vector; False while one does."""
    collection_id: int = row.collection_id
    target = row.to_model
    if vectors.chunks_lacking(collection_id, model_id=target.pk, limit=1):
        return False
    if vectors.wants_indexing(collection_id, model_id=target.pk):
        vectors.index_bring_up_to_date(collection_id, model_id=target.pk, dim=target.dim)
    with transaction.atomic():
        held = Collection.objects.select_for_update(no_key=True).filter(pk=collection_id)
        if not held.exists():
            return True
        if vectors.chunks_lacking(collection_id, model_id=target.pk, limit=1):
            return False  # an ingest that had begun before this move did
        if _moving(row).update(status=Reembedding.Status.REMOVING):
            held.update(embedding_model=target)
    return True


def _moving(row: Reembedding) -> "QuerySet[Reembedding]":
    return Reembedding.objects.filter(pk=row.pk, status__in=Reembedding.MOVING)
