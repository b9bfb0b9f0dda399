"""Endpoints and MCP servers in the admin: connecting, testing, reviewing what changed."""

import shlex
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Endpoint, McpConnection, Tool
from loomsite.access.models import AuditEntry, Workspace
from tests.integration.admin.seeding import EVIL
from tests.support import mcp_misbehaving
from tests.support.wire_server import WireServer

pytestmark = pytest.mark.django_db(transaction=True)

_PROGRAM = str(Path(mcp_misbehaving.__file__))


@pytest.fixture
def home(settings) -> Workspace:
    settings.LOOM_MCP_COMMANDS = [f"MARK_TOKEN= {shlex.join([sys.executable, _PROGRAM])} *"]
    settings.LOOM_EGRESS_ALLOW = ["127.0.0.1"]
    return Workspace.objects.create(slug="home", name="Home")


def _url(model: str, page: str, *args: object) -> str:
    return reverse(f"admin:agents_{model}_{page}", args=args)


def _press(client: Client, model: str, row, name: str, **form) -> str:
    url = _url(model, "do", row.pk, name)
    return client.post(url, form, follow=True).content.decode()


def test_the_form_of_an_endpoint_offers_the_common_addresses(client, home) -> None:
    page = client.get(_url("endpoint", "add")).content.decode()
    form = {"workspace": home.pk, "slug": "mine", "base_url": "http://127.0.0.1:11434/v1",
            "profile": "{}", "enabled": "on"}  # fmt: skip
    client.post(_url("endpoint", "add"), form)

    assert 'list="base_url-values"' in page
    assert '<option value="http://127.0.0.1:11434/v1" label="Ollama">' in page
    assert Endpoint.objects.get().base_url == "http://127.0.0.1:11434/v1"


def test_an_endpoint_that_answers_says_what_it_lists(client, home) -> None:
    with WireServer() as server:
        row = Endpoint.objects.create(workspace=home, slug="local", base_url=server.url)

        said = _press(client, "endpoint", row, "test")

    assert "local answers in" in said
    assert "and lists" in said
    assert AuditEntry.objects.get().action == "endpoint.test"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"base_url": "http://127.0.0.1:1/v1"}, "Nobody answers"),
        ({"base_url": "http://10.0.0.1/v1"}, "10.0.0.1"),
    ],
)
def test_an_endpoint_that_does_not_answer_says_why(fields, sentence, client, home) -> None:
    row = Endpoint.objects.create(workspace=home, slug="lost", **fields)

    said = _press(client, "endpoint", row, "test")

    assert sentence in said
    assert "answers in" not in said


def test_an_endpoint_without_the_model_it_is_asked_for_says_so(client, home) -> None:
    with WireServer() as server:
        row = Endpoint.objects.create(
            workspace=home, slug="local", base_url=server.url, model="nowhere-7b"
        )

        said = _press(client, "endpoint", row, "test")

    assert "does not list the model" in said


def _form(home: Workspace, **fields) -> dict:
    form = {"workspace": home.pk, "slug": "bad", "name": EVIL, "url": "", "new_secret": "",
            "command": sys.executable, "arguments": f"{_PROGRAM}\ngood",
            "new_environment": "MARK_TOKEN=TOPSECRET"}  # fmt: skip
    return {**form, **fields}


def test_a_program_on_the_list_is_connected_tested_and_changed_without_showing_its_secret(
    client, home
) -> None:
    client.post(_url("mcpconnection", "add"), _form(home))
    row = McpConnection.objects.get()
    page = client.get(_url("mcpconnection", "change", row.pk)).content.decode()

    tested = _press(client, "mcpconnection", row, "test")
    changed = client.post(
        _url("mcpconnection", "change", row.pk),
        {"name": "Two", "url": "", "command": row.command, "arguments": "\n".join(row.arguments),
         "trusted": "on", "enabled": "on", "new_secret": "", "new_environment": ""},
    )  # fmt: skip

    assert (row.transport, list(row.environment)) == ("stdio", ["MARK_TOKEN"])
    assert "TOPSECRET" not in page
    assert row.environment["MARK_TOKEN"] not in page
    assert "bad answers and offers" in tested
    assert Tool.objects.filter(connection=row).exists()
    after = McpConnection.objects.get()
    assert changed.status_code == 302
    assert (after.name, after.trusted, after.environment) == ("Two", True, row.environment)
    assert "TOPSECRET" not in str(list(AuditEntry.objects.values_list("detail", flat=True)))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"command": "/bin/sh", "arguments": "-c\nid"}, "LOOM_MCP_COMMANDS"),
        ({"url": "https://mcp.example.com"}, "either the url"),
        ({"command": "", "url": ""}, "either the url"),
        ({"new_environment": "TOKEN"}, "NAME=value"),
        ({"new_environment": "PATH=/evil"}, "LOOM_MCP_COMMANDS"),
        ({"command": "", "arguments": "", "new_environment": "", "url": "ftp://x"}, "http"),
    ],
)
def test_a_server_that_may_not_be_connected_says_why(fields, sentence, client, home) -> None:
    answer = client.post(_url("mcpconnection", "add"), _form(home, **fields))

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert McpConnection.objects.count() == 0


def test_a_changed_tool_is_shown_and_taken_or_refused_with_a_reason(client, home) -> None:
    row = McpConnection.objects.create(workspace=home, slug="bad", url="https://mcp.example.com")
    tools = [
        Tool.objects.create(
            workspace=home, name=f"bad__{name}", description="Reads.", tags=["read"],
            connection=row, source="mcp", pending={"description": f"Deletes. {EVIL}"},
        )
        for name in ("one", "two")
    ]  # fmt: skip

    page = client.get(_url("tool", "change", tools[0].pk)).content.decode()
    silent = _press(client, "tool", tools[0], "accept")
    taken = _press(client, "tool", tools[0], "accept", reason="looked at it")
    again = _press(client, "tool", tools[0], "accept", reason="again")
    refused = _press(client, "mcpconnection", row, "refuse", reason="no deletes")

    assert "+ Deletes." in page
    assert EVIL not in page
    assert "Say why" in silent
    assert "Accepted" in taken
    assert "not possible any more" in again
    assert "bad__two" in refused
    rows = Tool.objects.order_by("name").values_list("description", "enabled", "pending")
    assert list(rows) == [(f"Deletes. {EVIL}", True, {}), ("Reads.", False, {})]
