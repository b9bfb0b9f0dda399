"""MCP over the real ASGI application: the same tasks as REST, and errors a model can act on."""

import json

import pytest
from mcp.shared.exceptions import MCPError

from cluster.models import Reward, Task
from cluster.services.tasks import task_submit
from loomsite.access.bridge import db
from loomsite.access.models import ApiKey
from tests.factories.access import make_key, make_tenant
from tests.factories.cluster import FakeWorld, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = "00000000-0000-4000-8000-000000000000"


def submit(tenant, goal="Name the moons of Mars.", **fields):
    task_id, _ = task_submit(
        workspace_id=tenant.workspace_id, actor="test", door="test", goal=goal, **fields
    )
    return task_id


def text_of(result):
    return "".join(part.text for part in result.content)


def problem_of(response):
    assert response.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in response.text
    return response.status_code, response.json()["code"]


async def test_the_tools_are_those_promised_with_explicit_annotations(assistant):
    tenant = await db(make_tenant)

    async with assistant(tenant.key) as client:
        tools = (await client.list_tools()).tools

    assert {tool.name for tool in tools} >= {
        "submit_task", "get_task", "list_tasks", "cancel_task", "reply_task", "list_agents",
        "ask_agent", "search_knowledge", "add_knowledge", "give_feedback", "recall", "remember",
        "schedule_task",
    }  # fmt: skip
    hints = [
        hint
        for tool in tools
        for hint in (tool.annotations.read_only_hint, tool.annotations.destructive_hint,
                     tool.annotations.idempotent_hint, tool.annotations.open_world_hint)
    ]  # fmt: skip
    assert None not in hints
    assert all(tool.output_schema and tool.description and tool.title for tool in tools)
    shown = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    listing = json.dumps(shown, separators=(",", ":"))
    assert len(listing) <= 12_000


@requirement("mcp.tasks")
async def test_a_task_is_submitted_followed_listed_and_cancelled(assistant):
    tenant = await db(make_tenant)

    async with assistant(tenant.key) as client:
        submitted = await client.call_tool(
            "submit_task", {"goal": "Name the moons.", "metadata": {"ref": 1}}
        )
        task_id = submitted.structured_content["task_id"]
        got = await client.call_tool("get_task", {"task_id": task_id, "detail": True})
        listed = await client.call_tool("list_tasks", {})
        cancelled = await client.call_tool("cancel_task", {"task_id": task_id})

    assert submitted.structured_content["status"] == "queued"
    assert (got.structured_content["id"], got.structured_content["metadata"]) == (
        task_id,
        {"ref": 1},
    )
    assert [event["seq"] for event in got.structured_content["events"]] == [1]
    assert json.loads(text_of(got)) == got.structured_content
    assert [task["id"] for task in listed.structured_content["tasks"]] == [task_id]
    assert cancelled.structured_content["status"] == "cancelled"


@requirement("http.task_object")
async def test_a_task_is_the_same_object_over_rest_and_mcp(assistant, http):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant)

    async with assistant(tenant.key) as client:
        over_mcp = (await client.call_tool("get_task", {"task_id": task_id})).structured_content
    async with http(tenant.key) as client:
        over_rest = (await client.get(f"/api/v1/tasks/{task_id}")).json()

    assert {name: over_mcp[name] for name in over_rest if name in over_mcp} == over_rest


async def test_waiting_for_a_task_that_has_ended_returns_at_once(assistant):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant)

    async with assistant(tenant.key) as client:
        await client.call_tool("cancel_task", {"task_id": task_id})
        got = await client.call_tool("get_task", {"task_id": task_id, "wait_s": 25})

    assert got.structured_content["status"] == "cancelled"
    assert got.structured_content["poll_after_s"] is None


@requirement("mcp.feedback_and_schedules")
async def test_an_answer_is_judged(assistant):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant)
    await db(work, FakeWorld())

    async with assistant(tenant.key) as client:
        judged = await client.call_tool(
            "give_feedback", {"task_id": task_id, "score": 0.75, "comment": "Good."}
        )

    rows = await db(lambda: list(Reward.objects.filter(source__startswith="key:")))
    assert judged.structured_content["status"] == "succeeded"
    assert [(row.score, row.comment) for row in rows] == [(0.75, "Good.")]


