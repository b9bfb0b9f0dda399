"""What an assistant reads over MCP: resources, prompts, completions, and results that are cut."""

import json

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from agents.models import Skill
from cluster.models import Task
from loomsite.access.bridge import db
from loomsite.access.models import AuditEntry
from tests.factories.access import make_key, make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, answered, submit, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = "00000000-0000-4000-8000-000000000000"
LONG = "".join(f"Line {number} says something.\n" for number in range(3_000))


def finished(tenant, answer="Phobos and Deimos."):
    task_id = submit(tenant.workspace_id)
    work(FakeWorld(run=lambda _view, _step: answered(answer)))
    return task_id


def make_skill(tenant, **fields):
    values = {"name": "cite", "description": "Cites.", "instructions": "Cite it.", **fields}
    return Skill.objects.create(workspace_id=tenant.workspace_id, state="active", **values)


async def read(client, uri):
    (content,) = (await client.read_resource(uri)).contents
    return content


@requirement("mcp.resources")
async def test_a_task_is_read_whole_and_in_parts(assistant):
    tenant = await db(make_tenant)
    task_id = await db(finished, tenant)

    async with assistant(tenant.key) as client:
        task = json.loads((await read(client, f"task://{task_id}")).text)
        result = await read(client, f"task://{task_id}/result")
        events = json.loads((await read(client, f"task://{task_id}/events")).text)["events"]
        status = json.loads((await read(client, "cluster://status")).text)

    assert (task["id"], task["status"]) == (task_id, "succeeded")
    assert (result.text, result.mime_type) == ("Phobos and Deimos.", "text/plain")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert status["tasks"]["succeeded"] == 1


@requirement("mcp.resources")
async def test_agents_skills_and_documents_are_read_by_name_and_id(assistant):
    tenant = await db(make_tenant)
    await db(make_agent, tenant.workspace_id, slug="reader", name="Reader")
    await db(make_skill, tenant)
    text = "Phobos is a moon of Mars."

    async with assistant(tenant.key) as client:
        added = await client.call_tool(
            "add_knowledge", {"collection": "space", "title": "Mars", "text": text}
        )
        agent = json.loads((await read(client, "agent://reader")).text)
        skill = await read(client, "skill://cite")
        document = await read(client, f"knowledge://{added.structured_content['document_id']}")

    assert agent["slug"] == "reader"
    assert "Cite it." in skill.text
    assert document.text == text


@pytest.mark.parametrize(
    "address",
    ["task://{}", "task://{}/result", "task://{}/events", "knowledge://{}", "agent://{}"],
)
async def test_what_is_missing_foreign_or_malformed_reads_the_same(modern, address):
    ours, stranger = await db(make_tenant), await db(make_tenant)
    task_id = await db(finished, ours)
    await db(make_agent, ours.workspace_id, slug="reader")
    names = [NOBODY, "nonsense", "reader" if "agent" in address else task_id]
    told = []

    async with modern(stranger.key) as client:
        for name in names:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(address.format(name))
            error = refused.value.error
            told.append((error.code, error.message.replace(name, NOBODY), sorted(error.data)))

    assert len({code for code, _, _ in told}) == 1
    assert told[0] == told[2]
    assert told[0][0] == -32602
    assert all("Traceback" not in message for _, message, _ in told)


@pytest.mark.parametrize(
    ("uri", "scope"),
    [("task://x", "tasks:read"), ("cluster://status", "tasks:read"), ("agent://x", "agents:read"),
     ("skill://x", "agents:read"), ("knowledge://x", "knowledge:read")],
)  # fmt: skip
async def test_each_resource_needs_its_scope(modern, uri, scope):
    tenant = await db(make_tenant)
    key = await db(make_key, tenant.slug, ["memory:read"])

    async with modern(key) as client:
        with pytest.raises(MCPError, match=scope):
            await client.read_resource(uri)


async def test_an_answer_that_is_not_there_yet_is_said_so(modern):
    tenant = await db(make_tenant)
    task_id = await db(submit, tenant.workspace_id)

    async with modern(tenant.key) as client:
        with pytest.raises(MCPError, match="no answer yet"):
            await client.read_resource(f"task://{task_id}/result")


