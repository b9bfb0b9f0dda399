"""Asking agents over MCP: by name, as tools of their own, as tasks, and being asked back."""

import asyncio
import contextlib
import json

import pytest
from mcp_types import ElicitResult

from agents.services.agents import agent_update
from cluster.models import Task
from loomsite.access.bridge import db
from tests.factories.access import make_key, make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, answered, failed, submit, work
from tests.integration.cluster.test_waiting import asks
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
EXTENSION = "io.modelcontextprotocol/tasks"
NOBODY = "00000000-0000-4000-8000-000000000000"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 2}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}


@contextlib.asynccontextmanager
async def worker(world):
    """Work on what is due while inside."""

    async def on_and_on():
        while True:
            await db(work, world)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(on_and_on())
    try:
        yield world
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def call(http, method, params, *, extensions=None, headers=None):
    """Send one request of the present era as it is on the wire; return the answer's body."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {
            "elicitation": {}, "extensions": {EXTENSION: {}} if extensions is None else extensions,
        },
    }  # fmt: skip
    name = params.get("name") or params.get("taskId") or params.get("uri")
    sent = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
        **({"Mcp-Name": name} if name else {}),
        **(headers or {}),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    response = await http.post("/mcp", json=body, headers=sent)
    assert "Traceback" not in response.text
    return response.json()


async def until(http, task_id, *statuses):
    async with asyncio.timeout(20):
        while True:
            task = (await call(http, "tasks/get", {"taskId": task_id}))["result"]
            if task["status"] in statuses:
                return task
            await asyncio.sleep(0.05)


# ---------------------------------------------------------------- by name


@requirement("mcp.agents")
async def test_an_agent_that_is_asked_answers_within_the_call(assistant):
    tenant = await db(make_tenant)
    await db(make_agent, tenant.workspace_id, slug="reader")

    async with worker(FakeWorld(run=lambda *_: answered("Two."))), assistant(tenant.key) as client:
        got = await client.call_tool(
            "ask_agent", {"agent": "reader", "message": "How many moons?", "session_id": "s-1"}
        )

    task = await db(Task.objects.select_related("agent").get)
    told = got.structured_content
    assert not got.is_error
    assert (told["answer"], told["poll_after_s"], told["session_id"]) == ("Two.", None, "s-1")
    assert (task.agent.slug, task.metadata, task.goal) == (
        "reader", {"session_id": "s-1"}, "How many moons?",
    )  # fmt: skip


@requirement("mcp.agents")
async def test_an_agent_that_takes_longer_hands_back_its_task(assistant):
    tenant = await db(make_tenant)
    await db(make_agent, tenant.workspace_id, slug="reader")

    async with assistant(tenant.key) as client:
        got = await client.call_tool(
            "ask_agent", {"agent": "reader", "message": "How many?", "wait_s": 0}
        )
        task_id = got.structured_content["task_id"]
        followed = await client.call_tool("get_task", {"task_id": task_id})

    assert (got.structured_content["answer"], got.structured_content["poll_after_s"]) == (None, 2.0)
    assert followed.structured_content["status"] == "queued"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"agent": "nobody", "message": "x"}, "nobody"), ({"agent": "reader"}, "message"),
     ({"agent": "reader", "message": ""}, "empty"), ({"agent": 7, "message": "x"}, "agent"),
     ({"agent": "reader", "message": "x", "wait_s": 26}, "wait_s"),
     ({"agent": "reader", "message": "x" * 100_001}, "100,000"),
     ({"agent": "reader", "message": "x\x00"}, "null")],
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_told_to_the_model(modern, arguments, said):
    tenant = await db(make_tenant)
    await db(make_agent, tenant.workspace_id, slug="reader")

    async with modern(tenant.key) as client:
        got = await client.call_tool("ask_agent", arguments)

    assert got.is_error
    assert said in got.content[0].text
    assert await db(Task.objects.count) == 0


async def test_a_foreign_agent_is_asked_like_a_missing_one(modern):
    ours, stranger = await db(make_tenant), await db(make_tenant)
    await db(make_agent, ours.workspace_id, slug="reader")

    async with modern(stranger.key) as client:
        told = [
            (await client.call_tool("ask_agent", {"agent": name, "message": "x"})).content[0].text
            for name in ("reader", "nobody")
        ]

    assert told[0].replace("reader", "nobody") == told[1]


async def test_a_wait_tells_how_it_goes(modern):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)
    told = []

    async def progress(done, total, message):
        told.append((done, message))

    async with modern(tenant.key) as client, asyncio.TaskGroup() as both:
        wanted = {"task_id": task_id, "wait_s": 20}
        got = both.create_task(client.call_tool("get_task", wanted, progress_callback=progress))
        await asyncio.sleep(0.3)
        await db(work, FakeWorld())

    numbers = [done for done, _ in told]
    assert got.result().structured_content["status"] == "succeeded"
    assert told[0] == (1, "queued")
    assert numbers == sorted(set(numbers))


# ---------------------------------------------------------------- asking back


async def test_a_question_goes_to_the_person_where_the_client_can_ask(modern):
    tenant = await db(make_tenant)
    await db(make_agent, tenant.workspace_id, slug="reader")
    seen = []

    async def person(_context, params):
        seen.append((params.message, params.requested_schema["required"]))
        return ElicitResult(action="accept", content={"text": "blue"})

    async with (
        worker(FakeWorld(run=asks)),
        modern(tenant.key, elicitation_callback=person) as client,
    ):
        got = await client.call_tool("ask_agent", {"agent": "reader", "message": "Paint it."})

    assert seen == [("Which colour?", ["text"])]
    assert "blue" in got.structured_content["answer"]
    assert await db(Task.objects.count) == 1


async def test_a_person_who_declines_leaves_the_question_open(modern):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)
    await db(work, FakeWorld(run=asks))

    async def person(_context, _params):
        return ElicitResult(action="decline")

    async with modern(tenant.key, elicitation_callback=person) as client:
        got = await client.call_tool("get_task", {"task_id": task_id, "wait_s": 5})

    assert got.structured_content["status"] == "input_required"
    assert got.structured_content["request"]["question"] == "Which colour?"


async def test_a_client_that_cannot_ask_gets_the_question_for_reply_task(assistant):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)
    await db(work, FakeWorld(run=asks))

    async with assistant(tenant.key) as client:
        got = await client.call_tool("get_task", {"task_id": task_id, "wait_s": 5})
        replied = await client.call_tool("reply_task", {"task_id": task_id, "text": "blue"})

    assert got.structured_content["request"]["question"] == "Which colour?"
    assert replied.structured_content["status"] == "queued"


async def test_who_may_only_read_is_not_asked(modern):
    tenant = await db(make_tenant)
    key = await db(make_key, tenant.slug, ["tasks:read"])
    task_id = await db(submit, tenant.workspace_id)
    await db(work, FakeWorld(run=asks))

    async def person(_context, _params):
        raise AssertionError("asked")

    async with modern(key, elicitation_callback=person) as client:
        got = await client.call_tool("get_task", {"task_id": task_id, "wait_s": 5})

    assert got.structured_content["status"] == "input_required"


# ---------------------------------------------------------------- agents as tools


async def test_a_published_agent_is_a_tool_with_its_own_schema(assistant):
    tenant, stranger = await db(make_tenant), await db(make_tenant)
    where = tenant.workspace_id
    await db(make_agent, where, slug="guide", name="Guide", published=True, input_schema=SCHEMA)
    await db(make_agent, where, slug="reader", name="Reader", published=True)
    await db(make_agent, where, slug="shy", name="Shy")
    await db(make_agent, stranger.workspace_id, slug="theirs", published=True)
    world = FakeWorld(run=lambda _view, step: answered(f"Told: {step.goal}"))

    async with worker(world), assistant(tenant.key) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        guided = await client.call_tool("agent_guide", {"city": "Bern", "days": 2})
        said = await client.call_tool("agent_reader", {"message": "Hello"})

    assert {name for name in tools if name.startswith("agent_")} == {"agent_guide", "agent_reader"}
    assert tools["agent_guide"].input_schema == SCHEMA
    assert tools["agent_reader"].input_schema["required"] == ["message"]
    assert guided.structured_content["answer"] == 'Told: {"city":"Bern","days":2}'
    assert said.structured_content["answer"] == "Told: Hello"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [("agent_guide", {}, "city"), ("agent_guide", {"city": "B"}, "city"),
     ("agent_guide", {"city": "Bern", "more": 1}, "more"), ("agent_shy", {"message": "x"}, "shy"),
     ("agent_nobody", {"message": "x"}, "nobody"), ("agent_theirs", {"message": "x"}, "theirs")],
)  # fmt: skip
async def test_an_agents_tool_refuses_what_its_schema_does_not_take(modern, name, arguments, said):
    tenant, stranger = await db(make_tenant), await db(make_tenant)
    await db(make_agent, tenant.workspace_id, slug="guide", published=True, input_schema=SCHEMA)
    await db(make_agent, tenant.workspace_id, slug="shy")
    await db(make_agent, stranger.workspace_id, slug="theirs", published=True)

    async with modern(tenant.key) as client:
        got = await client.call_tool(name, arguments)

    assert got.is_error
    assert said in got.content[0].text
    assert await db(Task.objects.count) == 0


async def test_an_agent_that_is_no_longer_published_is_no_tool(modern):
    tenant = await db(make_tenant)
    agent_id = await db(make_agent, tenant.workspace_id, slug="guide", published=True)

    async with modern(tenant.key) as client:
        before = {tool.name for tool in (await client.list_tools()).tools}
        await db(agent_update, workspace_id=tenant.workspace_id, agent_id=agent_id, published=False)
        after = {tool.name for tool in (await client.list_tools()).tools}

    assert before - after == {"agent_guide"}


@pytest.mark.parametrize(
    "schema",
    [[], "x", {"type": "string"}, {"type": "object", "properties": 5}, {"$ref": "http://x/y"},
     {"type": "object", "description": "x" * 9_000}],
)  # fmt: skip
async def test_a_schema_that_is_none_is_refused_where_agents_are_written(http, schema):
    tenant = await db(make_tenant)
    agent = {"slug": "guide", "name": "Guide", "published": True, "input_schema": schema}

    async with http(tenant.key) as client:
        response = await client.post("/api/v1/agents", json=agent)

    assert response.status_code == 400
    assert "input_schema" in response.text


# ---------------------------------------------------------------- as tasks


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("submit_task", {"goal": "How many moons?"}),
     ("ask_agent", {"agent": "reader", "message": "How many moons?"}),
     ("agent_reader", {"message": "How many moons?"})],
)  # fmt: skip
async def test_a_long_call_becomes_a_task_for_a_client_that_declares_it(http, tool, arguments):
    tenant = await db(make_tenant)
    await db(make_agent, tenant.workspace_id, slug="reader", published=True)

    async with http(tenant.key) as client:
        created = (await call(client, "tools/call", {"name": tool, "arguments": arguments}))[
            "result"
        ]
        working = (await call(client, "tasks/get", {"taskId": created["taskId"]}))["result"]
        await db(work, FakeWorld(run=lambda *_: answered("Two.")))
        done = (await call(client, "tasks/get", {"taskId": created["taskId"]}))["result"]
        tools = (await call(client, "tools/list", {}))["result"]["tools"]

    assert (created["resultType"], created["status"], created["ttlMs"]) == ("task", "working", None)
    assert "result" not in working
    assert working["statusMessage"] == "queued"
    assert (done["resultType"], done["status"]) == ("complete", "completed")
    assert done["result"]["structuredContent"]["answer"] == "Two."
    assert json.loads(done["result"]["content"][0]["text"]) == done["result"]["structuredContent"]
    (schema,) = [one["outputSchema"] for one in tools if one["name"] == tool]
    assert set(schema["properties"]) <= set(done["result"]["structuredContent"])


async def test_a_failed_agent_is_an_error_in_a_completed_task(http):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)
    await db(work, FakeWorld(run=lambda *_: failed("It broke.")))

    async with http(tenant.key) as client:
        task = (await call(client, "tasks/get", {"taskId": task_id}))["result"]

    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    assert "It broke." in task["result"]["content"][0]["text"]


async def test_lost_work_is_a_failed_task(http):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)
    await db(work, FakeWorld(run=lambda *_: failed("It broke.")))
    await db(lambda: Task.objects.update(error_code="cluster.poison", error_message="Lost."))

    async with http(tenant.key) as client:
        task = (await call(client, "tasks/get", {"taskId": task_id}))["result"]

    assert task["status"] == "failed"
    assert task["error"] == {
        "code": -32603, "message": "Lost.", "data": {"code": "cluster.poison"},
    }  # fmt: skip
    assert "result" not in task


async def test_a_task_asks_and_is_answered_through_the_extension(http):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)
    await db(work, FakeWorld(run=asks))
    answer = {"action": "accept", "content": {"text": "blue"}}

    async with http(tenant.key) as client:
        asked = (await call(client, "tasks/get", {"taskId": task_id}))["result"]
        ((key, question),) = asked["inputRequests"].items()
        ignored = await call(
            client, "tasks/update", {"taskId": task_id, "inputResponses": {"nonsense": answer}}
        )
        still = (await call(client, "tasks/get", {"taskId": task_id}))["result"]
        acked = await call(
            client, "tasks/update", {"taskId": task_id, "inputResponses": {key: answer}}
        )
        await db(work, FakeWorld(run=asks))
        done = await until(client, task_id, "completed")

    assert asked["status"] == still["status"] == "input_required"
    assert (question["method"], question["params"]["message"]) == (
        "elicitation/create", "Which colour?",
    )  # fmt: skip
    assert ignored["result"]["resultType"] == acked["result"]["resultType"] == "complete"
    assert "blue" in done["result"]["structuredContent"]["answer"]


async def test_cancelling_through_the_extension_cancels_the_task_and_again_changes_nothing(http):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)

    async with http(tenant.key) as client:
        acks = [await call(client, "tasks/cancel", {"taskId": task_id}) for _ in range(2)]
        task = (await call(client, "tasks/get", {"taskId": task_id}))["result"]

    assert [ack["result"]["resultType"] for ack in acks] == ["complete", "complete"]
    assert task["status"] == "cancelled"
    assert "result" not in task


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_unknown_foreign_and_malformed_tasks_are_refused_alike(http, method):
    ours, stranger = await db(make_tenant), await db(make_tenant)
    task_id = await db(submit, ours.workspace_id)
    told = []

    async with http(stranger.key) as client:
        for name in (NOBODY, task_id, "nonsense"):
            error = (await call(client, method, {"taskId": name}))["error"]
            told.append((error["code"], error["message"].replace(name, "ID")))

    assert set(told) == {(-32602, "There is no task 'ID'.")}
    assert (await db(Task.objects.get)).status == "queued"


async def test_the_extension_is_for_those_who_declare_it_and_mean_one_task(http):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)
    goal = {"name": "submit_task", "arguments": {"goal": "x"}}

    async with http(tenant.key) as client:
        undeclared = await call(client, "tasks/get", {"taskId": task_id}, extensions={})
        plain = await call(client, "tools/call", goal, extensions={})
        mismatched = await call(
            client, "tasks/get", {"taskId": task_id}, headers={"Mcp-Name": NOBODY}
        )
        refused = await call(client, "tools/call", {"name": "submit_task", "arguments": {}})

    assert undeclared["error"]["code"] == -32021
    assert EXTENSION in undeclared["error"]["data"]["requiredCapabilities"]["extensions"]
    assert plain["result"]["structuredContent"]["status"] == "queued"
    assert mismatched["error"]["code"] == -32020
    assert refused["result"]["isError"] is True


async def test_the_extensions_methods_need_their_scopes(http):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)
    key = await db(make_key, tenant.slug, ["tasks:read"])

    async with http(key) as client:
        got = await call(client, "tasks/get", {"taskId": task_id})
        cancelled = await call(client, "tasks/cancel", {"taskId": task_id})

    assert got["result"]["status"] == "working"
    assert "tasks:write" in cancelled["error"]["message"]
    assert (await db(Task.objects.get)).cancel_requested_at is None
