"""Cited answers from documents without any model: the extractive reader."""

import asyncio

from agents.core.runtime import Agent
from agents.providers.extractive import ExtractiveReader
from agents.testing import FakeKnowledge, WordEmbedder, passages_from
from agents.tools.search_knowledge import search_knowledge_tool

TEXT = """A loom is a device that weaves cloth. It holds the warp threads under tension.

The weft is the thread that is woven crosswise through the warp. A shuttle carries it."""


async def main() -> None:
    knowledge = FakeKnowledge(passages_from(TEXT, document_id="weaving"))
    tools = [search_knowledge_tool(knowledge)]
    agent = Agent(provider=ExtractiveReader(WordEmbedder()), tools=tools)
    result = await agent.run("In one sentence: which thread is woven crosswise through the warp?")
    print(result.text)
    for citation in result.citations:
        print(citation.document_id, citation.start, citation.end, repr(citation.quote))


asyncio.run(main())
