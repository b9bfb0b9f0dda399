"""Knowledge and its embedder as the agent's runtime sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.core.ports import Passage
from knowledge import wiring as knowledge
from knowledge.core.types import Hit
from loomsite.access.bridge import db


class KnowledgeEmbedder:
    """`TextEmbedder` over the process's only embedder and its cache."""

    def __init__(self) -> None:
        self.model_id = knowledge.embedder().model_id

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return await db(knowledge.embed_texts, list(texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceKnowledge:
    """`Knowledge` of one workspace, limited to some collections; None for all of them."""

    workspace_id: str
    collections: tuple[str, ...] | None

    async def search(
        self, query: str, *, collection: str | None = None, limit: int = 8
    ) -> list[Passage]:
        slugs = self.collections
        if collection is not None:
            if slugs is not None and collection not in slugs:
                return []
            slugs = (collection,)
        if slugs == ():
            return []
        hits = await db(
            knowledge.search,
            workspace_id=self.workspace_id,
            query=query,
            collections=slugs,
            limit=limit,
        )
        return [_passage(hit) for hit in hits]


def text_embedder() -> KnowledgeEmbedder:
    """Return the embedder of this process, as the runtime sees it."""
    return KnowledgeEmbedder()


def collections_allowed(agent: Sequence[str], request: Sequence[str]) -> tuple[str, ...] | None:
    """Return what a run may search: the request narrows the agent, which narrows the workspace."""
    if not request:
        return tuple(agent) or None
    return tuple(slug for slug in request if not agent or slug in agent)


def _passage(hit: Hit) -> Passage:
    return Passage(
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        title=hit.title,
        text=hit.text,
        start=hit.start,
        end=hit.end,
        score=hit.score,
    )
