"""Conversations, skills as files, scenes, tools and connections over REST."""

import io
import zipfile

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile

from agents.core.types import Message
from agents.models import Agent, AgentVersion, McpConnection, MemoryEntry, Session, Skill, Tool
from agents.services.memories import memory_remember
from agents.skills.loader import MAX_TOTAL_BYTES
from agents.store.sessions import DbSessions
from tests.factories.access import make_key, make_tenant
from tests.factories.agents import make_agent, make_run, open_fence

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1"
SKILL = "---\nname: darning\ndescription: How to darn.\n---\nDarn along the weft."


@pytest.fixture
def tenant():
    return make_tenant()


def talk(workspace_id, *, key="s", turns=3, agent_id=None):
    """Keep a conversation and return its id."""
    agent_id = agent_id or make_agent(workspace_id)
    sessions = DbSessions(workspace_id=workspace_id, agent_id=agent_id, fence=open_fence)
    for number in range(turns):
        said = [
            Message(role="user", content=f"question {number}"),
            Message(role="assistant", content=f"answer {number}"),
        ]
        run_id = make_run(workspace_id).run_id
        async_to_sync(sessions.append)(key, run_id=run_id, messages=said)
    return str(Session.objects.get(workspace_id=workspace_id, agent_id=agent_id, key=key).pk)


def test_a_conversation_is_listed_read_and_forgotten(tenant):
    client, workspace_id = tenant.client(), tenant.workspace_id
    session_id = talk(workspace_id)
    talk(workspace_id, key="other")
    async_to_sync(
        DbSessions(
            workspace_id=workspace_id,
            agent_id=str(Session.objects.get(pk=session_id).agent.pk),
            fence=open_fence,
        ).compact
    )("s", summary="They talked.", dropped=2)

    listed = client.get(f"{API}/sessions?key=s").json()["results"]
    detail = client.get(f"{API}/sessions/{session_id}").json()
    first = client.get(f"{API}/sessions/{session_id}/messages?limit=4").json()
    rest = client.get(first["next"]).json()
    memory_remember(
        workspace_id=workspace_id, text="It is red.", scope="session", scope_id="s",
    )  # fmt: skip
    gone = client.delete(f"{API}/sessions/{session_id}")

    assert [row["id"] for row in listed] == [session_id]
    assert (detail["key"], detail["summary"], detail["message_count"]) == ("s", "They talked.", 6)
    messages = first["results"] + rest["results"]
    assert [m["content"] for m in messages[:3]] == ["question 0", "answer 0", "question 1"]
    assert [m["in_window"] for m in messages] == [False, False, True, True, True, True]
    assert rest["next"] is None
    assert gone.status_code == 204
    assert client.get(f"{API}/sessions/{session_id}").status_code == 404
    assert list(Session.objects.values_list("key", flat=True)) == ["other"]
    assert not MemoryEntry.objects.filter(scope="session").exists()


def test_another_workspaces_conversation_looks_like_a_missing_one(tenant):
    session_id = talk(tenant.workspace_id)
    stranger = make_tenant().client()

    answers = [
        stranger.get(f"{API}/sessions/{session_id}"),
        stranger.get(f"{API}/sessions/{session_id}/messages"),
        stranger.delete(f"{API}/sessions/{session_id}"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert stranger.get(f"{API}/sessions").json()["results"] == []
    assert Session.objects.count() == 1


@pytest.mark.parametrize("cursor", ["x", "WyItMSJd", "WyI5OTk5OTk5OTk5OTk5OTk5OTk5OSJd"])
def test_a_cursor_that_is_none_of_ours_is_refused(tenant, cursor):
    session_id = talk(tenant.workspace_id)

    answer = tenant.client().get(f"{API}/sessions/{session_id}/messages?cursor={cursor}")

    assert answer.status_code == 400


@pytest.mark.parametrize("rows", [1, 3])
def test_messages_cost_the_same_queries_for_one_and_for_many(
    tenant, rows, django_assert_max_num_queries
):
    session_id = talk(tenant.workspace_id, turns=rows)
    client = tenant.client()

    with django_assert_max_num_queries(5):
        client.get(f"{API}/sessions/{session_id}/messages")


# ---------------------------------------------------------------- skills


def packed(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "files"),
    [
        ("SKILL.md", SKILL.encode(), {}),
        (
            "darning.zip",
            packed(**{"darning__SKILL.md": SKILL, "darning__scripts__cut.py": "print()"}),
            {"scripts/cut.py": "print()"},
        ),
    ],
)
def test_a_skill_is_uploaded_as_a_file_and_read_back(tenant, name, content, files):
    client = tenant.client()

    made = client.post(
        f"{API}/skills",
        {"file": SimpleUploadedFile(name, content), "state": "active"},
        format="multipart",
    )
    read = client.get(f"{API}/skills/darning").json()

    assert made.status_code == 201
    assert read["instructions"] == "Darn along the weft."
    assert (read["files"], read["state"], read["origin"]) == (files, "active", "imported")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "neither a zip nor UTF-8"),
        (b"PK\x03\x04 broken", "cannot be read"),
        (packed(**{"..__SKILL.md": SKILL}), "leads out of the archive"),
        (packed(**{"README.md": "x"}), "There is no SKILL.md"),
        (b"no front matter", "front matter"),
        (b"---\nname: [broken\n---\ntext", "front matter"),
        (b"x" * (MAX_TOTAL_BYTES + 1), "larger"),
    ],
)
def test_a_file_that_is_no_skill_is_refused_and_nothing_kept(tenant, content, words):
    answer = tenant.client().post(
        f"{API}/skills", {"file": SimpleUploadedFile("skill", content)}, format="multipart"
    )

    assert answer.status_code in (400, 413)
    assert words in answer.content.decode()
    assert not Skill.objects.exists()


