"""MCP over stdio: one client, on stdin and stdout, until it hangs up."""

import anyio
from django.conf import settings

from loomsite.access import selectors, services
from mcp_server.bridge import Callers, key_caller, local_caller
from mcp_server.server import build_server


def serve() -> None:
    """Serve until stdin ends; nothing but the protocol goes to stdout."""
    anyio.run(build_server(_callers()).run_stdio_async)


def _callers() -> Callers:
    """Return who this process speaks for: LOOM_API_KEY, else the machine's owner."""
    if settings.LOOM_API_KEY:
        return key_caller(settings.LOOM_API_KEY)
    services.workspace_ensure(slug=selectors.DEFAULT_WORKSPACE, name="Default")
    return local_caller()
