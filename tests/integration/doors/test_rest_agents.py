"""Agents over REST."""

import pytest

from agents.models import Agent
from tests.factories.access import client_with, make_key, make_tenant
from tests.integration.doors.test_rest_tasks import NOBODY, problem_of

pytestmark = pytest.mark.django_db
AGENTS = "/api/v1/agents"
CATALOGUE = ["endpoints", "mcp-connections", "scenes", "skills"]


def made(tenant, slug="reader", **fields):
    body = {"slug": slug, "name": slug.title(), **fields}
    response = tenant.client().post(AGENTS, body, format="json")
    assert response.status_code == 201, response.content
    return response.json()


def test_an_agent_is_made_and_found_by_id_and_slug():
    tenant = make_tenant()

    agent = made(tenant, description="Reads.")

    assert tenant.client().get(f"{AGENTS}/{agent['id']}").json() == agent
    assert tenant.client().get(f"{AGENTS}/reader/").json() == agent
    assert (agent["version"], agent["description"]) == (1, "Reads.")


def test_changing_what_an_agent_is_makes_a_version():
    tenant = make_tenant()
    made(tenant)

    changed = tenant.client().patch(f"{AGENTS}/reader", {"instructions": "Cite."}, format="json")

    assert (changed.json()["instructions"], changed.json()["version"]) == ("Cite.", 2)


def test_a_retired_agent_is_listed_no_more():
    tenant = make_tenant()
    made(tenant)

    deleted = tenant.client().delete(f"{AGENTS}/reader")

    assert deleted.status_code == 204
    assert tenant.client().get(AGENTS).json()["results"] == []


def test_a_slug_in_use_is_409():
    tenant = make_tenant()
    made(tenant)

    response = tenant.client().post(AGENTS, {"slug": "reader", "name": "x"}, format="json")

    assert problem_of(response)[0] == 409


@pytest.mark.parametrize(
    "body",
    [{}, {"slug": "a"}, {"slug": "A b", "name": "x"}, {"slug": 1, "name": "x"}, [],
     {"slug": "a", "name": "x", "surplus": 1}, {"slug": "a", "name": "x", "by": "root"},
     {"slug": "a", "name": "x", "workspace_id": NOBODY}, {"slug": "a", "name": "x", "tools": "all"},
     {"slug": "a", "name": "x", "max_steps": 0}, {"slug": "a", "name": "x", "budget_usd": -1},
     {"slug": "a", "name": "x", "temperature": "hot"}],
)  # fmt: skip
def test_an_agent_that_makes_no_sense_is_400_and_writes_nothing(body):
    response = make_tenant().client().post(AGENTS, body, format="json")

    assert problem_of(response)[0] == 400
    assert Agent.objects.count() == 0


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_a_foreign_agent_is_like_a_missing_one(method):
    ours, stranger = make_tenant(), make_tenant()
    agent_id = made(ours)["id"]

    foreign, missing = (
        getattr(stranger.client(), method)(f"{AGENTS}/{each}", {}, format="json")
        for each in (agent_id, NOBODY)
    )

    assert problem_of(foreign)[0] == 404
    assert foreign.content.replace(agent_id.encode(), b"") == missing.content.replace(
        NOBODY.encode(), b""
    )
    assert stranger.client().get(AGENTS).json()["results"] == []


def test_agents_are_found_by_words_and_paged():
    tenant = make_tenant()
    for slug in ("reader", "writer", "painter"):
        made(tenant, slug)

    found = tenant.client().get(AGENTS, {"query": "WRIT"}).json()["results"]
    first = tenant.client().get(AGENTS, {"limit": 2}).json()
    second = tenant.client().get(first["next"]).json()

    assert [row["slug"] for row in found] == ["writer"]
    assert [row["slug"] for row in first["results"] + second["results"]] == [
        "painter", "reader", "writer",
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_of_agents_costs_the_same_for_one_and_for_many(rows, django_assert_num_queries):
    tenant = make_tenant()
    for number in range(rows):
        made(tenant, f"agent-{number}")
    client = tenant.client()

    with django_assert_num_queries(2):
        client.get(AGENTS)


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_agents_are_made_of_is_listed_for_its_workspace(name):
    response = make_tenant().client().get(f"/api/v1/{name}")

    assert (response.status_code, response.json()) == (200, {"results": [], "next": None})


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", ""), ("patch", "/reader"), ("delete", "/reader")],
)
def test_writing_agents_needs_its_scope(method, path):
    tenant = make_tenant()
    made(tenant)
    client = client_with(make_key(tenant.slug, ["agents:read", "tasks:write"]))

    response = getattr(client, method)(f"{AGENTS}{path}", {}, format="json")

    assert problem_of(response) == (403, "access.scope_missing")


@pytest.mark.parametrize("path", ["agents", *CATALOGUE])
def test_reading_agents_needs_its_scope(path):
    tenant = make_tenant()
    client = client_with(make_key(tenant.slug, ["tasks:read", "agents:write"]))

    assert problem_of(client.get(f"/api/v1/{path}")) == (403, "access.scope_missing")