def test_a_form_without_a_file_is_refused(tenant):
    answer = tenant.client().post(f"{API}/skills", {"state": "active"}, format="multipart")

    assert (answer.status_code, Skill.objects.count()) == (400, 0)


# ---------------------------------------------------------------- scenes, tools


def test_a_scene_is_read_and_removed_unless_an_agent_needs_it(tenant):
    client = tenant.client()
    client.post(f"{API}/scenes", {"slug": "look", "deny_tags": ["write"]}, format="json")
    make_agent(tenant.workspace_id, slug="ann", scenes=["look"])

    read = client.get(f"{API}/scenes/look").json()
    refused = client.delete(f"{API}/scenes/look")
    client.patch(f"{API}/agents/ann", {"scenes": []}, format="json")
    gone = client.delete(f"{API}/scenes/look")

    assert read["deny_tags"] == ["write"]
    assert (refused.status_code, "'ann' is narrowed" in refused.content.decode()) == (400, True)
    assert gone.status_code == 204
    assert client.get(f"{API}/scenes/look").status_code == 404


def test_a_tool_is_read_and_what_is_held_of_it_is_reviewed(tenant):
    client = tenant.client()
    client.get(f"{API}/tools")
    Tool.objects.filter(name="calculator").update(pending={"description": "Adds."})

    held = client.get(f"{API}/tools/calculator").json()
    small = client.post(f"{API}/tools/calculator/review", {}, format="json")
    done = client.post(f"{API}/tools/calculator/review", {"accepted": True}, format="json")
    read = client.get(f"{API}/tools/calculator").json()

    assert (held["held"], held["pending"]) == (True, {"description": "Adds."})
    assert held["parameters"]["properties"]["expression"]
    assert (small.status_code, done.status_code) == (400, 204)
    assert (read["held"], read["description"]) == (False, "Adds.")
    assert client.get(f"{API}/tools/nothing").status_code == 404


# ---------------------------------------------------------------- MCP connections


def test_a_connection_is_read_and_changed_without_its_secret_shown(tenant):
    client = tenant.client()
    body = {"slug": "web", "url": "https://example.org/mcp", "secret": "s3cret"}
    made = client.post(f"{API}/mcp-connections", body, format="json")
    place = f"{API}/mcp-connections/{made.json()['id']}"

    changed = client.patch(place, {"name": "Web", "enabled": False}, format="json")
    moved = client.patch(place, {"url": "https://example.net/mcp"}, format="json")
    both = client.patch(place, {"url": "https://e.org/mcp", "command": "x"}, format="json")
    again = client.patch(
        place, {"url": "https://example.net/mcp", "secret": "other"}, format="json"
    )
    reviewed = client.post(f"{place}/review", {"accepted": True}, format="json")

    assert changed.status_code == 200
    assert changed.json() == client.get(place).json() | {
        "url": "https://example.org/mcp",
    }
    assert (changed.json()["name"], changed.json()["enabled"]) == ("Web", False)
    assert (changed.json()["has_secret"], "s3cret" in changed.content.decode()) == (True, False)
    assert (moved.status_code, both.status_code, again.status_code) == (400, 400, 200)
    assert reviewed.json() == {"reviewed": []}
    assert McpConnection.objects.get().url == "https://example.net/mcp"


def test_only_admins_change_connections_and_only_their_own(tenant):
    body = {"slug": "web", "url": "https://example.org/mcp"}
    made = tenant.client().post(f"{API}/mcp-connections", body, format="json")
    place = f"{API}/mcp-connections/{made.json()['id']}"
    from tests.factories.access import client_with  # noqa: PLC0415 -- beside its only use

    reader = client_with(make_key(tenant.slug, ["agents:read"], user="eve"))
    stranger = make_tenant().client()

    assert reader.get(place).status_code == 200
    assert reader.patch(place, {"name": "x"}, format="json").status_code == 403
    assert stranger.get(place).status_code == 404
    assert stranger.patch(place, {"name": "x"}, format="json").status_code == 404
    assert stranger.post(f"{place}/review", {"accepted": True}, format="json").status_code == 404


# ---------------------------------------------------------------- what sees each model call


def test_an_agents_interceptors_are_kept_and_are_part_of_its_version(tenant):
    client = tenant.client()
    body = {
        "slug": "ann", "name": "Ann", "answer_language": "de", "filter_patterns": [r"\bbomb\b"],
        "audit": True,
    }  # fmt: skip

    made = client.post(f"{API}/agents", body, format="json").json()
    client.patch(f"{API}/agents/ann", {"answer_language": ""}, format="json")

    assert {name: made[name] for name in body} == body
    specs = [version.spec for version in AgentVersion.objects.order_by("number")]
    assert [(s["answer_language"], s["filter_patterns"], s["audit"]) for s in specs] == [
        ("de", [r"\bbomb\b"], True),
        ("", [r"\bbomb\b"], True),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"answer_language": "tlh"},
        {"answer_language": "DE"},
        {"answer_language": 7},
        {"filter_patterns": ["(unclosed"]},
        {"filter_patterns": ["(?=lookahead)"]},
        {"filter_patterns": [""]},
        {"filter_patterns": "bomb"},
        {"filter_patterns": ["x" * 501]},
        {"filter_patterns": ["x"] * 51},
        {"audit": "perhaps"},
    ],
)
def test_interceptors_that_cannot_be_are_refused(tenant, fields):
    body = {"slug": "ann", "name": "Ann", **fields}

    answer = tenant.client().post(f"{API}/agents", body, format="json")

    assert answer.status_code == 400
    assert next(iter(fields)) in answer.content.decode()
    assert not Agent.objects.exists()
