"""Ask an agent. Any OpenAI-compatible endpoint: OPENAI_BASE_URL, OPENAI_API_KEY, LOOM_MODEL."""

import asyncio
import os

from agents.core.runtime import Agent
from agents.providers.openai_compat import OpenAIProvider


async def main() -> None:
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    async with Agent(provider=provider, instructions="Answer in one sentence.") as agent:
        result = await agent.run("What does a loom do?")
        print(result.text, f"({result.usage.completion_tokens} tokens)")


asyncio.run(main())
