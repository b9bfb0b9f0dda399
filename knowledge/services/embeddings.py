"""Vectors of texts, each computed once: the cache in Postgres before the embedder."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from celery import current_app
from django.db import connection, transaction

from knowledge.core.errors import EmbeddingUnavailable
from knowledge.core.ports import Embedder
from knowledge.models import CachedEmbedding, EmbeddingModel
from knowledge.store import vectors

_BATCH = 64  # texts a call of the embedder, and rows a transaction: what a killed ingest keeps
_READ = 2_000
INDEX_JOB = "knowledge.tasks.vectors_index_job"


def embedding_model_ensure(*, embedder: Embedder) -> int:
    """Return the number that stands for this embedder's model beside its vectors."""
    row, _ = EmbeddingModel.objects.get_or_create(name=embedder.model_id, dim=embedder.dim)
    return row.id


def texts_embed(*, texts: Sequence[str], embedder: Embedder) -> list[list[float]]:
    """Return one unit vector a text, in order; only texts never seen before reach the embedder.

    Raises:
        EmbeddingUnavailable: What was embedded before it happened is kept.
    """
    if not texts:
        return []
    model_id = embedding_model_ensure(embedder=embedder)
    digests = [digest_of(text) for text in texts]
    known = _known(model_id, sorted(set(digests)))
    missing = {d: text for d, text in zip(digests, texts, strict=True) if d not in known}
    for made in _made(missing, model_id=model_id, embedder=embedder):
        known.update(made)
    return [known[digest] for digest in digests]


def texts_keep(*, texts: Iterable[str], embedder: Embedder) -> None:
    """Let the cache hold a vector of each text; however many, few are in memory at once.

    Raises:
        EmbeddingUnavailable: What was embedded before it happened is kept.
    """
    model_id = embedding_model_ensure(embedder=embedder)
    remaining = iter(texts)
    while some := {digest_of(text): text for text in islice(remaining, _READ)}:
        rows = CachedEmbedding.objects.filter(model_id=model_id, digest__in=sorted(some))
        for digest in rows.values_list("digest", flat=True):
            del some[bytes(digest)]
        for _ in _made(some, model_id=model_id, embedder=embedder):
            pass


def embeddings_forget(*, texts: Iterable[str]) -> None:
    """Take the vectors of these texts out of the cache, by whatever model they are."""
    CachedEmbedding.objects.filter(
        model_id__in=EmbeddingModel.objects.values("id"),
        digest__in=sorted({digest_of(text) for text in texts}),
    ).delete()


def digest_of(text: str) -> bytes:
    """Return the name of a text's vectors in the cache."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _made(
    missing: Mapping[bytes, str], *, model_id: int, embedder: Embedder
) -> Iterator[Mapping[bytes, list[float]]]:
    """Embed texts and give their vectors, each batch when it is in the cache."""
    # Similar lengths together: a batch costs as much as its longest text says.
    pending = sorted(missing.items(), key=lambda item: (len(item[1]), item[0]))
    for start in range(0, len(pending), _BATCH):
        batch = pending[start : start + _BATCH]
        made = embedder.embed([text for _, text in batch])
        _check(made, expected=len(batch), dim=embedder.dim)
        fresh = {digest: vector for (digest, _), vector in zip(batch, made, strict=True)}
        _keep(model_id, fresh)
        yield fresh


def vectors_index_queue(*, collection_id: int) -> None:
    """Queue the indexing of a collection's vectors when it is large, and an index behind."""
    if vectors_index_behind(collection_id=collection_id):
        transaction.on_commit(
            lambda: current_app.send_task(INDEX_JOB, args=[collection_id]), robust=True
        )


def vectors_index_behind(*, collection_id: int) -> bool:
    """Return whether a collection is large, and an index of its vectors missing or behind."""
    models = vectors.models_present(collection_id)
    return any(vectors.wants_indexing(collection_id, model_id=number) for number in models)


def vectors_index(*, collection_id: int) -> bool:
    """Bring the indexes of a collection's vectors up to date; False when somebody else does."""
    models = EmbeddingModel.objects.filter(pk__in=vectors.models_present(collection_id))
    done = [
        vectors.index_bring_up_to_date(collection_id, model_id=model.pk, dim=model.dim)
        for model in models.order_by("pk")
    ]
    return all(done)


def _known(model_id: int, digests: Sequence[bytes]) -> dict[bytes, list[float]]:
    found: dict[bytes, list[float]] = {}
    for start in range(0, len(digests), _READ):
        rows = CachedEmbedding.objects.filter(
            model_id=model_id, digest__in=digests[start : start + _READ]
        )
        for digest, vector in rows.values_list("digest", "vector"):
            found[bytes(digest)] = list(vector)
    return found


def _keep(model_id: int, fresh: Mapping[bytes, Sequence[float]]) -> None:
    # In order of digest: two processes that embed the same texts must not wait for each other.
    rows = [
        (model_id, digest, "[" + ",".join(map(repr, fresh[digest])) + "]")
        for digest in sorted(fresh)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO knowledge_cachedembedding (model_id, digest, vector, created_at) "
            "VALUES (%s, %s, %s, now()) ON CONFLICT DO NOTHING",
            rows,
        )


def _check(made: Sequence[Sequence[float]], *, expected: int, dim: int) -> None:
    if len(made) != expected or any(len(vector) != dim for vector in made):
        raise EmbeddingUnavailable(
            f"The embedding model gave {len(made)} vectors of "
            f"{sorted({len(vector) for vector in made})} numbers for {expected} texts; "
            f"expected {dim} numbers each.",
            retryable=False,
        )
