"""Tools of MCP servers as an agent calls them, and as they are listed."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agents.assembly.mcp_servers import McpServers
from agents.assembly.mcp_values import McpServer, Offer
from agents.core.errors import ToolRetry
from agents.core.ports import ToolContext
from agents.core.types import Json, ToolOutput, ToolSpec
from agents.providers.structured import problems_of
from agents.tools.foreign_schema import Listing, McpToolSpec, SchemaUnusable, tamed
from agents.tools.schema import parse_object

if TYPE_CHECKING:
    import mcp_types

MAX_NAME = 64  # what model endpoints take
MAX_DESCRIPTION = 2_000
MAX_REMOTE_NAME = 200
DEFAULT_TIMEOUT_S = 60.0
_ODD = re.compile(r"[^a-zA-Z0-9_-]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class McpGrant:
    """A tool of a server as its row was when it last changed."""

    id: str
    changed_at: datetime
    server: McpServer
    remote_name: str
    spec: ToolSpec = field(compare=False)


class McpTool:
    """`Tool` on a server; what the server says is data, and so are its errors."""

    def __init__(self, grant: McpGrant, servers: McpServers) -> None:
        self._grant, self._servers = grant, servers

    @property
    def spec(self) -> ToolSpec:
        return self._grant.spec

    def parse(self, arguments: str) -> Json:
        value = parse_object(arguments)
        problems = problems_of(value, self._grant.spec.parameters)
        if problems:
            raise ToolRetry(f"The arguments do not fit. {problems}")
        return value

    async def call(self, arguments: Json, context: ToolContext) -> ToolOutput:  # noqa: ARG002 -- the port's
        spec = self._grant.spec
        result = await self._servers.call(
            self._grant.server,
            self._grant.remote_name,
            arguments,
            again=spec.idempotent or not spec.effect,
        )
        return ToolOutput(text=text_of(result), ok=not result.is_error)


def text_of(result: "mcp_types.CallToolResult") -> str:
    """Return what a tool said as text; pictures and sounds are named, not shown."""
    import mcp_types  # noqa: PLC0415 -- loaded with the first connection, not with this module

    parts: list[str] = []
    for block in result.content:
        match block:
            case mcp_types.TextContent():
                parts.append(block.text)
            case mcp_types.ImageContent() | mcp_types.AudioContent():
                parts.append(f"[{block.type} {block.mime_type}, left out]")
            case mcp_types.ResourceLink():
                parts.append(f"[{block.name}: {block.uri}]")
            case mcp_types.EmbeddedResource():
                text = getattr(block.resource, "text", None)
                parts.append(text if isinstance(text, str) else f"[{block.resource.uri}]")
    if not parts and result.structured_content is not None:
        parts.append(json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(parts) or ("The tool failed." if result.is_error else "Done.")


def listing_of(slug: str, offer: Offer, *, trusted: bool) -> Listing:
    """Return a server's tools as agents may be granted them, and why some cannot be."""
    kept: dict[str, McpToolSpec] = {}
    left_out = list(offer.unreadable)
    for tool in offer.tools:
        name = local_name(slug, tool.name)
        if not tool.name or len(tool.name) > MAX_REMOTE_NAME or name in kept:
            left_out.append(f"{tool.name[:80]!r}: its name is empty, too long or there twice")
            continue
        try:
            parameters = tamed(tool.input_schema)
        except SchemaUnusable as error:
            left_out.append(f"{tool.name[:80]!r}: {error}")
            continue
        kept[name] = McpToolSpec(
            remote_name=tool.name,
            spec=_spec(name, tool, parameters, trusted=trusted),
        )
    return Listing(tools=tuple(kept.values()), left_out=tuple(left_out))


def local_name(slug: str, remote_name: str) -> str:
    """Return the name agents know a tool by: the server's slug before it, fit for any endpoint."""
    whole = f"{slug}__{remote_name}"
    name = _ODD.sub("_", whole)
    if name == whole and len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:8]
    return f"{name[: MAX_NAME - 9]}_{digest}"


def _spec(name: str, tool: "mcp_types.Tool", parameters: Json, *, trusted: bool) -> ToolSpec:
    """What a server says of a tool's harmlessness counts only where an operator trusts it."""
    hints: Any = tool.annotations if trusted else None
    reads = hints is not None and hints.read_only_hint is True
    return ToolSpec(
        name=name,
        description=" ".join((tool.description or tool.title or "").split())[:MAX_DESCRIPTION],
        parameters=parameters,
        tags=frozenset({"network", "read" if reads else "write"}),
        effect=not reads,
        idempotent=hints is not None and hints.idempotent_hint is True,
        timeout_s=DEFAULT_TIMEOUT_S,
    )
