"""Sources that share the window, and the report of what filled it."""

import asyncio
import os

from agents.core.context import ContextOrchestrator
from agents.core.runtime import Agent
from agents.memory.recall import KnowledgeSource, MemorySource
from agents.providers.openai_compat import OpenAIProvider
from agents.testing import FakeKnowledge, ListMemory, passages_from


async def main() -> None:
    memory = ListMemory()
    await memory.remember("The customer weaves linen.", importance=0.9)
    sources = [
        MemorySource(memory),
        KnowledgeSource(FakeKnowledge(passages_from("Linen is made of flax and is strong."))),
    ]
    context = ContextOrchestrator(sources)
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    async with Agent(provider=provider, context=context) as agent:
        result = await agent.run("How strong is linen?")
    print(result.text)
    for line in result.report:
        print(line)
    print(context.shares)


asyncio.run(main())
