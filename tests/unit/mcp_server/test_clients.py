"""What clients are told."""

import json

import pytest

from mcp_server.clients import CLIENTS, Http, Stdio, entry

STDIO = Stdio(
    command="/usr/bin/python", arguments=("-m", "loomsite", "mcp"), environment={"A": "b"}
)
HTTP = Http(url="http://127.0.0.1:8000/mcp", key="lk_key")


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_can_start_the_server(client):
    told = json.loads(entry(client, STDIO).text)

    root = "servers" if client == "vscode" else "mcpServers"
    server = told[root]["loom"]
    assert (server["command"], server["args"], server["env"]) == (
        "/usr/bin/python", ["-m", "loomsite", "mcp"], {"A": "b"},
    )  # fmt: skip


@pytest.mark.parametrize("client", [name for name in CLIENTS if name != "claude-desktop"])
def test_the_others_can_call_it_by_address(client):
    told = json.loads(entry(client, HTTP).text)

    (servers,) = told.values()
    assert servers["loom"]["url"] == HTTP.url
    assert servers["loom"]["headers"] == {"Authorization": "Bearer lk_key"}


def test_claude_desktops_file_names_no_addresses():
    with pytest.raises(ValueError, match="--http"):
        entry("claude-desktop", HTTP)


def test_a_client_that_nobody_knows_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="claude-code"):
        entry("netscape", STDIO)


def test_claude_codes_command_survives_a_shell():
    path = Stdio(command="/o'clock/python", arguments=(), environment={})

    assert "'\\''" in entry("claude-code", path).also
