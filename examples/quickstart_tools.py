"""Let an agent call a function. The mark makes the local test server call it; models decide."""

import asyncio
import os

from agents.core.runtime import Agent
from agents.providers.openai_compat import OpenAIProvider
from agents.tools.registry import define_tool


@define_tool
def threads(width_cm: int, per_cm: int = 8) -> int:
    """Return how many warp threads a cloth needs."""
    return width_cm * per_cm


async def main() -> None:
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    async with Agent(provider=provider, tools=[threads]) as agent:
        goal = 'How many threads do 60 cm need? [[tool=threads {"width_cm": 60}]]'
        print((await agent.run(goal)).text)


asyncio.run(main())
