"""MCP with several server processes and many clients, some of which vanish."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import redis
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.conformance import fleet
from tests.e2e.test_mcp_doors import ANSWER, GOAL, over_stdio, rest
from tests.processes import Stack, poll
from tests.requirements import requirement
from tests.support.wire_server import WireServer

SLOW = GOAL + " [[run.latency=1500]]"


@pytest.fixture
def pair(stack: Stack) -> Iterator[tuple[Stack, str, str]]:
    """Return a stack with two web processes and a worker, and where the two are."""
    with WireServer() as model:
        stack.environment |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test"}
        stack.start_web()
        first = stack.url
        stack.start_web()
        stack.start_worker()
        agent = {"slug": "astronomer", "name": "Astronomer", "description": "Knows the planets."}
        with rest(stack) as client:
            assert client.post("agents", json=agent).status_code == 201
        yield stack, first, stack.url


@asynccontextmanager
async def connected(stack: Stack, url: str, key: str | None = None) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key or stack.api_key}"}
    limits = httpx2.Limits(max_connections=300)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60, limits=limits) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield client


@requirement("mcp.http_and_stdio")
async def test_clients_of_both_eras_on_two_servers_have_every_call_answered(pair):
    stack, first, second = pair

    outcomes = await fleet.work([f"{first}/mcp", f"{second}/mcp"], key=stack.api_key, clients=6)

    assert len(outcomes) == 6 * 2 * 6
    assert [name for name, error in outcomes if error] == []


async def test_two_hundred_waits_are_answered_over_one_connection_to_redis(pair):
    stack, first, _ = pair
    async with connected(stack, first) as client:
        goal = GOAL + " [[run.latency=4000]]"
        submitted = await client.call_tool("submit_task", {"goal": goal})
        wanted = {"task_id": submitted.structured_content["task_id"], "wait_s": 25}
        waits = [asyncio.create_task(client.call_tool("get_task", wanted)) for _ in range(200)]
        with redis.Redis.from_url(stack.redis_url) as broker:

            def listening():
                return sum(int(one["sub"]) > 0 for one in broker.client_list())

            most = await asyncio.to_thread(poll, listening)
            most = max(most, listening())
        answers = await asyncio.gather(*waits)

    assert {answer.structured_content["answer"] for answer in answers} == {ANSWER}
    assert most == 1


async def test_news_of_a_task_and_of_the_tools_reach_a_client_of_another_server(pair):
    stack, first, second = pair
    stranger = stack.manage("workspace_create", "other")
    assert stranger.returncode == 0
    agent = {"slug": "guide", "name": "Guide", "published": True}

    async with connected(stack, first) as client:
        task_id = (await client.call_tool("submit_task", {"goal": SLOW})).structured_content[
            "task_id"
        ]
        uri = f"task://{task_id}"
        missing = "task://00000000-0000-4000-8000-000000000000"
        async with (
            client.listen(tools_list_changed=True, resource_subscriptions=[uri, missing]) as news,
            asyncio.timeout(20),
        ):
            with rest(stack) as other:
                made = await asyncio.to_thread(other.post, "agents", json=agent)
            assert made.status_code == 201, second
            seen = set()
            async for event in news:
                seen.add(type(event).__name__)
                if seen == {"ToolsListChanged", "ResourceUpdated"}:
                    break
        tools = {tool.name for tool in (await client.list_tools()).tools}

    assert news.honored.resource_subscriptions == [uri]
    assert "agent_guide" in tools


async def test_another_workspaces_task_cannot_be_listened_to(pair):
    stack, first, _ = pair
    assert stack.manage("workspace_create", "other").returncode == 0
    made = stack.manage(
        "apikey_create", "--workspace", "other", "--user", "eve", "--scope", "admin"
    )
    async with connected(stack, first) as client:
        task_id = (await client.call_tool("submit_task", {"goal": GOAL})).structured_content[
            "task_id"
        ]
    async with (
        connected(stack, first, made.stdout.strip()) as eve,
        eve.listen(resource_subscriptions=[f"task://{task_id}"]) as news,
    ):
        assert not news.honored.resource_subscriptions


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_that_is_killed_loses_nothing(pair, mode):
    stack, first, second = pair
    program = f"""
