"""A journal: a run that was stopped goes on behind its last step, and no effect happens twice."""

import asyncio
import os

from agents.core.runtime import Agent
from agents.core.types import RunRequest
from agents.providers.openai_compat import OpenAIProvider
from agents.testing import FakeGate, MemoryJournal
from agents.tools.registry import define_tool

SENT: list[str] = []


@define_tool(tags=("network",), effect=True)
def send(to: str) -> str:
    """Send a letter."""
    SENT.append(to)
    return f"sent to {to}"


async def main() -> None:
    journal = MemoryJournal()  # in the cluster, tables
    request = RunRequest(
        run_id="run-1",
        workspace_id="home",
        agent_id="clerk",
        task_id="task-1",
        root_task_id="task-1",
        goal='Write to Ann. [[tool=send {"to": "Ann"}]]',
    )
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    async with Agent(provider=provider, tools=[send]) as agent:
        gate = FakeGate({"send": "ask"})
        waits = await agent.execute(request, journal=journal, gate=gate)
        if waits.suspension is not None:  # a model that does not call the tool has just answered
            print(waits.stop, "-", waits.suspension.question)
            journal.decide(waits.suspension.key, approved=True)
        for _ in range(2):
            result = await agent.execute(request, journal=journal, gate=gate)
            print(result.stop, "-", result.text)
    print("letters:", SENT)


asyncio.run(main())
