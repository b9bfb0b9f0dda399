"""Watch an answer come. Any OpenAI-compatible endpoint, as in quickstart_run."""

import asyncio
import os

from agents.core.events import Done, TextDelta
from agents.core.runtime import Agent
from agents.providers.openai_compat import OpenAIProvider


async def main() -> None:
    async with Agent(provider=OpenAIProvider(model=os.environ["LOOM_MODEL"])) as agent:
        async for event in agent.stream("What does a loom do?"):
            if isinstance(event, TextDelta):
                print(event.text, end="", flush=True)
            elif isinstance(event, Done):
                print(f"\n{event.usage.completion_tokens} tokens")


asyncio.run(main())
