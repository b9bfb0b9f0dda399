"""Tools over knowledge: search it, add to it."""

import hashlib
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import Field

from knowledge import wiring
from knowledge.core.types import DocumentInput
from loomsite.access.bridge import db
from loomsite.access.core.errors import InputInvalid
from loomsite.access.core.untrusted import fault
from mcp_server import fitting
from mcp_server.bridge import Desk
from mcp_server.schemas import Added, HitOut, Hits


def register(server: MCPServer, desk: Desk) -> None:
    """Add the tools to `server`."""

    @server.tool(
        title="Search knowledge",
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def search_knowledge(
        query: Annotated[str, Field(description="A question or some words.")],
        collection: Annotated[str | None, Field(description="Slug; default: all.")] = None,
        limit: Annotated[int, Field(ge=1, le=50)] = 8,
        filters: Annotated[
            dict[str, Any] | None,
            Field(description='E.g. {"tags": ["x"], "metadata": {"lang": "de"}}.'),
        ] = None,
    ) -> Annotated[CallToolResult, Hits]:
        """Find passages of the workspace's documents, best first, each with where it stands."""
        async with desk.serving("knowledge:read") as caller:
            hits = await db(
                wiring.search,
                workspace_id=caller.workspace_id,
                query=query,
                collections=[collection] if collection is not None else None,
                limit=limit,
                filters=filters,
            )
            found = [HitOut.model_validate(hit, from_attributes=True) for hit in hits]
            shown = fitting.fitting(found, fitting.RESULT_MAX_CHARS, HitOut.model_dump_json)
            rest = {hit.document_id: hit.title for hit in found[len(shown) :]}
            links = [fitting.link(f"knowledge://{key}", name) for key, name in rest.items()]
            return fitting.result(Hits(hits=shown, truncated=bool(rest)), links=links)

    @server.tool(
        title="Add knowledge",
        annotations=ToolAnnotations(
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        ),
    )
    async def add_knowledge(
        collection: Annotated[str, Field(description="Slug; made when missing.")],
        title: Annotated[str, Field(description="What the document is called.", min_length=1)],
        text: Annotated[str, Field(description="The document: plain text or Markdown.")],
    ) -> Added:
        """Put a document where search_knowledge finds it; the same title again replaces it."""
        async with desk.serving("knowledge:write") as caller:
            result = await db(
                _add,
                workspace_id=caller.workspace_id,
                collection=collection,
                title=title,
                text=text,
            )
            return Added(document_id=result, collection=collection)


def _add(*, workspace_id: str, collection: str, title: str, text: str) -> str:
    wrong = fault([title, text])
    if wrong:
        raise InputInvalid(f"The document was not added: {wrong}")
    wiring.collection_ensure(workspace_id=workspace_id, slug=collection)
    external_id = "mcp:" + hashlib.sha256(title.encode()).hexdigest()[:32]
    document = DocumentInput(external_id=external_id, title=title, text=text)
    (result,) = wiring.ingest(
        workspace_id=workspace_id, collection=collection, documents=[document]
    )
    if result.document_id is None or result.status == "failed":
        raise InputInvalid(f"The document was not added: {result.error}")
    return result.document_id
