"""What to write where, so that an assistant finds this server: one entry per client."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

CLIENTS: Final = ("claude-desktop", "claude-code", "vscode", "cursor", "generic")
KEY_PLACEHOLDER: Final = "lk_YOUR_KEY"

Client = Literal["claude-desktop", "claude-code", "vscode", "cursor", "generic"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """How to start the server as a child of the client."""

    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Where a running server is, and the key it wants."""

    url: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A client's configuration, and the file it goes into."""

    file: str
    text: str
    also: str = ""


_FILES: Final[Mapping[str, str]] = {
    "claude-desktop": (
        "claude_desktop_config.json (Settings → Developer → Edit Config; then restart it)"
    ),
    "claude-code": ".mcp.json in your project",
    "vscode": ".vscode/mcp.json in your workspace",
    "cursor": ".cursor/mcp.json in your project, or ~/.cursor/mcp.json",
    "generic": "whatever your client reads",
}


def entry(client: str, transport: Stdio | Http) -> Entry:
    """Return what `client` has to be told; Claude Desktop's file knows only stdio.

    Raises:
        ValueError: There is no such client, or it cannot use the transport.
    """
    if client not in CLIENTS:
        raise ValueError(f"There is no client {client[:40]!r}: use one of {', '.join(CLIENTS)}.")
    if client == "claude-desktop" and isinstance(transport, Http):
        raise ValueError("Claude Desktop's file names programs, no addresses: leave out --http.")
    root = "servers" if client == "vscode" else "mcpServers"
    server = _server(transport, is_typed=client in {"vscode", "claude-code", "generic"})
    return Entry(
        file=_FILES[client],
        text=json.dumps({root: {"loom": server}}, indent=2, ensure_ascii=False),
        also=_command(transport) if client == "claude-code" else "",
    )


def _server(transport: Stdio | Http, *, is_typed: bool) -> Json:
    match transport:
        case Http(url=url, key=key):
            kind: Json = {"type": "http"} if is_typed else {}
            return {**kind, "url": url, "headers": {"Authorization": f"Bearer {key}"}}
        case Stdio(command=command, arguments=arguments, environment=environment):
            kind = {"type": "stdio"} if is_typed else {}
            return {
                **kind,
                "command": command,
                "args": list(arguments),
                "env": dict(environment),
            }


def _command(transport: Stdio | Http) -> str:
    """Return the same as one command of Claude Code."""
    shown = json.dumps(_server(transport, is_typed=True), ensure_ascii=False)
    quoted = shown.replace("'", "'\\''")
    return f"claude mcp add-json loom '{quoted}'"
