"""A gate in front of every tool call: scenes of rules that only narrow."""

import asyncio
import os
from dataclasses import dataclass

from agents.core.runtime import Agent
from agents.core.types import ToolCall, ToolSpec
from agents.providers.openai_compat import OpenAIProvider
from agents.tools.calculator import calculator_tool
from agents.tools.policy import Scene, decide
from agents.tools.registry import define_tool


@define_tool(tags=("write",), effect=True)
def cut_thread() -> str:
    """Cut the thread."""
    return "cut"


@dataclass
class SceneGate:
    scenes: list[Scene]

    async def decide(self, *, call: ToolCall, tool: ToolSpec | None) -> tuple[str, str]:
        return decide(call, tool, self.scenes)


async def main() -> None:
    gate = SceneGate([Scene(name="look only", deny_tags=frozenset({"write"}))])
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    async with Agent(provider=provider, tools=[calculator_tool(), cut_thread]) as agent:
        goal = 'Cut, then compute. [[tool=cut_thread]] [[tool=calculator {"expression": "6*7"}]]'
        print((await agent.run(goal, gate=gate)).text)


asyncio.run(main())
