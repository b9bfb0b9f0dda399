"""A conversation whose old turns are compacted while what matters stays in sight."""

import asyncio
import os

from agents.core.runtime import Agent
from agents.memory.agent_memory import AgentMemory
from agents.providers.openai_compat import OpenAIProvider


async def main() -> None:
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    memory = AgentMemory(count=provider.count, window_tokens=200)
    async with Agent(provider=provider, memory=memory) as agent:
        await agent.run("Remember that my loom is called Penelope.", session="weaving")
        for number in range(1, 21):
            await agent.run(f"Tell me something about pattern {number}.", session="weaving")
        opening = await memory.opening("weaving", "What is my loom called?")
        print(f"{len(opening.history)} messages in the window. {opening.notes}")


asyncio.run(main())
