"""Two agents on one event bus."""

import asyncio
import os

from agents.core.events import EventBus
from agents.core.runtime import Agent, AgentConfig
from agents.providers.openai_compat import OpenAIProvider


async def main() -> None:
    bus, provider = EventBus(), OpenAIProvider(model=os.environ["LOOM_MODEL"])
    bus.subscribe("done", lambda event: print(f"{event.agent} is done"))
    ann = Agent(provider=provider, config=AgentConfig(name="ann"), events=bus)
    bob = Agent(provider=provider, config=AgentConfig(name="bob"), events=bus.child())
    await asyncio.gather(ann.run("What is a warp?"), bob.run("What is a weft?"))
    await provider.close()


asyncio.run(main())