async def test_lists_are_paged_inside_the_tool(assistant):
    tenant = await db(make_tenant)
    ids = [await db(submit, tenant, f"goal {number}") for number in range(3)]
    seen, cursor = [], None

    async with assistant(tenant.key) as client:
        while True:
            page = await client.call_tool("list_tasks", {"limit": 2, "cursor": cursor})
            seen += [task["id"] for task in page.structured_content["tasks"]]
            cursor = page.structured_content["next_cursor"]
            if cursor is None:
                break

    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("submit_task", {}, "goal"),
        ("submit_task", {"goal": ""}, "empty"),
        ("submit_task", {"goal": 5}, "goal"),
        ("submit_task", {"goal": "a\x00b"}, "null"),
        ("submit_task", {"goal": "x" * 100_001}, "100,000"),
        ("submit_task", {"goal": "x", "agent": "nobody"}, "nobody"),
        ("submit_task", {"goal": "x", "budget_usd": -1}, "budget_usd"),
        ("submit_task", {"goal": "x", "checks": [{"kind": "nonsense"}]}, "nonsense"),
        ("get_task", {"task_id": "x"}, "There is no task"),
        ("get_task", {"task_id": NOBODY}, "There is no task"),
        ("get_task", {"task_id": NOBODY, "wait_s": 26}, "25"),
        ("get_task", {"task_id": NOBODY, "wait_s": -1}, "wait_s"),
        ("list_tasks", {"status": "nonsense"}, "queued"),
        ("list_tasks", {"cursor": "x"}, "cursor"),
        ("list_tasks", {"limit": 0}, "limit"),
        ("list_tasks", {"limit": 101}, "limit"),
        ("list_agents", {"cursor": "x"}, "cursor"),
        ("cancel_task", {"task_id": NOBODY}, "There is no task"),
        ("give_feedback", {"task_id": NOBODY, "score": 2}, "score"),
        ("give_feedback", {"task_id": NOBODY, "score": 1}, "There is no task"),
        ("reply_task", {"task_id": NOBODY, "text": "yes"}, "There is no task"),
        ("search_knowledge", {"query": "a\x00"}, "null"),
        ("search_knowledge", {"query": "x", "collection": "none"}, "none"),
        ("add_knowledge", {"collection": "../x", "title": "t", "text": "x"}, "collection"),
        ("schedule_task", {"goal": "x"}, "one of"),
        ("schedule_task", {"goal": "x", "cron": "0 7 * * 1", "every_s": 5}, "one of"),
        ("schedule_task", {"goal": "x", "cron": "weekly"}, "five fields"),
        ("schedule_task", {"goal": "", "every_s": 5}, "empty"),
        ("recall", {"query": "x", "scope": "everything"}, "scope"),
        ("remember", {"text": ""}, "text"),
        ("remember", {"text": "x", "importance": 2}, "importance"),
        ("no_such_tool", {}, "no_such_tool"),
    ],
)
async def test_a_call_that_makes_no_sense_is_told_to_the_model(modern, tool, arguments, said):
    tenant = await db(make_tenant)

    async with modern(tenant.key) as client:
        result = await client.call_tool(tool, arguments)

    assert result.is_error
    assert said in text_of(result)
    assert "Traceback" not in text_of(result)
    assert await db(Task.objects.count) == 0


async def test_a_foreign_task_is_like_a_missing_one_to_every_tool(assistant):
    ours, stranger = await db(make_tenant), await db(make_tenant)
    task_id = await db(submit, ours)
    calls = [
        ("get_task", {}),
        ("cancel_task", {}),
        ("give_feedback", {"score": 1}),
        ("reply_task", {"text": "yes"}),
        ("reply_task", {"text": "yes", "request_id": NOBODY}),
    ]

    async with assistant(stranger.key) as client:
        foreign = [
            await client.call_tool(name, {"task_id": task_id, **more}) for name, more in calls
        ]
        missing = [
            await client.call_tool(name, {"task_id": NOBODY, **more}) for name, more in calls
        ]
        listed = await client.call_tool("list_tasks", {})

    assert all(result.is_error for result in foreign)
    assert [text_of(result).replace(task_id, NOBODY) for result in foreign] == [
        text_of(result) for result in missing
    ]
    assert listed.structured_content["tasks"] == []
    assert (await db(Task.objects.get, id=task_id)).status == "queued"