import asyncio, httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
async def main():
    async with httpx2.AsyncClient(
        headers={{"Authorization": "Bearer {stack.api_key}"}}, timeout=60
    ) as http:
        transport = streamable_http_client("{first}/mcp", http_client=http)
        async with Client(transport, mode="{mode}") as client:
            made = await client.call_tool("submit_task", {{"goal": {SLOW!r}}})
            print(made.structured_content["task_id"], flush=True)
            await client.call_tool(
                "get_task", {{"task_id": made.structured_content["task_id"], "wait_s": 25}}
            )
asyncio.run(main())
"""
    child = subprocess.Popen(  # noqa: ASYNC220 -- started at once
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=stack.environment
    )
    assert child.stdout is not None
    task_id = (await asyncio.to_thread(child.stdout.readline)).strip()
    await asyncio.sleep(0.3)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()

    async with connected(stack, second) as client:
        got = await client.call_tool("get_task", {"task_id": task_id, "wait_s": 25})

    assert (got.structured_content["status"], got.structured_content["answer"]) == (
        "succeeded",
        ANSWER,
    )


@pytest.mark.filterwarnings("ignore:resources/subscribe is removed")
@requirement("commands.mcp")
async def test_over_stdio_a_client_is_told_of_tasks_and_tools(pair):
    stack, _, _ = pair
    told: list[str] = []
    heard = asyncio.Event()

    async def hear(message):
        told.append(getattr(message, "method", ""))
        if {"notifications/tools/list_changed", "notifications/resources/updated"} <= set(told):
            heard.set()

    async with (
        over_stdio(
            stack, mode="legacy", LOOM_API_KEY=stack.api_key, message_handler=hear
        ) as client,
        asyncio.timeout(40),
    ):
        await client.list_tools()
        submitted = await client.call_tool("submit_task", {"goal": SLOW})
        await client.subscribe_resource(f"task://{submitted.structured_content['task_id']}")
        with rest(stack) as other:
            agent = {"slug": "guide", "name": "Guide", "published": True}
            assert (await asyncio.to_thread(other.post, "agents", json=agent)).status_code == 201
        await heard.wait()
        tools = {tool.name for tool in (await client.list_tools()).tools}

    assert "agent_guide" in tools


def test_on_stdout_there_is_nothing_but_the_protocol_whatever_comes_in(pair):
    stack, _, _ = pair
    frames = [
        "not json", "{", "[]", "null", '"x"', '{"jsonrpc": 1}',
        '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}',
        '{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_tasks"}}',
        '{"jsonrpc": "2.0", "id": 3, "method": "nonsense"}',
        '{"jsonrpc": "2.0", "id": 4, "method": "ping"}',
    ]  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-m", "loomsite", "mcp"],
        env={**stack.environment, "LOOM_API_KEY": stack.api_key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    answers = []
    with child, child.stdin as sent:
        for frame in frames:
            print(frame, file=sent, flush=True)
        while not {1, 2, 3, 4} <= {answer.get("id") for answer in answers}:
            answers.append(json.loads(child.stdout.readline()))
    by_id = {answer.get("id"): answer for answer in answers}
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert all("error" in by_id[number] for number in (1, 2, 3))
    assert by_id[4]["result"] == {}
    assert "Traceback" not in json.dumps(answers)


def test_stdio_starts_what_it_needs_and_stops_it(tmp_path, stack):
    environment = {
        name: value
        for name, value in stack.environment.items()
        if name not in {"DATABASE_URL", "REDIS_URL"}
    }

    async def work():
        from mcp import StdioServerParameters  # noqa: PLC0415 -- used here alone

        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "loomsite", "mcp"],
            env={**environment, "LOOM_HOME": str(tmp_path / "home")},
        )
        async with Client(server, read_timeout_seconds=120) as client:
            made = await client.call_tool("submit_task", {"goal": "What is 6 times 7?"})
            task_id = made.structured_content["task_id"]
            for _ in range(6):
                got = await client.call_tool("get_task", {"task_id": task_id, "wait_s": 25})
                if got.structured_content["poll_after_s"] is None:
                    break
        return got.structured_content

    task = asyncio.run(work())

    assert task["status"] in {"succeeded", "failed"}
    assert task["phases"]
    home = tmp_path / "home"
    poll(lambda: not (home / "up.json").exists(), timeout_s=60)
