"""Every run ends: by its answer, its limits, its deadline, or because somebody asked it to."""

import asyncio
import os

from agents.core.errors import AgentsError
from agents.core.runtime import Agent, AgentConfig
from agents.providers.openai_compat import OpenAIProvider
from agents.tools.registry import define_tool


@define_tool(timeout_s=0.2)
async def wait() -> str:
    """Wait for ever."""
    await asyncio.Event().wait()
    return "never"


@define_tool
def count_threads() -> int:
    """Fail, and say why."""
    raise ValueError("the cloth is folded")


async def main() -> None:
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    config = AgentConfig(name="bounded", max_steps=2, max_tokens=50_000, timeout_s=20.0)
    async with Agent(provider=provider, config=config, tools=[wait, count_threads]) as agent:
        for goal in ("[[tool=wait]] Wait.", "[[tool=count_threads]] Count."):
            print((await agent.run(goal)).text)
        try:
            await agent.run("[[tool=wait]] [[tool=count_threads]] [[tool=wait]] Go on and on.")
        except AgentsError as error:
            print(error.code, "-", error)
        stop = asyncio.Event()
        stop.set()
        try:
            await agent.run("Stop me.", cancelled=stop)
        except AgentsError as error:
            print(error.code)


asyncio.run(main())
