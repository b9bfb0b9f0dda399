"""What can be read by address: tasks, agents, skills, documents, and how the cluster is."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict

from mcp.server import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from agents.selectors import catalogue, offers
from cluster.core.types import FINAL
from cluster.selectors import status
from cluster.selectors import tasks as selectors
from knowledge import selectors as documents
from loomsite.access.bridge import db
from loomsite.access.core.types import Principal
from mcp_server.bridge import Desk
from mcp_server.fitting import written

_JSON = "application/json"
_EVENTS_MAX = 1_000


def register(server: MCPServer, desk: Desk) -> None:
    """Add the resources to `server`."""
    _register_tasks(server, desk)
    _register_population(server, desk)


def _register_tasks(server: MCPServer, desk: Desk) -> None:
    @server.resource("task://{id}", name="task", title="A task", mime_type=_JSON)
    async def task(id: str) -> str:  # noqa: A002 -- the address's own word
        """The task as on every door: status, answer, citations, cost, phases."""
        async with _reading(desk, "tasks:read", f"task://{id}") as caller:
            where = {"workspace_id": caller.workspace_id, "task_id": id}
            return written(await db(selectors.task_detail, **where))

    @server.resource("task://{id}/result", name="result", title="A task's answer")
    async def result(id: str) -> str:  # noqa: A002 -- as above
        """The whole answer of a task that has ended."""
        uri = f"task://{id}/result"
        async with _reading(desk, "tasks:read", uri) as caller:
            where = {"workspace_id": caller.workspace_id, "task_id": id}
            found = await db(selectors.task_detail, **where)
        if found["answer"] is not None:
            return found["answer"]
        ended = found["status"] in FINAL
        why = found["error"]["message"] if found["error"] else "it has none."
        message = f"There is no answer: {why}" if ended else "There is no answer yet: see get_task."
        raise MCPError(code=INVALID_PARAMS, message=message, data={"uri": uri})

    @server.resource("task://{id}/events", name="events", title="A task's events", mime_type=_JSON)
    async def events(id: str) -> str:  # noqa: A002 -- as above
        """What happened to a task, in order; of very many the latest."""
        async with _reading(desk, "tasks:read", f"task://{id}/events") as caller:
            home = caller.workspace_id
            _, last = await db(selectors.task_state, workspace_id=home, task_id=id)
            after = max(0, last - _EVENTS_MAX)
            found = await db(selectors.task_events, workspace_id=home, task_id=id, after=after)
            return written({"events": found})

    @server.resource("cluster://status", name="status", title="The cluster", mime_type=_JSON)
    async def cluster_status() -> str:
        """How many tasks wait and run here, and how many workers there are."""
        async with _reading(desk, "tasks:read", "cluster://status") as caller:
            return written(await db(status.cluster_status, workspace_id=caller.workspace_id))


def _register_population(server: MCPServer, desk: Desk) -> None:
    @server.resource("agent://{slug}", name="agent", title="An agent", mime_type=_JSON)
    async def agent(slug: str) -> str:
        """What an agent is, and what it may use."""
        async with _reading(desk, "agents:read", f"agent://{slug}") as caller:
            where = {"workspace_id": caller.workspace_id, "agent": slug}
            return written(asdict(await db(catalogue.agent_detail, **where)))

    @server.resource("skill://{name}", name="skill", title="A skill", mime_type="text/markdown")
    async def skill(name: str) -> str:
        """The instructions of a skill."""
        async with _reading(desk, "agents:read", f"skill://{name}") as caller:
            where = {"workspace_id": caller.workspace_id, "name": name}
            found = await db(offers.skill_detail, **where)
        files = "".join(f"\n- {path}" for path in found["files"])
        more = f"\n\nFiles that come with it:{files}" if files else ""
        return f"# {found['name']}\n\n{found['description']}\n\n{found['instructions']}{more}"

    @server.resource("knowledge://{document_id}", name="document", title="A document")
    async def document(document_id: str) -> str:
        """The text of a document, which the places of search_knowledge's hits refer to."""
        async with _reading(desk, "knowledge:read", f"knowledge://{document_id}") as caller:
            where = {"workspace_id": caller.workspace_id, "document_id": document_id}
            return await db(documents.document_text, **where)


@asynccontextmanager
async def _reading(desk: Desk, scope: str, uri: str) -> AsyncGenerator[Principal]:
    try:
        async with desk.reading(scope) as caller:
            yield caller
    except MCPError as error:
        told = error.error
        raise MCPError(code=told.code, message=told.message, data={"uri": uri}) from None
