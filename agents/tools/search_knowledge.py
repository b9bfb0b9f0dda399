"""The tool by which an agent searches the knowledge of its workspace."""

from typing import Annotated

from pydantic import Field

from agents.core.citations import passages_text
from agents.core.ports import Knowledge, Passage, ToolContext
from agents.tools.registry import FunctionTool, define_tool

NAME = "search_knowledge"
MAX_CHARS = 12_000  # what of the passages fits into a transcript without being spilled


def search_knowledge_tool(knowledge: Knowledge) -> FunctionTool:
    """Return the tool; its results carry the passages by which an answer is cited."""

    async def search(
        context: ToolContext,
        query: Annotated[str, Field(min_length=1, max_length=2_000)],
        collection: str | None = None,
        limit: Annotated[int, Field(ge=1, le=20)] = 6,
    ) -> str:
        passages = await knowledge.search(query, collection=collection, limit=limit)
        return passages_text([(context.cite(passage), passage) for passage in _fitting(passages)])

    return define_tool(
        search,
        name=NAME,
        description="Search the documents; returns passages to cite as [ref].",
        tags=("read",),
        idempotent=True,
    )


def _fitting(passages: list[Passage]) -> list[Passage]:
    """Return the best passages that fit, at least one."""
    kept: list[Passage] = []
    used = 0
    for passage in passages:
        used += len(passage.text)
        if kept and used > MAX_CHARS:
            break
        kept.append(passage)
    return kept
