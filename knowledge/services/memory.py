"""Memories in the same index as documents: a hidden collection a scope, a chunk a memory.

Each write runs inside the caller's transaction, so that an entry and its index never disagree.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import QuerySet

from knowledge.core.analysis import term_counts
from knowledge.core.neighbours import embedding_texts
from knowledge.models import Chunk, Collection, Document, EmbeddingModel
from knowledge.selectors import scope_slug
from knowledge.services.embeddings import INDEX_JOB, embeddings_forget
from knowledge.store import statistics, vectors, writing
from knowledge.store.rows import rows

SHOWN = "shown"  # the tag of what may be found


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the index keeps of a memory.

    Attributes:
        memory_id: The caller's id of it; hits carry it as `external_id`.
        occasion: When and where it was said, in words: searched with the text.
        vectors: Its unit vector by each model that made one, under the model's name.
        follows: The id of the memory before it, whose text is in its vectors too.
    """

    memory_id: str
    text: str
    occasion: str
    vectors: Mapping[str, Sequence[float]]
    follows: str = ""


def memory_index(*, workspace_id: UUID | str, scope: str, memory: Memory) -> None:
    """Make a memory findable in its scope. Runs inside the caller's transaction."""
    collection = _collection(workspace_id, scope)
    digest = hashlib.sha256(f"{memory.occasion}\x00{memory.text}".encode()).hexdigest()
    document = Document.objects.create(
        workspace_id=workspace_id,
        collection=collection,
        external_id=memory.memory_id,
        title=memory.occasion[:500],
        text=memory.text,
        source_type="text",
        tags=[SHOWN],
        metadata={"follows": memory.follows} if memory.follows else {},
        status=Document.Status.READY,
        content_hash=digest,
        chunk_count=1,
    )
    chunk = Chunk.objects.create(
        document=document,
        ordinal=0,
        start=0,
        end=len(memory.text),
        text=memory.text,
        content_hash=digest,
    )
    terms = term_counts("", memory.occasion, memory.text, language=collection.language)
    writing.terms_write(
        [writing.ChunkRow(chunk_id=chunk.pk, terms=terms)], collection_id=collection.id
    )
    for model, vector in sorted(memory.vectors.items()):
        model_id = _model_id(model, len(vector))
        Collection.objects.filter(pk=collection.pk, embedding_model=None).update(
            embedding_model=model_id
        )
        writing.vectors_write([(chunk.pk, vector)], collection_id=collection.id, model_id=model_id)
    transaction.on_commit(lambda: _tidy(collection.id), robust=True)


def memories_show(*, workspace_id: UUID | str, memory_ids: Sequence[str], shown: bool) -> None:
    """Let memories be found, or not, without taking them out of the index."""
    _documents(workspace_id, memory_ids).update(tags=[SHOWN] if shown else [])


def memories_drop(*, workspace_id: UUID | str, memory_ids: Sequence[str]) -> None:
    """Take memories out of the index. Runs inside the caller's transaction."""
    documents = _documents(workspace_id, memory_ids)
    numbers = set(documents.values_list("collection_id", flat=True))
    documents.delete()
    for row in Collection.objects.select_for_update().filter(pk__in=numbers).order_by("pk"):
        if row.documents.exists():  # pyright: ignore[reportAttributeAccessIssue] -- Django's
            transaction.on_commit(lambda number=row.pk: _tidy(number), robust=True)
        else:
            vectors.indexes_drop(row.pk)
            writing.collection_clear(row.pk)
            row.delete()


def memories_forget(*, workspace_id: UUID | str, texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Take what was made of memories' texts out of the cache, before they are dropped.

    Args:
        workspace_id: Whose.
        texts: What each memory said before it was changed, by its id; what it says is known.

    Returns:
        The ids of those that follow one of them: their vectors were made with it.
    """
    own = {row.external_id: row for row in _documents(workspace_id, list(texts))}
    before = _documents(
        workspace_id, [row.metadata["follows"] for row in own.values() if "follows" in row.metadata]
    )
    said_before = dict(before.values_list("external_id", "text"))
    after = _memories(workspace_id).filter(metadata__follows__in=list(own))
    said_after: dict[str, list[str]] = defaultdict(list)
    followers: list[str] = []
    for memory_id, text, follows in after.values_list("external_id", "text", "metadata__follows"):
        said_after[follows].append(text)
        followers.append(memory_id)
    made: set[str] = set()
    for memory_id, row in own.items():
        earlier = said_before.get(row.metadata.get("follows", ""), "")
        for text in (row.text, *texts[memory_id]):
            made.update(embedding_texts(text, earlier))
            made.update(embedding_texts(later, text)[-1] for later in said_after[memory_id])
    embeddings_forget(texts=made)
    return [memory_id for memory_id in followers if memory_id not in texts]


def _collection(workspace_id: UUID | str, scope: str) -> Collection:
    """Return a scope's collection, held so that nobody removes it as empty meanwhile."""
    while True:
        row, _ = Collection.objects.get_or_create(
            workspace_id=workspace_id,
            slug=scope_slug(scope),
            defaults={"name": scope[:200], "kind": Collection.Kind.MEMORY},
        )
        held = "SELECT id FROM knowledge_collection WHERE id = %(c)s FOR KEY SHARE"
        if rows(held, {"c": row.pk}):
            return row


def _documents(workspace_id: UUID | str, memory_ids: Sequence[str]) -> QuerySet[Document]:
    return _memories(workspace_id).filter(external_id__in=list(memory_ids))


def _memories(workspace_id: UUID | str) -> QuerySet[Document]:
    return Document.objects.filter(
        collection__in=Collection.objects.filter(
            workspace_id=workspace_id, kind=Collection.Kind.MEMORY
        )
    )


def _model_id(name: str, dim: int) -> int:
    row, _ = EmbeddingModel.objects.get_or_create(name=name, dim=dim)
    return row.id


def _tidy(collection_id: int) -> None:
    if statistics.delta_count(collection_id) < statistics.FOLD_AFTER:
        return
    statistics.statistics_fold(collection_id)
    models = EmbeddingModel.objects.values_list("id", flat=True)
    if any(vectors.wants_indexing(collection_id, model_id=number) for number in models):
        current_app.send_task(INDEX_JOB, args=[collection_id])
