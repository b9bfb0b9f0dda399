"""Many clients at once, of both eras of the protocol, on several server processes."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.conformance.tally import Tally, say

ERAS = ("legacy", "auto")
GOAL = "What is 6 times 7?"
TIMEOUT_S = 120
Outcome = tuple[str, str]


def run(urls: Sequence[str], *, key: str, clients: int) -> Tally:
    """Have `clients` clients of each era work at once, and count their calls."""
    outcomes = asyncio.run(work(urls, key=key, clients=clients))
    failed = [(name, error) for name, error in outcomes if error]
    for name, error in failed:
        say(f"{name}: {error}")
    tally = Tally(
        suite=f"fleet-{clients}-clients-of-each-era",
        passed=len(outcomes) - len(failed),
        failed=tuple(name for name, _ in failed),
    )
    say(tally.line())
    return tally


async def work(urls: Sequence[str], *, key: str, clients: int) -> list[Outcome]:
    """Return what came of each call: its name, and its error where it failed."""
    people = [_Person(urls, key, era, number) for number in range(clients) for era in ERAS]
    await asyncio.gather(*(person.work() for person in people))
    return [outcome for person in people for outcome in person.outcomes]


class _Person:
    """One client that works on two servers in turn."""

    def __init__(self, urls: Sequence[str], key: str, era: str, number: int) -> None:
        self._here, self._there = urls[number % len(urls)], urls[(number + 1) % len(urls)]
        self._headers = {"Authorization": f"Bearer {key}"}
        self._era = era
        self._name = f"{era} client {number}"
        self.outcomes: list[Outcome] = []

    async def work(self) -> None:
        """Submit on one server, follow on the other, and call a few more tools."""
        goal = f"{GOAL} ({self._name})"
        submitted = await self._calls(self._here, ("submit_task", {"goal": goal}))
        task = {"task_id": submitted.get("task_id", "")}
        await self._calls(
            self._there,
            ("get_task", {**task, "wait_s": 2}),
            ("list_tasks", {"limit": 5}),
            ("list_agents", {}),
            ("cancel_task", task),
        )
        await self._calls(self._here, ("get_task", {**task, "wait_s": 20}))

    async def _calls(self, url: str, *calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        """Make calls over one connection; return what the last one found."""
        made, found = 0, {}
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                httpx2.AsyncClient(headers=self._headers, timeout=TIMEOUT_S) as http,
                Client(streamable_http_client(url, http_client=http), mode=self._era) as client,
            ):
                for tool, arguments in calls:
                    result = await client.call_tool(tool, arguments)
                    found = result.structured_content or {}
                    made += 1
                    self._note(tool, str(result.content) if result.is_error else "")
        except Exception as error:  # noqa: BLE001 -- whatever a client meets is counted
            for tool, _ in calls[made:]:
                self._note(tool, repr(error))
        return found

    def _note(self, tool: str, error: str) -> None:
        self.outcomes.append((f"{self._name}: {tool}", error[:300]))
