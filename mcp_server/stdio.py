"""MCP over stdio: one client, on stdin and stdout, until it hangs up."""

import anyio
from django.conf import settings
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.stdio import stdio_server

from loomsite.access import selectors, services
from mcp_server.bridge import Callers, key_caller, local_caller
from mcp_server.server import build_server


def serve() -> None:
    """Serve until stdin ends; nothing but the protocol goes to stdout."""
    anyio.run(_serve, _callers())


def served() -> dict[str, list[str]]:
    """Return the names of what an assistant is served here."""
    return anyio.run(_served, _callers())


async def _served(callers: Callers) -> dict[str, list[str]]:
    server = build_server(callers)
    return {
        "tools": sorted(tool.name for tool in await server.list_tools()),
        "resources": sorted(
            [str(one.uri) for one in await server.list_resources()]
            + [one.uri_template for one in await server.list_resource_templates()]
        ),
        "prompts": sorted(prompt.name for prompt in await server.list_prompts()),
    }


async def _serve(callers: Callers) -> None:
    low = build_server(callers, one_client=True)._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- `run_stdio_async` cannot say that the list of tools changes
    told = low.create_initialization_options(NotificationOptions(tools_changed=True))
    async with stdio_server() as (incoming, outgoing):
        await low.run(incoming, outgoing, told)


def _callers() -> Callers:
    """Return who this process speaks for: LOOM_API_KEY, else the machine's owner."""
    if settings.LOOM_API_KEY:
        return key_caller(settings.LOOM_API_KEY)
    services.workspace_ensure(slug=selectors.DEFAULT_WORKSPACE, name="Default")
    return local_caller()
