"""What sees each model call: an audit, redaction, a filter."""

import asyncio
import os

from agents.core.errors import ModelDeclined
from agents.core.interceptors import Audit, ContentFilter, MarkInjections, RedactSecrets
from agents.core.runtime import Agent
from agents.providers.openai_compat import OpenAIProvider


async def main() -> None:
    provider = OpenAIProvider(model=os.environ["LOOM_MODEL"])
    chain = [
        Audit(lambda entry: print(entry["agent"], entry["finish_reason"])),
        RedactSecrets(["open-sesame"]),
        MarkInjections(),
        ContentFilter([r"\bforbidden\b"]),
    ]
    async with Agent(provider=provider, interceptors=chain) as agent:
        print((await agent.run("The password is open-sesame.")).text)
        try:
            await agent.run("Something forbidden.")
        except ModelDeclined as error:
            print(error)


asyncio.run(main())
