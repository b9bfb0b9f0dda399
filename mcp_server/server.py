"""The MCP server: the cluster as tools, resources and prompts for assistants."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from django.conf import settings
from mcp.server import MCPServer
from mcp.server.request_state import RequestStateSecurity

from mcp_server import completions, handshake, prompts, resources
from mcp_server.audit import Audited, AuditLog
from mcp_server.bridge import Callers, Desk
from mcp_server.errors import refuse_unstorable
from mcp_server.listing import lean_tools
from mcp_server.notices import Listening, Notices
from mcp_server.published import PublishedAgents
from mcp_server.task_board import ClusterBoard
from mcp_server.task_extension import TasksExtension
from mcp_server.tools import agents, cluster, knowledge, memory, schedules

INSTRUCTIONS = """\
Loom runs goals on a cluster of agents: it picks agents, splits work, checks the answer.

1. submit_task(goal) returns a task_id at once; the work goes on by itself, for seconds or days.
2. get_task(task_id, wait_s=25) waits for news and returns the task. Call it again until `status` is
   `succeeded`, `failed` or `cancelled`; the result is `answer`, with `citations`. Hanging up or
   timing out stops nothing: only cancel_task does.
3. If `status` is `input_required`, show `request.question` to the person and pass on what they say
   with reply_task.

ask_agent puts a message to one agent of list_agents; the same session_id goes on talking with it.
search_knowledge finds cited passages in the workspace's documents without running a task.
What is cut in a result is whole in the resource it links to.\
"""


def build_server(callers: Callers, *, one_client: bool = False) -> MCPServer:
    """Return a server whose tools act for whom `callers` names at each call.

    Args:
        callers: Who is calling.
        one_client: It serves one client for as long as that is connected, as over stdio, and so
            can send it news that nobody asked for.
    """
    desk, log, notices = Desk(callers), AuditLog(), Notices()

    @asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await log.flush()

    server = MCPServer(
        name="loom",
        title="Loom",
        version=_version(),
        instructions=INSTRUCTIONS,
        log_level="WARNING",
        lifespan=lifespan,
        extensions=[TasksExtension(ClusterBoard(desk))],
        subscriptions=notices,
        request_state_security=RequestStateSecurity(keys=[_state_key()]),
        middleware=[
            Audited(desk, log),
            refuse_unstorable,
            Listening(desk, notices),
            PublishedAgents(desk),
            lean_tools,
        ],
    )
    for module in (cluster, schedules, agents, knowledge, memory, resources, completions):
        module.register(server, desk)
    prompts.register(server)
    handshake.register(server, desk, notices if one_client else None)
    return server


def _state_key() -> bytes:
    """Return a key that all processes share: a client may come back to another one."""
    return hashlib.sha256(b"mcp request state:" + settings.SECRET_KEY.encode()).digest()


def _version() -> str:
    try:
        return version("loom")
    except PackageNotFoundError:  # run from a checkout
        return "0.1.0"
