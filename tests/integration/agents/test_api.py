"""Agents and what belongs to them over REST."""

import base64
import io
import zipfile

import pytest

from agents.models import Agent, Endpoint, MemoryEntry, Skill
from tests.factories.access import client_with, make_key, make_tenant
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture
def tenant():
    return make_tenant()


def problem_of(response):
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def test_an_agent_is_made_read_changed_and_retired(tenant):
    client = tenant.client()
    body = {"slug": "reader", "name": "Reader", "tools": ["search_knowledge"], "budget_usd": "0.5"}

    made = client.post(f"{API}/agents", body, format="json")
    by_slug = client.get(f"{API}/agents/reader").json()
    changed = client.patch(f"{API}/agents/reader", {"instructions": "Read."}, format="json").json()
    gone = client.delete(f"{API}/agents/reader")
    listed = client.get(f"{API}/agents").json()

    assert made.status_code == 201
    assert made.json() == by_slug
    assert (by_slug["version"], by_slug["budget_usd"]) == (1, "0.500000")
    assert (changed["version"], changed["instructions"]) == (2, "Read.")
    assert gone.status_code == 204
    assert listed == {"results": [], "next": None}


def test_agents_are_listed_in_pages_and_narrowed_by_words(tenant):
    client = tenant.client()
    for slug, description in (("a", "reads law"), ("b", "writes law"), ("c", "cooks")):
        body = {"slug": slug, "name": slug, "description": description}
        client.post(f"{API}/agents", body, format="json")

    first = client.get(f"{API}/agents?limit=2").json()
    second = client.get(first["next"]).json()
    law = client.get(f"{API}/agents?query=law").json()

    assert [row["slug"] for row in first["results"] + second["results"]] == ["a", "b", "c"]
    assert second["next"] is None
    assert [row["slug"] for row in law["results"]] == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"slug": "a"},
        {"slug": "A B", "name": "x"},
        {"slug": "a", "name": "x", "surprise": 1},
        {"slug": "a", "name": "x", "max_steps": 0},
        {"slug": "a", "name": "x", "max_steps": "many"},
        {"slug": "a", "name": "x", "tools": [1]},
        {"slug": "a", "name": "x\x00"},
        {"slug": "a", "name": 7},
        ["a"],
    ],
)
def test_a_body_that_cannot_be_is_a_problem_and_writes_nothing(tenant, body):
    response = tenant.client().post(f"{API}/agents", body, format="json")

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert not Agent.objects.exists()


def test_a_taken_slug_is_a_conflict(tenant):
    client = tenant.client()
    client.post(f"{API}/agents", {"slug": "a", "name": "A"}, format="json")

    again = client.post(f"{API}/agents", {"slug": "a", "name": "A"}, format="json")

    assert problem_of(again) == (409, "agents.slug_taken")


def test_another_workspaces_rows_answer_like_missing_ones(tenant):
    stranger = make_tenant().client()
    mine = tenant.client()
    mine.post(f"{API}/agents", {"slug": "reader", "name": "R"}, format="json")
    endpoint = mine.post(
        f"{API}/endpoints", {"slug": "e", "base_url": "https://example.org/v1"}, format="json"
    ).json()

    answers = [
        stranger.get(f"{API}/agents/reader"),
        stranger.patch(f"{API}/agents/reader", {"name": "x"}, format="json"),
        stranger.delete(f"{API}/agents/reader"),
        stranger.get(f"{API}/endpoints/{endpoint['id']}"),
        stranger.delete(f"{API}/endpoints/{endpoint['id']}"),
    ]

    assert {problem_of(answer) for answer in answers} == {(404, "agents.not_found")}
    assert stranger.get(f"{API}/agents").json()["results"] == []
    assert Endpoint.objects.filter(slug="e").exists()


def test_a_key_without_the_scope_is_refused(tenant):
    reader = client_with(make_key(tenant.slug, ["agents:read"]))

    answers = [
        reader.post(f"{API}/agents", {"slug": "a", "name": "A"}, format="json"),
        reader.post(f"{API}/endpoints", {}, format="json"),
        reader.post(f"{API}/budgets", {"limit_usd": "1"}, format="json"),
        reader.get(f"{API}/memories"),
    ]

    assert {problem_of(answer) for answer in answers} == {(403, "access.scope_missing")}
    assert reader.get(f"{API}/agents").status_code == 200


@requirement("secrets.at_rest")
def test_an_endpoints_secret_goes_in_and_never_out(tenant):
    client = tenant.client()
    body = {"slug": "e", "base_url": "https://example.org/v1", "secret": "sk-live-012345"}

    made = client.post(f"{API}/endpoints", body, format="json")
    listed = client.get(f"{API}/endpoints")

    assert made.status_code == 201
    assert made.json()["has_secret"] is True
    assert "sk-live" not in made.content.decode() + listed.content.decode()


def test_the_built_in_tools_are_listed_for_a_new_workspace(tenant):
    client = tenant.client()

    names = [row["name"] for row in client.get(f"{API}/tools").json()["results"]]
    switched = client.patch(f"{API}/tools/calculator", {"enabled": False}, format="json")
    after = {row["name"]: row["enabled"] for row in client.get(f"{API}/tools").json()["results"]}

    assert "search_knowledge" in names
    assert switched.status_code == 204
    assert after["calculator"] is False


