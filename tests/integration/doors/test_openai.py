"""The OpenAI-compatible door without a worker: models, scopes, and each mistake in its shape."""

import asyncio

import pytest

from agents.services.agents import agent_create
from cluster.api import chat
from cluster.models import Task
from cluster.services.tasks import task_cancel
from loomsite.access.bridge import db
from tests.factories.access import make_key, make_tenant
from tests.processes import poll
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "Name the moons of Mars."}


async def tenant_with(*agents):
    tenant = await db(make_tenant)
    for slug in agents:
        await db(agent_create, workspace_id=tenant.workspace_id, slug=slug, name=slug)
    return tenant


def error_of(response):
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "Traceback" not in response.text
    return response.status_code, error["type"], error["code"]


async def test_the_models_are_the_cluster_and_each_agent(http):
    tenant, _ = await tenant_with("writer", "coder"), await tenant_with("stranger")

    async with http(tenant.key) as client:
        listed = (await client.get("/v1/models/")).json()
        one = (await client.get("/v1/models/writer")).json()
        foreign = await client.get("/v1/models/stranger")

    assert listed["object"] == "list"
    assert [row["id"] for row in listed["data"]] == ["loom-cluster", "coder", "writer"]
    assert one in listed["data"]
    assert set(one) == {"id", "object", "created", "owned_by"}
    assert error_of(foreign) == (404, "invalid_request_error", "model_not_found")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "stranger", "messages": [USER]}, (404, "model_not_found", "model")),
        ({"model": "x" * 99, "messages": [USER]}, (400, "cluster.task_invalid", "model")),
        ({"model": "loom-cluster"}, (400, "cluster.chat_invalid", "messages")),
        (
            {"model": "loom-cluster", "messages": [{"role": "user", "content": " "}]},
            (400, "cluster.goal_invalid", "messages"),
        ),
        (
            {"model": "loom-cluster", "messages": [USER], "metadata": {"session_id": 7}},
            (400, "cluster.task_invalid", "metadata.session_id"),
        ),
        (b"{", (400, "parse_error", None)),
        (b"\xff", (400, "parse_error", None)),
        (b'["a"]', (400, "cluster.chat_invalid", None)),
        (b'{"model": "a\\u0000"}', (400, "access.input_invalid", "body")),
    ],
)
@requirement("bad_days.bad_input")
async def test_a_mistake_is_an_error_in_openais_shape_and_no_task(http, body, expected):
    tenant = await tenant_with("writer")

    async with http(tenant.key) as client:
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        response = await client.post(CHAT, **sent)

    status, kind, code = error_of(response)
    assert (status, code, response.json()["error"]["param"] or None) == expected
    assert kind == "invalid_request_error"
    assert await db(Task.objects.count) == 0


async def test_keys_and_their_scopes_decide(http):
    tenant = await tenant_with()
    reader = await db(make_key, tenant.slug, ["agents:read"])
    body = {"model": "loom-cluster", "messages": [USER]}

    async with http() as client:
        assert error_of(await client.get("/v1/models"))[::2] == (401, "invalid_api_key")
        assert error_of(await client.post(CHAT, json=body))[0] == 401
    async with http(reader) as client:
        assert (await client.get("/v1/models")).status_code == 200
        assert error_of(await client.post(CHAT, json=body)) == (
            403,
            "permission_error",
            "access.scope_missing",
        )
        assert error_of(await client.get(CHAT))[0] == 405
        assert error_of(await client.get("/v1/embeddings"))[::2] == (404, "not_found")


async def test_a_task_that_ends_badly_is_an_error_that_no_client_repeats(http):
    tenant = await tenant_with()

    async with http(tenant.key) as client:
        asking = asyncio.create_task(
            client.post(CHAT, json={"model": "loom-cluster", "messages": [USER]})
        )
        task_id = await db(_only_task)
        where = {"workspace_id": tenant.workspace_id, "task_id": task_id}
        await db(task_cancel, **where, actor="test")
        response = await asking

    assert error_of(response) == (409, "invalid_request_error", "cluster.cancelled")
    assert response.headers["x-should-retry"] == "false"
    assert response.headers[chat.TASK_HEADER] == task_id


async def test_the_same_idempotency_key_submits_one_task(http):
    tenant = await tenant_with()
    body = {"model": "loom-cluster", "messages": [USER], "stream": True}

    async with http(tenant.key, **{"Idempotency-Key": "k"}) as client:
        both = asyncio.gather(client.post(CHAT, json=body), client.post(CHAT, json=body))
        task_id = await db(_only_task)
        where = {"workspace_id": tenant.workspace_id, "task_id": task_id}
        await db(task_cancel, **where, actor="test")
        answers = await both

    assert {answer.headers[chat.TASK_HEADER] for answer in answers} == {task_id}
    assert await db(Task.objects.count) == 1


def _only_task():
    return str(poll(Task.objects.first).pk)
