"""One task on every door, through real processes: MCP on both transports, REST, the shell."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.processes import Stack, poll
from tests.support.wire_server import WireServer

GOAL = "Name the moons of Mars. [[answer=Phobos and Deimos.]]"
ANSWER = "Phobos and Deimos."


@pytest.fixture
def cluster(stack: Stack) -> Iterator[Stack]:
    """Return a stack with a model behind it, an agent in it, and web and worker running."""
    with WireServer() as model:
        stack.environment |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test"}
        stack.start_web()
        stack.start_worker()
        agent = {"slug": "astronomer", "name": "Astronomer", "description": "Knows the planets."}
        with rest(stack) as client:
            assert client.post("agents", json=agent).status_code == 201
        yield stack


def rest(stack: Stack, key: str | None = None) -> httpx.Client:
    return httpx.Client(
        base_url=f"{stack.url}/api/v1/",
        headers={"Authorization": f"Bearer {key or stack.api_key}"},
        timeout=30,
    )


@asynccontextmanager
async def over_http(stack: Stack, *, mode: str = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{stack.url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


@asynccontextmanager
async def over_stdio(
    stack: Stack, *, mode: str = "auto", message_handler: Any = None, **variables: str
) -> AsyncIterator[Client]:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "loomsite", "mcp"],
        env={**stack.environment, **variables},
    )
    async with Client(server, mode=mode, message_handler=message_handler) as client:
        yield client


async def run_to_the_end(client: Client) -> dict:
    """Submit and wait as the server's instructions teach it."""
    submitted = await client.call_tool("submit_task", {"goal": GOAL})
    assert not submitted.is_error, submitted.content
    task_id = submitted.structured_content["task_id"]
    for _ in range(6):
        got = await client.call_tool("get_task", {"task_id": task_id, "wait_s": 25})
        if got.structured_content["poll_after_s"] is None:
            break
    return got.structured_content


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("connect", [over_http, over_stdio])
async def test_a_task_is_followed_to_its_answer_by_an_assistant(cluster: Stack, connect, mode):
    async with connect(cluster, mode=mode) as client:
        task = await run_to_the_end(client)

    with rest(cluster) as client:
        over_rest = client.get(f"tasks/{task['id']}").json()
    assert (task["status"], task["answer"]) == ("succeeded", ANSWER)
    assert task == task | over_rest


def test_a_task_is_followed_to_its_answer_over_rest_as_a_stream(cluster: Stack):
    with rest(cluster) as client:
        task_id = client.post("tasks", json={"goal": GOAL}).json()["id"]
        accept = {"Accept": "text/event-stream"}
        with client.stream("GET", f"tasks/{task_id}/events", headers=accept) as stream:
            lines = list(stream.iter_lines())
        task = client.get(f"tasks/{task_id}").json()
        events = client.get(f"tasks/{task_id}/events").json()["results"]

    seen = [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]
    assert (task["status"], task["answer"]) == ("succeeded", ANSWER)
    assert seen == [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_a_task_is_followed_to_its_answer_from_the_command_line(cluster: Stack):
    done = cluster.manage("submit", GOAL, "--wait", "--json", "--timeout", "60")

    task = json.loads(done.stdout)
    assert (done.returncode, task["status"], task["answer"]) == (0, "succeeded", ANSWER)
    assert {"id", "outcome", "cost_usd", "tokens", "phases"} <= set(task)
    assert [phase["phase"] for phase in task["phases"]] == [
        "sense", "match", "scale", "execute", "evaluate", "adapt",
    ]  # fmt: skip
    assert "Traceback" not in done.stderr


def test_a_schedule_submits_its_goal_and_beat_fires_it(cluster: Stack):
    cluster.start_beat()
    with rest(cluster) as client:
        schedule = client.post(
            "schedules", json={"kind": "interval", "every_s": 1, "submission": {"goal": GOAL}}
        ).json()

        def answered():
            found = client.get(f"schedules/{schedule['id']}").json()["task_ids"]
            tasks = [client.get(f"tasks/{task_id}").json() for task_id in found[-1:]]
            return [task["answer"] for task in tasks if task["status"] == "succeeded"]

        assert poll(answered) == [ANSWER]


async def test_another_workspaces_key_sees_none_of_it_on_any_door(cluster: Stack):
    with rest(cluster) as client:
        task_id = client.post("tasks", json={"goal": GOAL}).json()["id"]
    assert cluster.manage("workspace_create", "other").returncode == 0
    made = cluster.manage(
        "apikey_create", "--workspace", "other", "--user", "eve", "--scope", "admin"
    )
    stranger = made.stdout.strip()

    with rest(cluster, stranger) as client:
        over_rest = client.get(f"tasks/{task_id}")
        listed = client.get("tasks").json()["results"]
    async with over_stdio(cluster, LOOM_API_KEY=stranger) as client:
        over_mcp = await client.call_tool("get_task", {"task_id": task_id})
        tasks = (await client.call_tool("list_tasks", {})).structured_content["tasks"]

    assert (over_rest.status_code, listed, over_mcp.is_error, tasks) == (404, [], True, [])


async def test_an_assistant_that_hangs_up_loses_nothing(cluster: Stack):
    slow = GOAL + " [[run.latency=1500]]"
    async with over_http(cluster) as client:
        submitted = await client.call_tool("submit_task", {"goal": slow})
        task_id = submitted.structured_content["task_id"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.call_tool("get_task", {"task_id": task_id, "wait_s": 25})

    with rest(cluster) as client:
        task = poll(
            lambda: (found := client.get(f"tasks/{task_id}").json())["finished_at"] and found
        )
    assert (task["status"], task["answer"]) == ("succeeded", ANSWER)


async def test_two_web_processes_serve_one_assistant(cluster: Stack):
    first = cluster.url
    async with over_http(cluster) as client:
        submitted = await client.call_tool("submit_task", {"goal": GOAL})
    cluster.start_web()

    async with over_http(cluster) as client:
        got = await client.call_tool(
            "get_task", {"task_id": submitted.structured_content["task_id"], "wait_s": 25}
        )

    assert cluster.url != first
    assert got.structured_content["answer"] == ANSWER


async def test_many_waits_at_once_are_all_answered(cluster: Stack):
    slow = GOAL + " [[run.latency=500]]"
    async with over_http(cluster) as client:
        submitted = await client.call_tool("submit_task", {"goal": slow})
        wanted = {"task_id": submitted.structured_content["task_id"], "wait_s": 25}
        answers = await asyncio.gather(*(client.call_tool("get_task", wanted) for _ in range(50)))

    assert {answer.structured_content["answer"] for answer in answers} == {ANSWER}