def test_memories_are_kept_found_and_erased(tenant):
    client = tenant.client()

    made = client.post(f"{API}/memories", {"text": "The loom is oak."}, format="json").json()
    found = client.get(f"{API}/memories?query=wooden loom").json()["results"]
    erased = client.delete(f"{API}/memories/{made['id']}")

    assert [(hit["id"], hit["text"]) for hit in found] == [(made["id"], "The loom is oak.")]
    assert erased.status_code == 204
    assert not MemoryEntry.objects.exists()


def test_a_skill_is_imported_as_a_draft_and_activated(tenant):
    client = tenant.client()
    markdown = "---\nname: darning\ndescription: How to darn.\n---\nFollow the weft."

    made = client.post(f"{API}/skills", {"markdown": markdown}, format="json")
    activated = client.patch(f"{API}/skills/darning", {"state": "active"}, format="json")
    (row,) = client.get(f"{API}/skills").json()["results"]
    broken = client.post(f"{API}/skills", {"markdown": "no front matter"}, format="json")

    assert (made.status_code, activated.status_code) == (201, 204)
    assert (row["name"], row["state"]) == ("darning", "active")
    assert problem_of(broken) == (400, "access.input_invalid")


def test_budgets_are_set_listed_and_removed(tenant):
    client = tenant.client()

    made = client.post(
        f"{API}/budgets", {"limit_usd": "2.5", "period": "day"}, format="json"
    ).json()
    (row,) = client.get(f"{API}/budgets").json()["results"]
    removed = client.delete(f"{API}/budgets/{made['id']}")

    assert (row["scope"], row["limit_usd"], row["spent_usd"]) == (
        "workspace",
        "2.500000",
        "0.000000",
    )
    assert removed.status_code == 204
    assert client.get(f"{API}/budgets").json()["results"] == []


@pytest.mark.parametrize(
    "path",
    ["approvals", "artifacts", "mcp-connections", "scenes", "sessions", "skills", "usage"],
)
def test_every_list_has_the_shape_of_a_list(tenant, path):
    assert tenant.client().get(f"{API}/{path}").json() == {"results": [], "next": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=101", "cursor=nonsense"])
def test_a_page_that_cannot_be_is_a_problem(tenant, query):
    for path in ("agents", "artifacts", "memories"):
        assert tenant.client().get(f"{API}/{path}?{query}").status_code == 400


def test_an_mcp_server_that_cannot_be_reached_is_kept_and_its_test_says_why(tenant, settings):
    settings.LOOM_EGRESS_ALLOW = ["127.0.0.1"]
    client, path = tenant.client(), f"{API}/mcp-connections"
    body = {"slug": "nobody", "url": "http://127.0.0.1:1/mcp", "secret": "s3cret"}

    made = client.post(path, body, format="json")
    tested = client.post(f"{path}/{made.json()['id']}/test")
    foreign = make_tenant().client().post(f"{path}/{made.json()['id']}/test")
    listed = client.get(path)

    (row,) = listed.json()["results"]
    assert (made.status_code, tested.status_code, foreign.status_code) == (201, 200, 404)
    assert tested.json() == {"ok": False, "error": row["last_error"]}
    assert row["last_error"].startswith("The MCP server 'nobody' cannot be reached:")
    assert "s3cret" not in listed.content.decode()


def test_a_command_that_nobody_listed_is_no_mcp_server(tenant):
    body = {"slug": "shell", "command": "/bin/sh", "arguments": ["-c", "true"]}

    response = tenant.client().post(f"{API}/mcp-connections", body, format="json")

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["command"]


@pytest.mark.parametrize(
    "markdown",
    [
        "no front matter",
        "---\nname: [\n---\nDo it.",
        "---\nname: a\ndescription: b\n---\n",
        "---\nname: ../../a\ndescription: b\n---\nDo it.",
        "---\nname: a\ndescription: b\npatterns: ['(']\n---\nDo it.",
    ],
)
def test_a_skill_that_is_broken_is_a_problem_and_writes_nothing(tenant, markdown):
    response = tenant.client().post(f"{API}/skills", {"markdown": markdown}, format="json")

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["markdown"]
    assert not Skill.objects.exists()


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return base64.b64encode(packed.getvalue()).decode()


SKILL = "---\nname: weave\ndescription: How to weave.\n---\nSee notes/warp.md."


def test_a_skill_comes_as_an_archive_with_its_files(tenant):
    body = {"archive": zipped(**{"weave/SKILL.md": SKILL, "weave/notes/warp.md": "Tight."})}

    response = tenant.client().post(f"{API}/skills", body, format="json")

    assert response.status_code == 201
    assert Skill.objects.get().files == {"notes/warp.md": "Tight."}


@pytest.mark.parametrize(
    "archive",
    [
        "not base64!",
        base64.b64encode(b"not a zip").decode(),
        zipped(**{"README.md": "no skill"}),
        zipped(**{"SKILL.md": SKILL, "../../etc/cron.d/evil": "* * * * *"}),
        zipped(**{"SKILL.md": SKILL, "/etc/passwd": "root"}),
        zipped(**{"SKILL.md": "---\nname: [\n---\nbroken"}),
    ],
)
def test_an_archive_that_is_no_skill_is_a_problem_and_writes_nothing(tenant, archive):
    response = tenant.client().post(f"{API}/skills", {"archive": archive}, format="json")

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["archive"]
    assert not Skill.objects.exists()
