"""The site's own paths, through the whole application."""

import pytest

from loomsite.access.bridge import db
from tests.factories.access import make_key, make_tenant
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("path", ["/health/live", "/health/live/"])
async def test_a_living_process_says_so(http, path):
    async with http() as client:
        response = await client.get(path)

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_process_with_its_services_is_ready(http):
    async with http() as client:
        response = await client.get("/health/ready")

    assert response.json() == {"status": "ok", "database": "ok", "redis": "ok"}


async def test_without_redis_a_process_is_ready_and_says_what_it_lacks(http, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    async with http() as client:
        response = await client.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {"status": "degraded", "database": "ok", "redis": "unreachable"}


async def test_the_metrics_count_tasks_and_workers_and_name_nobody(http):
    tenant = await db(make_tenant)
    await db(lambda: tenant.client().post("/api/v1/tasks", {"goal": "x"}, format="json"))

    async with http() as client:
        responses = [await client.get(path) for path in ("/metrics", "/metrics/")]

    assert [response.status_code for response in responses] == [200, 200]
    assert 'loom_tasks{status="queued"} 1\n' in responses[0].text
    assert "loom_workers 0\n" in responses[0].text
    assert tenant.slug not in responses[0].text


@pytest.mark.parametrize(("path", "leads"), [("/", "/admin/"), ("/api/v1/", "/api/docs")])
async def test_the_printed_addresses_lead_somewhere(http, path, leads):
    async with http() as client:
        response = await client.get(path)

    assert (response.status_code, response.headers["location"]) == (302, leads)


async def test_the_schema_names_every_resource_and_the_docs_need_no_other_site(http):
    async with http() as client:
        schema = await client.get("/api/schema?format=json")
        docs = await client.get("/api/docs/")

    paths = schema.json()["paths"]
    assert {"/api/v1/tasks", "/api/v1/tasks/{task_id}/cancel", "/api/v1/agents",
            "/api/v1/schedules", "/api/v1/keys", "/api/v1/search"} <= set(paths)  # fmt: skip
    assert {"key": []} in paths["/api/v1/tasks"]["get"]["security"]
    assert schema.json()["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert docs.status_code == 200
    assert 'src="http' not in docs.text
    assert 'href="http' not in docs.text


async def test_another_host_is_a_problem(http):
    async with http(Host="evil.example") as client:
        response = await client.get("/api/v1/tasks")

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_body_that_announces_too_much_is_413_before_it_is_read(http):
    tenant = await db(make_tenant)

    async with http(tenant.key) as client:
        response = await client.post(
            "/api/v1/tasks", content=b"{}", headers={"Content-Length": "99999999999"}
        )

    assert (response.status_code, response.json()["code"]) == (413, "access.body_too_large")


async def test_a_body_that_grows_too_large_is_413(http):
    tenant = await db(make_tenant)

    async def endless():
        for _ in range(40):
            yield b"x" * 1_000_000

    async with http(tenant.key) as client:
        response = await client.post("/api/v1/tasks", content=endless())

    assert (response.status_code, response.json()["code"]) == (413, "access.body_too_large")


@requirement("http.routes")
async def test_every_path_of_the_site_leads_somewhere(http):
    tenant = await db(make_tenant)
    paths = ["/admin/login/", "/api/v1/tasks", "/api/schema", "/api/docs", "/v1/models",
             "/health/live", "/health/ready", "/metrics"]  # fmt: skip

    async with http(tenant.key) as client:
        answers = {path: (await client.get(path)).status_code for path in paths}
        said = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        mcp = await client.post("/mcp", json=said)
        chat = await client.post("/v1/chat/completions", json={})
        nowhere = await client.get("/api/v1/nowhere")

    assert answers == dict.fromkeys(paths, 200)
    assert mcp.status_code not in {401, 404, 405}
    assert (chat.status_code, nowhere.status_code) == (400, 404)


async def test_from_another_machine_the_metrics_need_an_admins_key(http):
    tenant = await db(make_tenant)
    reader = await db(make_key, tenant.slug, ["tasks:read"])
    away = {"X-Forwarded-For": "203.0.113.7"}

    async with http(**away) as client:
        nobody = await client.get("/metrics")
    async with http(reader, **away) as client:
        underscoped = await client.get("/metrics")
    async with http(tenant.key, **away) as client:
        admin = await client.get("/metrics")

    assert (nobody.status_code, nobody.json()["code"]) == (401, "access.not_authenticated")
    assert (underscoped.status_code, admin.status_code) == (401, 200)
