"""Know-how in a folder with a SKILL.md: named always, read when a goal calls for it."""

import asyncio
import os
from pathlib import Path

from agents.core.runtime import Agent
from agents.providers.openai_compat import OpenAIProvider
from agents.skills.loader import from_folder
from agents.skills.skill_library import SkillLibrary


async def main() -> None:
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    skills = SkillLibrary([from_folder(Path(__file__).parent / "mending")])
    async with Agent(provider=provider, skills=skills) as agent:
        result = await agent.run("My scarf is torn. What now?")
    print(result.text)


asyncio.run(main())
