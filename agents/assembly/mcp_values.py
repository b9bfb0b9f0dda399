"""What is known of MCP servers, without the client library."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mcp_types


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """Where an MCP server is and what it is given; secrets are as they are stored."""

    id: str
    slug: str
    url: str = ""
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a server lists: its tools, and why entries of the list are none."""

    tools: "tuple[mcp_types.Tool, ...]"
    unreadable: tuple[str, ...] = ()
