"""The tools by which an agent keeps a fact for later runs, and finds it again."""

from typing import Annotated

from pydantic import Field

from agents.core.ports import MemoryStore, ToolContext
from agents.tools.registry import FunctionTool, define_tool

REMEMBER, RECALL = "remember", "recall"


def remember_tool(store: MemoryStore) -> FunctionTool:
    """Return the tool that writes to the store, once per call."""

    async def remember(
        context: ToolContext,
        text: Annotated[str, Field(min_length=1, max_length=8_000)],
        importance: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> str:
        await store.remember(text, importance=importance, key=context.key)
        return "Remembered."

    return define_tool(
        remember,
        name=REMEMBER,
        description="Keep a fact for later runs.",
        tags=("write",),
        effect=True,
        idempotent=True,
    )


def recall_tool(store: MemoryStore) -> FunctionTool:
    """Return the tool that searches the store."""

    async def recall(
        query: Annotated[str, Field(min_length=1, max_length=2_000)],
        limit: Annotated[int, Field(ge=1, le=20)] = 8,
    ) -> str:
        hits = await store.recall(query, limit=limit)
        lines = [f"- {hit.text} ({hit.kind}, {hit.created_at:%Y-%m-%d})" for hit in hits]
        return "\n".join(lines) or "Nothing is remembered about that."

    return define_tool(recall, name=RECALL, description="Search what was kept in earlier runs.")
