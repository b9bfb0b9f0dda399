"""Retrieval with its parts plugged in: what doors and agents call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import Any
from uuid import UUID

from knowledge import conf, selectors
from knowledge.core import filtering, retrieval
from knowledge.core.citations import Citation, CitationProblem, check_citations
from knowledge.core.errors import KnowledgeError
from knowledge.core.ports import Embedder
from knowledge.core.types import DocumentInput, Filters, Fusion, GroupBy, Hit, SearchQuery
from knowledge.embedders.given import GivenVector
from knowledge.embedders.minilm import MiniLmEmbedder
from knowledge.loaders.registry import load
from knowledge.services import collections, documents, embeddings, memory
from knowledge.services.ingest import IngestResult, documents_ingest
from knowledge.store.searching import DatabaseIndex

document_text = selectors.document_text
document_delete = documents.document_delete
document_retry = documents.document_retry
documents_requeue = documents.documents_requeue
collection_ensure = collections.collection_ensure
collection_update = collections.collection_update
collection_delete = collections.collection_delete
Memory = memory.Memory
memory_index = memory.memory_index
memories_show = memory.memories_show
memories_drop = memory.memories_drop


_once = Lock()  # lru_cache alone lets two threads make one each


def _plugged() -> Embedder | None:
    with _once:
        return _configured()


@lru_cache(maxsize=1)
def _configured() -> Embedder | None:
    settings = conf.load()
    if settings.embedding_model.lower() in ("none", "off"):
        return None
    if settings.embedding_model:
        from knowledge.embedders.openai_compat import (  # noqa: PLC0415 -- its client costs each process half a second
            OpenAiEmbedder,
        )

        return OpenAiEmbedder(
            model=settings.embedding_model,
            base_url=settings.openai_base_url,
            api_key=settings.openai_api_key,
        )
    return MiniLmEmbedder()


def embedder() -> Embedder:
    """Return the process's only embedder; its model is loaded when it is first used.

    LOOM_EMBEDDING_MODEL=none turns vectors off for documents; whoever asks here still gets the
    built-in model.
    """
    plugged = _plugged()
    if plugged is not None:
        return plugged
    with _once:
        return _built_in()


@lru_cache(maxsize=1)
def _built_in() -> Embedder:
    return MiniLmEmbedder()


def embed_texts(texts: Sequence[str]) -> list[list[float]]:
    """Return one unit vector a text, in order, from the cache where it was seen before."""
    return embeddings.texts_embed(texts=texts, embedder=embedder())


def search(
    *,
    workspace_id: UUID | str,
    query: str,
    collections: Sequence[str] | None = None,
    limit: int = 8,
    filters: Mapping[str, Any] | None = None,
    group_by: GroupBy | None = None,
    explain: bool = False,
    fusion: Fusion = "convex",
) -> list[Hit]:
    """Return cited passages of this workspace, best first.

    `collections` are slugs, None for all that hold documents. `filters` are by `tags metadata
    external_ids source_types created_after created_before`.

    Raises:
        SearchInvalid: The query, a filter or an option cannot be understood.
        CollectionMissing: One of the slugs is not in this workspace.
        EmbeddingUnavailable: From the embedding endpoint.
    """
    parsed = filtering.parse_filters(filters)
    question = SearchQuery(
        text=query, limit=limit, group_by=group_by, explain=explain, fusion=fusion
    )
    retrieval.check(question)
    refs = selectors.collection_list_searchable(workspace_id=workspace_id, slugs=collections)
    if not refs:
        return []
    engine = _plugged()
    model_id = embeddings.embedding_model_ensure(embedder=engine) if engine else None
    return retrieval.search(
        replace(question, languages=tuple(sorted({ref.language for ref in refs}))),
        index=DatabaseIndex(
            workspace_id=workspace_id,
            collection_ids=[ref.id for ref in refs],
            model_id=model_id,
            filters=parsed,
        ),
        embedder=engine,
    )


def memory_find(
    *,
    workspace_id: UUID | str,
    scopes: Sequence[str],
    query: str,
    vector: Sequence[float] | None = None,
    model_id: str = "",
) -> dict[str, float]:
    """Return the scores of the memories of these scopes that fit best, by their ids.

    `vector` is the query's by the model `model_id`; without one words alone are searched.
    """
    numbers = selectors.scope_list(workspace_id=workspace_id, scopes=scopes)
    text = query[: retrieval.MAX_QUERY_CHARS]
    if not numbers or not text.strip():
        return {}
    given = None if vector is None else GivenVector(vector, model_id=model_id)
    hits = retrieval.search(
        SearchQuery(text=text, limit=retrieval.MAX_LIMIT),
        index=DatabaseIndex(
            workspace_id=workspace_id,
            collection_ids=numbers,
            model_id=embeddings.embedding_model_ensure(embedder=given) if given else None,
            filters=Filters(tags=(memory.SHOWN,)),
        ),
        embedder=given,
    )
    return {hit.external_id: hit.score for hit in hits}


def ingest(
    *,
    workspace_id: UUID | str,
    collection: str,
    documents: Iterable[DocumentInput],
    on_result: Callable[[IngestResult], None] | None = None,
) -> list[IngestResult]:
    """Ingest documents into a collection of this workspace and return what became of each.

    `on_result` is called for each document as soon as it is done.

    Raises:
        CollectionMissing: There is none of that name here; see `collection_ensure`.
        EmbeddingUnavailable: What was reported until then stays.
    """
    ref = selectors.collection_get(workspace_id=workspace_id, slug=collection)
    results: list[IngestResult] = []
    for result in documents_ingest(
        workspace_id=workspace_id,
        collection=ref,
        documents=documents,
        load=load,
        embedder=_plugged(),
    ):
        results.append(result)
        if on_result is not None:
            on_result(result)
    return results


def document_submit(*, workspace_id: UUID | str, collection: str, document: DocumentInput) -> str:
    """Take a document in, queue its ingest, and return its id.

    Raises:
        CollectionMissing: There is none of that name here.
        DocumentRejected: It has no usable external id.
    """
    ref = selectors.collection_get(workspace_id=workspace_id, slug=collection)
    return documents.document_submit(workspace_id=workspace_id, collection=ref, document=document)


def document_ingest(document_id: str) -> str:
    """Ingest a document that was taken in, and return its status; for the job."""
    return documents.document_ingest(document_id=document_id, load=load, embedder=_plugged())


def vectors_index(collection_id: int) -> bool:
    """Bring the index of a large collection's vectors up to date; for the job."""
    engine = _plugged()
    return engine is not None and embeddings.vectors_index(
        collection_id=collection_id, embedder=engine
    )


def document_give_up(document_id: str, error: KnowledgeError) -> None:
    """Note that a document's ingest has been tried often enough; for the job."""
    documents.document_give_up(document_id=document_id, error=error)


def cites_check(
    *, workspace_id: UUID | str, citations: Sequence[Citation]
) -> list[CitationProblem]:
    """Return what is wrong with these citations; empty when every quoted span exists."""
    texts = selectors.document_texts(
        workspace_id=workspace_id, document_ids={item.document_id for item in citations}
    )
    return check_citations(citations, texts)
