"""Know-how in a SKILL.md: named always, read when a goal calls for it."""

import asyncio
import os

from agents.core.runtime import Agent
from agents.providers.openai_compat import OpenAIProvider
from agents.skills.loader import parse
from agents.skills.skill_library import SkillLibrary

SKILL = """---
name: mending
description: How to mend a torn cloth.
keywords: [mend, torn]
---
Wash the cloth, then darn along the weft."""


async def main() -> None:
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    skills = SkillLibrary([parse(SKILL)])
    async with Agent(provider=provider, skills=skills) as agent:
        result = await agent.run("My scarf is torn. What now?")
    print(result.text)


asyncio.run(main())