@pytest.mark.parametrize(
    ("tool", "arguments", "scope"),
    [("submit_task", {"goal": "x"}, "tasks:write"), ("list_tasks", {}, "tasks:read"),
     ("get_task", {"task_id": NOBODY}, "tasks:read"), ("list_agents", {}, "agents:read"),
     ("search_knowledge", {"query": "x"}, "knowledge:read"),
     ("add_knowledge", {"collection": "c", "title": "t", "text": "x"}, "knowledge:write"),
     ("remember", {"text": "x"}, "memory:write"),
     ("schedule_task", {"goal": "x", "every_s": 5}, "tasks:write")],
)  # fmt: skip
async def test_each_tool_needs_its_scope(modern, tool, arguments, scope):
    tenant = await db(make_tenant)
    key = await db(make_key, tenant.slug, ["memory:read"])

    async with modern(key) as client:
        result = await client.call_tool(tool, arguments)

    assert result.is_error
    assert scope in text_of(result)


@requirement("mcp.memory")
async def test_what_is_remembered_is_recalled_in_its_workspace_alone(assistant):
    tenant, stranger = await db(make_tenant), await db(make_tenant)

    async with assistant(tenant.key) as client:
        kept = await client.call_tool("remember", {"text": "Ada prefers metric units."})
        found = await client.call_tool("recall", {"query": "which units does Ada prefer"})
    async with assistant(stranger.key) as client:
        theirs = await client.call_tool("recall", {"query": "which units does Ada prefer"})

    (memory,) = found.structured_content["memories"]
    assert memory["id"] == kept.structured_content["memory_id"]
    assert memory["text"] == "Ada prefers metric units."
    assert theirs.structured_content["memories"] == []


@requirement("mcp.feedback_and_schedules")
@pytest.mark.parametrize(
    "times",
    [{"cron": "0 7 * * 1", "timezone": "Europe/Berlin"}, {"at": "2100-01-01T00:00:00+00:00"},
     {"every_s": 3600}],
)  # fmt: skip
async def test_a_goal_is_scheduled_by_cron_time_or_interval(modern, times):
    tenant = await db(make_tenant)

    async with modern(tenant.key) as client:
        result = await client.call_tool("schedule_task", {"goal": "Sum up the week.", **times})

    assert not result.is_error, text_of(result)
    assert result.structured_content["next_at"] is not None


@requirement("mcp.agents")
async def test_agents_are_listed_with_what_they_are_good_at(assistant):
    tenant = await db(make_tenant)
    await db(
        lambda: tenant.client().post(
            "/api/v1/agents",
            {"slug": "reader", "name": "Reader", "description": "Reads."},
            format="json",
        )
    )

    async with assistant(tenant.key) as client:
        found = await client.call_tool("list_agents", {"query": "READ"})

    assert found.structured_content == {
        "agents": [{"slug": "reader", "name": "Reader", "description": "Reads."}],
        "next_cursor": None,
    }


@requirement("mcp.knowledge")
async def test_added_knowledge_is_found_with_its_place_in_the_document(assistant):
    tenant, stranger = await db(make_tenant), await db(make_tenant)
    text = "Phobos and Deimos are the moons of Mars."

    async with assistant(tenant.key) as client:
        added = await client.call_tool(
            "add_knowledge", {"collection": "space", "title": "Mars", "text": text}
        )
        found = await client.call_tool("search_knowledge", {"query": "moons of Mars"})
    async with assistant(stranger.key) as client:
        theirs = await client.call_tool("search_knowledge", {"query": "moons of Mars"})

    (hit,) = found.structured_content["hits"]
    assert hit["document_id"] == added.structured_content["document_id"]
    assert text[hit["start"] : hit["end"]] == hit["text"]
    assert theirs.structured_content["hits"] == []


@pytest.mark.parametrize("state", ["missing", "unknown", "revoked", "expired", "malformed"])
async def test_without_a_good_key_the_answer_is_401_and_where_to_learn_more(http, state):
    tenant = await db(make_tenant)
    if state == "revoked":
        await db(lambda: ApiKey.objects.update(revoked_at="2026-01-01T00:00:00Z"))
    if state == "expired":
        await db(lambda: ApiKey.objects.update(expires_at="2026-01-01T00:00:00Z"))
    key = {
        "missing": None,
        "unknown": f"lk_{'0' * 12}_{'0' * 64}",
        "revoked": tenant.key,
        "expired": tenant.key,
        "malformed": "nonsense",
    }[state]

    async with http(key) as client:
        response = await client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        where = response.headers["www-authenticate"].split('resource_metadata="')[1].split('"')[0]
        metadata = (await client.get(where)).json()

    assert problem_of(response) == (401, "access.not_authenticated")
    assert metadata["resource"] == "http://127.0.0.1:8000/mcp"
    assert "tasks:read" in metadata["scopes_supported"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "x y"]
)
async def test_a_host_that_is_not_ours_is_refused(http, host):
    tenant = await db(make_tenant)

    async with http(tenant.key, Host=host) as client:
        response = await client.post("/mcp", json={})

    assert problem_of(response) == (421, "host_refused")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1.evil.example", "file://", "http://["],
)
async def test_a_page_of_another_site_is_refused(http, origin):
    tenant = await db(make_tenant)

    async with http(tenant.key, Origin=origin) as client:
        response = await client.post("/mcp", json={})

    assert problem_of(response) == (403, "origin_refused")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://localhost:6274"])
