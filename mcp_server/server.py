"""The MCP server: the cluster as tools for assistants."""

from mcp.server import MCPServer

from mcp_server.bridge import Callers, Desk
from mcp_server.errors import refuse_unstorable
from mcp_server.listing import lean_tools
from mcp_server.tools import agents, cluster, knowledge, memory, schedules

INSTRUCTIONS = """\
Loom runs goals on a cluster of agents: it picks agents, splits work, checks the answer.

1. submit_task(goal) returns a task_id at once; the work goes on by itself, for seconds or days.
2. get_task(task_id, wait_s=25) waits for news and returns the task. Call it again until `status` is
   `succeeded`, `failed` or `cancelled`; the result is `answer`, with `citations`. Hanging up or
   timing out stops nothing: only cancel_task does.
3. If `status` is `input_required`, show `request.question` to the person and pass on what they say
   with reply_task.

search_knowledge finds cited passages in the workspace's documents without running a task.
list_agents shows who can be asked by name (submit_task(agent=...)).\
"""


def build_server(callers: Callers) -> MCPServer:
    """Return a server whose tools act for whom `callers` names at each call."""
    server = MCPServer(
        name="loom",
        title="Loom",
        instructions=INSTRUCTIONS,
        log_level="WARNING",
        middleware=[refuse_unstorable, lean_tools],
    )
    desk = Desk(callers)
    for module in (cluster, schedules, agents, knowledge, memory):
        module.register(server, desk)
    return server
