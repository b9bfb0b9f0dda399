"""Collections and documents for tests."""

from collections.abc import Mapping
from dataclasses import dataclass

from knowledge import selectors
from knowledge.core.lists import Space
from knowledge.core.ports import Embedder
from knowledge.core.retrieval import search
from knowledge.core.types import DocumentInput, Filters, Hit, SearchQuery
from knowledge.loaders.registry import load
from knowledge.selectors import CollectionRef
from knowledge.services.collections import collection_ensure
from knowledge.services.embeddings import embedding_model_ensure
from knowledge.services.ingest import IngestResult, documents_ingest
from knowledge.store.searching import DatabaseIndex
from knowledge.testing import WordEmbedder
from tests.factories.access import make_tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A collection of a workspace of its own, and the embedder it is filled and searched with."""

    workspace_id: str
    ref: CollectionRef
    embedder: Embedder | None

    def put(self, *documents: DocumentInput) -> list[IngestResult]:
        return list(
            documents_ingest(
                workspace_id=self.workspace_id,
                collection=self.ref,
                documents=documents,
                load=load,
                embedder=self.embedder,
            )
        )

    def put_texts(self, texts: Mapping[str, str]) -> list[IngestResult]:
        return self.put(*(DocumentInput(external_id=n, text=t) for n, t in texts.items()))

    def search(self, query: str, *, filters: Filters | None = None, **options) -> list[Hit]:
        return search(
            SearchQuery(text=query, **options),
            index=self.index(filters),
            spaces=self.spaces(filters),
        )

    def spaces(self, filters: Filters | None = None) -> list[Space]:
        if self.embedder is None:
            return []
        return [Space(embedder=self.embedder, index=self.index(filters))]

    def found(self, query: str, *, filters: Filters | None = None, **options) -> list[str]:
        hits = self.search(query, filters=filters, **options)
        return [hit.external_id for hit in hits]

    def index(self, filters: Filters | None = None) -> DatabaseIndex:
        model_id = (
            embedding_model_ensure(embedder=self.embedder) if self.embedder is not None else None
        )
        return DatabaseIndex(
            workspace_id=self.workspace_id,
            collection_ids=[self.ref.id],
            model_id=model_id,
            filters=filters,
        )


_WORDS = WordEmbedder()


def make_shelf(
    *, slug: str = "docs", language: str = "english", embedder: Embedder | None = _WORDS
) -> Shelf:
    tenant = make_tenant()
    collection_ensure(workspace_id=tenant.workspace_id, slug=slug, language=language)
    return Shelf(
        workspace_id=tenant.workspace_id,
        ref=selectors.collection_get(workspace_id=tenant.workspace_id, slug=slug),
        embedder=embedder,
    )