async def test_a_page_of_this_machine_is_not_refused(http, origin):
    tenant = await db(make_tenant)
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    headers = {"Origin": origin, "Accept": "application/json, text/event-stream"}

    async with http(tenant.key, **headers) as client:
        response = await client.post("/mcp", json=ping)

    assert response.status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[]", b'"x"', b"null", b'{"jsonrpc": 1}']
)
async def test_a_garbage_frame_is_a_client_error(http, body):
    tenant = await db(make_tenant)
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

    async with http(tenant.key, **headers) as client:
        response = await client.post("/mcp", content=body)

    assert 400 <= response.status_code < 500
    assert "Traceback" not in response.text


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "resources/read", "nonsense"])
async def test_a_call_before_initialisation_is_an_error_of_the_protocol(http, method):
    tenant = await db(make_tenant)
    headers = {"Accept": "application/json, text/event-stream", "Mcp-Method": method}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "list_tasks"}}

    async with http(tenant.key, **headers, **{"MCP-Protocol-Version": "2026-07-28"}) as client:
        response = await client.post("/mcp", json=body)

    assert 400 <= response.status_code < 500
    assert response.json()["error"]["code"] < 0
    assert "Traceback" not in response.text


async def test_a_body_above_the_limit_is_413(http):
    tenant = await db(make_tenant)
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

    async with http(tenant.key, **headers) as client:
        response = await client.post("/mcp", content=b"x" * 5_000_000)

    assert response.status_code == 413


async def test_the_path_works_with_a_trailing_slash(http):
    tenant = await db(make_tenant)
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

    async with http(tenant.key, Accept="application/json, text/event-stream") as client:
        responses = [await client.post(path, json=ping) for path in ("/mcp", "/mcp/")]

    assert [response.status_code for response in responses] == [200, 200]


async def test_a_flood_is_429_and_says_when_to_come_back(http, settings):
    settings.LOOM_REQUESTS_PER_MINUTE = 1
    tenant = await db(make_tenant)
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

    async with http(tenant.key, Accept="application/json, text/event-stream") as client:
        responses = [await client.post("/mcp", json=ping) for _ in range(2)]

    assert [response.status_code for response in responses] == [200, 429]
    assert problem_of(responses[1]) == (429, "access.rate_limited")
    assert 1 <= int(responses[1].headers["retry-after"]) <= 60


async def test_without_auth_this_machine_is_served_only_where_the_flag_says_so(http, settings):
    await db(make_tenant, "default")
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}

    async with http(**accept) as client:
        closed = await client.post("/mcp", json=ping)
        settings.LOOM_MCP_NO_AUTH = True
        opened = await client.post("/mcp", json=ping)
        forwarded = await client.post("/mcp", json=ping, headers={"X-Forwarded-For": "10.0.0.1"})

    assert [closed.status_code, opened.status_code, forwarded.status_code] == [401, 200, 401]


async def test_a_crash_tells_the_model_no_more_than_which_tool(assistant, monkeypatch, caplog):
    tenant = await db(make_tenant)
    monkeypatch.setattr("cluster.selectors.tasks.LIMIT_MAX", "not a number")

    async with assistant(tenant.key) as client:
        result = await client.call_tool("list_tasks", {})

    assert result.is_error
    assert text_of(result) == "Error executing tool list_tasks"


async def test_values_that_cannot_be_kept_are_refused_outside_of_tools_too(assistant):
    tenant = await db(make_tenant)

    async with assistant(tenant.key) as client:
        with pytest.raises(MCPError, match="null"):
            await client.read_resource("task://a\x00b")
