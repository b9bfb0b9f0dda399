"""What our MCP tools cost above a bare one, and how many calls many clients have answered.

    python -m benchmarks.mcp [--rounds 200] [--json FILE]

Two server processes over one database, asked in turn: one has a tool that does nothing, the other
is the product with tasks in it. Each round calls each tool once, over one connection each, so that
what else the machine does falls on all alike.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from benchmarks.durability.stack import Plane, plane, say, wait_for
from loomsite.embedded import process, services
from loomsite.embedded.home import Home

TASKS = 200
LIMIT_MS = 15.0
LISTING_LIMIT_BYTES = 12_000
_OURS = ("LOOM_", "OPENAI_", "DJANGO_", "SECRET_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Milliseconds of one call, and bytes of the list of tools."""

    rounds: int
    bare_p50_ms: float
    list_tasks_p50_ms: float
    get_task_p50_ms: float
    list_tasks_above_ms: float
    get_task_above_ms: float
    tools_list_bytes: int

    @property
    def is_met(self) -> bool:
        above = max(self.list_tasks_above_ms, self.get_task_above_ms)
        return above <= LIMIT_MS and self.tools_list_bytes <= LISTING_LIMIT_BYTES


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 0 when the limits are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mcp")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path, metavar="FILE")
    wanted = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="loom-bench-mcp-") as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        environment = {**kept, "LOOM_HOME": folder, "PYTHONUNBUFFERED": "1"}
        with (
            services.held(Home(root=Path(folder) / "home"), os.environ, throwaway=True) as urls,
            plane(urls, 0, Path(folder) / "plane", environment) as ours,
        ):
            say(sys.stderr, f"Two servers, {TASKS} tasks, {wanted.rounds} rounds ...")
            measured = _measure(ours, wanted.rounds)
    found: dict[str, Any] = {**asdict(measured), "met": measured.is_met}
    for name, value in found.items():
        print(f"{name:22} {value}")
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=2))
    return 0 if measured.is_met else 1


def _measure(ours: Plane, rounds: int) -> Measured:
    ours.start_web()
    product = ours.url
    port = process.free_port()
    bare = f"http://127.0.0.1:{port}"
    command = f"uvicorn benchmarks.mcp.bare:application --host 127.0.0.1 --port {port}"
    started = ours.start("bare", command.split())
    wait_for(lambda: b"startup complete" in started.log.read_bytes(), "the bare server")
    task_ids = [ours.submit({"goal": f"Name moon {number}."}) for number in range(TASKS)]
    return asyncio.run(_rounds(f"{bare}/mcp", f"{product}/mcp", ours.api_key, task_ids, rounds))


async def _rounds(
    bare_url: str, product_url: str, key: str, task_ids: Sequence[str], rounds: int
) -> Measured:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(bare_url, http_client=http)) as bare,
        Client(streamable_http_client(product_url, http_client=http)) as product,
    ):
        listed = await product.list_tools()
        shown = listed.model_dump(mode="json", by_alias=True, exclude_none=True)
        times: dict[str, list[float]] = {"bare": [], "list_tasks": [], "get_task": []}
        for number in range(-10, rounds):
            task = {"task_id": task_ids[number % len(task_ids)]}
            calls = [
                ("bare", bare, "nothing", {}),
                ("list_tasks", product, "list_tasks", {}),
                ("get_task", product, "get_task", task),
            ]
            for name, client, tool, given in calls:
                began = time.perf_counter()
                result = await client.call_tool(tool, given)
                taken_ms = (time.perf_counter() - began) * 1000
                if result.is_error:
                    raise SystemExit(f"{tool} failed: {result.content}")
                if number >= 0:
                    times[name].append(taken_ms)
    p50 = {name: round(statistics.median(values), 2) for name, values in times.items()}
    return Measured(
        rounds=rounds,
        bare_p50_ms=p50["bare"],
        list_tasks_p50_ms=p50["list_tasks"],
        get_task_p50_ms=p50["get_task"],
        list_tasks_above_ms=_above(times["list_tasks"], times["bare"]),
        get_task_above_ms=_above(times["get_task"], times["bare"]),
        tools_list_bytes=len(json.dumps(shown, separators=(",", ":")).encode()),
    )


def _above(ours: Sequence[float], bare: Sequence[float]) -> float:
    """Return the median of the differences within each round."""
    pairs = zip(ours, bare, strict=True)
    return round(statistics.median(mine - theirs for mine, theirs in pairs), 2)


if __name__ == "__main__":
    sys.exit(main())
