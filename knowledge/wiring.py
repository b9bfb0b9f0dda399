"""Retrieval with its parts plugged in: what doors and agents call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Any
from uuid import UUID

from knowledge import conf, selectors
from knowledge.assembly import Engines
from knowledge.core import filtering, neighbours, retrieval
from knowledge.core.citations import Citation, CitationProblem, check_citations
from knowledge.core.errors import KnowledgeError, SearchInvalid
from knowledge.core.lists import Space, first
from knowledge.core.ports import Embedder
from knowledge.core.preparing import clean
from knowledge.core.types import DocumentInput, Filters, Fusion, GroupBy, Hit, SearchQuery
from knowledge.embedders.minilm import MODEL_ID
from knowledge.loaders.registry import load
from knowledge.services import (
    collections,
    documents,
    embeddings,
    memory,
    reembedding,
    serving,
)
from knowledge.services.ingest import IngestResult, documents_ingest
from knowledge.store.searching import DatabaseIndex

document_text = selectors.document_text
document_texts = selectors.document_texts
document_delete = documents.document_delete
document_retry = documents.document_retry
documents_retry = documents.documents_retry
reembedding_cancel = reembedding.reembedding_cancel
reembeddings_resume = reembedding.reembeddings_resume
documents_requeue = documents.documents_requeue
collection_ensure = collections.collection_ensure
collection_update = collections.collection_update
collection_delete = collections.collection_delete
Memory = memory.Memory
memory_index = memory.memory_index
memories_show = memory.memories_show
memories_drop = memory.memories_drop
memories_forget = memory.memories_forget


engines = Engines(conf.load)
embedder = engines.embedder


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
    rerank: bool | None = None,
    expand: bool | None = None,
) -> list[Hit]:
    """Return cited passages of this workspace, best first.

    `collections` are slugs, None for all that hold documents. `filters` are by `tags metadata
    external_ids source_types created_after created_before`. `rerank` and `expand` are as the
    settings say when they are None.

    Raises:
        SearchInvalid: The query, a filter or an option cannot be understood.
        CollectionMissing: One of the slugs is not in this workspace.
        EmbeddingUnavailable: From the embedding endpoint.
    """
    parsed = filtering.parse_filters(filters)
    question = SearchQuery(
        text=clean(query), limit=limit, group_by=group_by, explain=explain, fusion=fusion,
        expand=_expansion_is_on() if expand is None else expand,
    )  # fmt: skip
    retrieval.check(question)
    judge = None if rerank is False else engines.reranker()
    if rerank and judge is None:
        raise SearchInvalid("No reranker is set up: set LOOM_RERANK_URL, or leave rerank out.")
    refs = selectors.collection_list_searchable(workspace_id=workspace_id, slugs=collections)
    if not refs:
        return []
    numbers = [ref.id for ref in refs]
    spaces, notes = _spaces(workspace_id, numbers, parsed, engines.configured())
    return retrieval.search(
        replace(question, languages=tuple(sorted({ref.language for ref in refs}))),
        index=DatabaseIndex(
            workspace_id=workspace_id, collection_ids=numbers, model_id=None, filters=parsed
        ),
        spaces=spaces,
        reranker=judge,
        notes=notes,
    )


def memory_find(
    *,
    workspace_id: UUID | str,
    scopes: Sequence[str],
    query: str,
    meaning: bool = True,
    fusion: Fusion = "convex",
) -> neighbours.Found:
    """Return what words and vectors find among the memories of these scopes.

    `meaning` False searches words alone.
    """
    numbers = selectors.scope_list(workspace_id=workspace_id, scopes=scopes)
    text = query[: retrieval.MAX_QUERY_CHARS]
    if not numbers or not text.strip():
        return neighbours.Found(words={}, meaning={})
    shown = Filters(tags=(memory.SHOWN,))
    lists = first(
        SearchQuery(text=text, fusion=fusion),
        index=DatabaseIndex(
            workspace_id=workspace_id, collection_ids=numbers, model_id=None, filters=shown
        ),
        spaces=_spaces(workspace_id, numbers, shown, embedder())[0] if meaning else [],
        depth=neighbours.DEPTH,
    )
    by_words = {item.chunk_id: item.score for item in lists.lexical}
    by_meaning = {item.chunk_id: item.score for item in lists.dense}
    ids = selectors.memory_ids(chunk_ids=by_words.keys() | by_meaning.keys())
    return neighbours.Found(
        words={ids[chunk]: score for chunk, score in by_words.items() if chunk in ids},
        meaning={ids[chunk]: score for chunk, score in by_meaning.items() if chunk in ids},
    )


def memory_vectors(
    *, workspace_id: UUID | str, scope: str, texts: Sequence[str]
) -> dict[str, list[list[float]]]:
    """Return the vectors that a new memory of a scope needs: of each text, by models' names."""
    numbers = selectors.scope_list(workspace_id=workspace_id, scopes=[scope])
    wanted: Iterable[Embedder | None] = [embedder()]
    if numbers:
        wanted = serving.engines_wanted(
            collection_id=numbers[0], embedder=embedder(), engine_of=engines.named
        ).values()
    return {
        engine.model_id: embeddings.texts_embed(texts=texts, embedder=engine)
        for engine in wanted
        if engine is not None
    }