@requirement("mcp.prompts")
async def test_the_prompts_are_there_and_carry_their_arguments(assistant):
    tenant = await db(make_tenant)
    given = {
        "delegate": {"goal": "Name the moons", "agent": "reader"},
        "research": {"question": "Which moons?", "collection": "space"},
        "review_task": {"task_id": NOBODY},
        "triage_failures": {"limit": "7"},
    }

    async with assistant(tenant.key) as client:
        listed = (await client.list_prompts()).prompts
        shown = {
            name: (await client.get_prompt(name, arguments)).messages[0].content.text
            for name, arguments in given.items()
        }

    assert {prompt.name for prompt in listed} == set(given)
    assert all(prompt.description and prompt.title for prompt in listed)
    for name, arguments in given.items():
        assert all(value in shown[name] for value in arguments.values())


async def test_ids_and_slugs_are_completed_from_ones_own_workspace(assistant):
    ours, stranger = await db(make_tenant), await db(make_tenant)
    task_id = await db(submit, ours.workspace_id)
    for tenant, slug in ((ours, "reader"), (ours, "writer"), (stranger, "reaper")):
        await db(make_agent, tenant.workspace_id, slug=slug)
    await db(make_skill, ours)
    template = ResourceTemplateReference(type="ref/resource", uri="agent://{slug}")
    task = ResourceTemplateReference(type="ref/resource", uri="task://{id}")
    skill = ResourceTemplateReference(type="ref/resource", uri="skill://{name}")
    prompt = PromptReference(type="ref/prompt", name="review_task")

    async def completed(client, ref, name, value):
        found = await client.complete(ref, {"name": name, "value": value})
        return found.completion.values

    async with assistant(ours.key) as client:
        found = [
            await completed(client, template, "slug", "re"),
            await completed(client, task, "id", task_id[:4]),
            await completed(client, skill, "name", ""),
            await completed(client, prompt, "task_id", ""),
            await completed(client, prompt, "nonsense", "x"),
        ]

    assert found == [["reader"], [task_id], ["cite"], [task_id], []]


async def test_a_long_answer_is_cut_and_linked_to_as_a_whole(assistant):
    tenant = await db(make_tenant)
    task_id = await db(finished, tenant, LONG)
    uri = f"task://{task_id}/result"

    async with assistant(tenant.key) as client:
        got = await client.call_tool("get_task", {"task_id": task_id, "detail": True})
        whole = await read(client, uri)

    text, link = got.content
    assert len(text.text) < 22_000
    assert (link.type, str(link.uri)) == ("resource_link", uri)
    assert got.structured_content["truncated"] is True
    assert LONG.startswith(got.structured_content["answer"])
    assert whole.text == LONG.strip() or whole.text == LONG


async def test_many_passages_are_cut_and_their_documents_linked_to(modern):
    tenant = await db(make_tenant)

    async with modern(tenant.key) as client:
        for number in range(12):
            parts = (f"Moon {number}, part {part}. " + "Rock " * 300 for part in range(4))
            text = "\n\n".join(parts)
            await client.call_tool(
                "add_knowledge", {"collection": "moons", "title": f"Moon {number}", "text": text}
            )
        found = await client.call_tool("search_knowledge", {"query": "moon rock", "limit": 50})

    assert len(found.content[0].text) < 22_000
    assert found.structured_content["truncated"] is True
    assert {block.type for block in found.content[1:]} == {"resource_link"}


async def test_each_call_leaves_a_row_in_the_audit_that_says_who_and_what(assistant):
    tenant = await db(make_tenant)

    async with assistant(tenant.key) as client:
        await client.call_tool("submit_task", {"goal": "A secret goal"})
        await client.call_tool("get_task", {"task_id": NOBODY})
        await client.read_resource("cluster://status")
        with pytest.raises(MCPError):
            await client.read_resource(f"task://{NOBODY}")

    rows = await db(lambda: list(AuditEntry.objects.filter(door="mcp").order_by("id")))
    assert [(row.action, row.target, row.detail["outcome"]) for row in rows] == [
        ("tools/call", "submit_task", "ok"),
        ("tools/call", "get_task", "refused"),
        ("resources/read", "cluster://status", "ok"),
        ("resources/read", f"task://{NOBODY}", "error -32602"),
    ]
    assert {(str(row.workspace_id), row.actor.split(":")[0]) for row in rows} == {
        (tenant.workspace_id, "key")
    }
    assert rows[1].detail["task_id"] == NOBODY
    assert "secret" not in json.dumps([row.detail for row in rows])
    assert await db(Task.objects.count) == 1
