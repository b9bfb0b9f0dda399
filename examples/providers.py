"""Presets, a breaker, a second endpoint for when the first is down, and reasoning apart."""

import asyncio
import os

from agents.core.runtime import Agent
from agents.core.types import ServedBy
from agents.providers.breaker import MemoryBreaker
from agents.providers.fallback import FallbackProvider
from agents.providers.openai_compat import OpenAIProvider
from agents.providers.presets import PRESETS
from agents.providers.world import system_world


async def main() -> None:
    print("presets:", ", ".join(preset.vendor for preset in PRESETS))
    breaker = MemoryBreaker(system_world().monotonic)
    model = os.environ["LOOM_MODEL"]
    nobody = OpenAIProvider(
        model, base_url="http://127.0.0.1:9/v1", breaker=breaker, max_attempts=1
    )
    answers = OpenAIProvider(model, breaker=breaker, served=ServedBy(endpoint="mine", model=model))
    async with Agent(provider=FallbackProvider(nobody, answers)) as agent:
        result = await agent.run("What does a heddle do? [[think=Threads pass through it.]]")
    print(result.text)
    print("reasoning:", result.reasoning or "none")


asyncio.run(main())