def _spaces(
    workspace_id: UUID | str, numbers: Sequence[int], filters: Filters, engine: Embedder | None
) -> tuple[list[Space], list[str]]:
    """Return the vectors to search, by model, and what cannot be searched by meaning."""
    if engine is None:
        return [], []
    spaces: list[Space] = []
    notes: list[str] = []
    for group in serving.served(collection_ids=numbers, embedder=engine, engine_of=engines.named):
        if group.engine is None:
            notes.append(
                f"{len(group.collection_ids)} collections were searched by words alone: nobody "
                f"here runs their model {group.name!r} with the dimension it had; re-embed them."
            )
            continue
        index = DatabaseIndex(
            workspace_id=workspace_id,
            collection_ids=group.collection_ids,
            model_id=group.model_id,
            filters=filters,
        )
        spaces.append(Space(embedder=group.engine, index=index))
    return spaces, notes


def _expansion_is_on() -> bool:
    return conf.load().query_expansion.lower() == "feedback"


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
        embedder=engines.configured(),
        engine_of=engines.named,
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
    return documents.document_ingest(
        document_id=document_id,
        load=load,
        embedder=engines.configured(),
        engine_of=engines.named,
    )


def reembedding_start(
    *,
    workspace_id: UUID | str,
    collection: str | None = None,
    model: str | None = None,
    actor: str = "",
    queue: bool = True,
) -> list[dict[str, Any]]:
    """Begin to move a collection, or all of a workspace and its memories, to another model.

    `model` is the one LOOM_EMBEDDING_MODEL names when it is None. Return what is under way.

    Raises:
        SearchInvalid: Nobody here can run that model.
        CollectionMissing: There is none of that name here.
        CollectionBusy: It is being moved to yet another model.
        EmbeddingUnavailable: The model does not answer.
    """
    engine = engines.embedder() if model is None else engines.named(model)
    if engine is None:
        raise SearchInvalid(
            f"Nobody here runs the model {str(model)[:100]!r}: use {MODEL_ID!r}, or set "
            "OPENAI_BASE_URL to the endpoint that serves it."
        )
    ids = reembedding.reembedding_start(
        workspace_id=workspace_id, collection=collection, embedder=engine, actor=actor, queue=queue
    )
    return selectors.reembedding_views(workspace_id=workspace_id, ids=ids)


def reembedding_run(
    reembedding_id: str, *, on_progress: Callable[[int, int], object] | None = None
) -> str:
    """Carry a move between models through; for the job and the command."""
    return reembedding.reembedding_run(
        reembedding_id=reembedding_id,
        engine_of=engines.named,
        pause=Event().wait,
        on_progress=on_progress,
    )


def collection_index(
    *, workspace_id: UUID | str, slug: str, on_begin: Callable[[], object] | None = None
) -> None:
    """Build the index of a large collection here and now, where it is behind.

    A worker does so on its own: this is for those who ingest where none runs. `on_begin` is called
    when there is something to do.

    Raises:
        CollectionMissing: There is none of that name here.
    """
    ref = selectors.collection_get(workspace_id=workspace_id, slug=slug)
    if embeddings.vectors_index_behind(collection_id=ref.id):
        if on_begin is not None:
            on_begin()
        embeddings.vectors_index(collection_id=ref.id)


def vectors_index(collection_id: int) -> bool:
    """Bring the indexes of a large collection's vectors up to date; for the job."""
    return embeddings.vectors_index(collection_id=collection_id)


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
