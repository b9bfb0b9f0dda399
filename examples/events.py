"""What a run says while it happens: one type, all of a kind, or everything, children included."""

import asyncio
import logging
import os
from collections import Counter

from agents.core.events import EventBus, RunEvent, ToolCallEnd
from agents.core.runtime import Agent
from agents.providers.openai_compat import OpenAIProvider
from agents.tools.calculator import calculator_tool


def told(event: RunEvent) -> None:
    if isinstance(event, ToolCallEnd):
        print(event.tool, event.arguments, "->", event.result)


def broken(event: RunEvent) -> None:
    raise RuntimeError(f"a fault at {event.type}")


async def main() -> None:
    logging.getLogger("agents").addHandler(logging.NullHandler())  # where the fault is told too
    house, seen = EventBus(), Counter[str]()
    house.subscribe("*", lambda event: seen.update([event.type]))
    house.subscribe("tool_call.*", told)
    house.subscribe("done", broken)  # disturbs neither the run nor the others
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    async with Agent(provider=provider, tools=[calculator_tool()], events=house.child()) as agent:
        await agent.run('How much is 6 times 7? [[tool=calculator {"expression": "6*7"}]]')
    print(dict(sorted(seen.items())))
    print("handlers that failed:", len(house.failures))


asyncio.run(main())
