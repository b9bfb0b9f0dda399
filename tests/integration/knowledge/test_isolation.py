"""A stranger's key at every door of knowledge and memory: nothing of ours is read or touched."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from agents.models import MemoryEntry
from agents.wiring import memory_remember
from knowledge import wiring
from knowledge.models import Collection, Document
from tests.factories.access import make_tenant
from tests.integration.doors.conftest import BASE_URL, serving
from tests.support import hostile_files as files

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "The zeppelin leaves at midnight."
ABSENT = "00000000-0000-4000-8000-000000000000"


class Ours:
    """A workspace with a document and two memories, all of which say SECRET."""

    def __init__(self) -> None:
        self.tenant = make_tenant()
        workspace_id = self.tenant.workspace_id
        wiring.collection_ensure(workspace_id=workspace_id, slug="docs")
        (result,) = wiring.ingest(
            workspace_id=workspace_id,
            collection="docs",
            documents=[files.text_document("plan", SECRET)],
        )
        self.document_id = str(result.document_id)
        scopes: list[dict[str, Any]] = [{}, {"scope": "session", "scope_id": "s"}]
        self.memory_ids = [
            memory_remember(workspace_id=workspace_id, text=SECRET, subject="ada", **scope)
            for scope in scopes
        ]

    def rows(self) -> list[Any]:
        """Return all that a stranger could have changed."""
        documents = Document.objects.filter(workspace_id=self.tenant.workspace_id)
        memories = MemoryEntry.objects.filter(workspace_id=self.tenant.workspace_id)
        return [
            *documents.order_by("pk").values_list("pk", "title", "text", "status"),
            *memories.order_by("pk").values_list("pk", "text", "subject", "review", "valid_until"),
            *Collection.objects.filter(workspace_id=self.tenant.workspace_id)
            .order_by("pk")
            .values_list("pk", "slug", "language"),
        ]


def test_over_rest_a_stranger_reads_and_changes_nothing():
    ours, stranger = Ours(), make_tenant()
    before, client = ours.rows(), stranger.client()
    client.post("/api/v1/collections", {"slug": "docs"}, format="json")
    searches: list[dict[str, Any]] = [
        {},
        {"collection": "docs"},
        {"filters": {"external_ids": ["plan"]}},
        {"fusion": "dense", "explain": True},
        {"fusion": "lexical", "group_by": "document"},
    ]
    lists = [
        "documents", "documents?collection=docs", "memories", "memories?query=zeppelin",
        "memories?query=zeppelin&scope=session&scope_id=s", "memories?view=new", "reembeddings",
    ]  # fmt: skip

    found = [
        client.post("/api/v1/search", {"query": "zeppelin", **more}, format="json").json()["hits"]
        for more in searches
    ]
    listed = [client.get(f"/api/v1/{path}").json() for path in lists]
    exported = client.get("/api/v1/memories/export?subject=ada").json()
    erased = client.delete("/api/v1/memories?subject=ada")

    assert found == [[]] * len(searches)
    assert "zeppelin" not in str([listed, exported])
    assert ours.document_id not in str(listed)
    assert erased.status_code in {200, 204, 404}
    assert ours.rows() == before


def test_over_rest_ids_of_others_are_answered_like_ids_of_nothing():
    ours, stranger = Ours(), make_tenant()
    before, client = ours.rows(), stranger.client()
    own = memory_remember(workspace_id=stranger.workspace_id, text="mine")
    memory_id = ours.memory_ids[0]
    calls: list[tuple[str, str, str, dict[str, Any]]] = [
        ("get", "documents/{}", ours.document_id, {}),
        ("delete", "documents/{}", ours.document_id, {}),
        ("post", "documents/{}/retry", ours.document_id, {}),
        ("get", "memories/{}", memory_id, {}),
        ("patch", "memories/{}", memory_id, {"text": "changed"}),
        ("delete", "memories/{}", memory_id, {}),
        ("post", "memories/{}/review", memory_id, {"accepted": False}),
    ]

    answers = [
        [
            getattr(client, method)(f"/api/v1/{path.format(name)}", body, format="json")
            for name in (theirs, ABSENT)
        ]
        for method, path, theirs, body in calls
    ]
    merged = client.post("/api/v1/memories/merge", {"memory_ids": [own, memory_id]}, format="json")

    assert [[a.status_code for a in pair] for pair in answers] == [[404, 404]] * len(calls)
    assert all(theirs.json()["code"] == absent.json()["code"] for theirs, absent in answers)
    assert merged.status_code == 404
    assert ours.rows() == before


def test_over_mcp_a_stranger_finds_nothing_and_writes_beside():
    ours, stranger = Ours(), make_tenant()
    before = ours.rows()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("search_knowledge", {"query": "zeppelin"}),
        ("search_knowledge", {"query": "zeppelin", "filters": {"external_ids": ["plan"]}}),
        ("search_knowledge", {"query": "zeppelin", "collection": "docs"}),
        ("recall", {"query": "zeppelin"}),
        ("recall", {"query": "zeppelin", "scope": "session:s"}),
        ("add_knowledge", {"collection": "docs", "title": "plan", "text": "Another plan."}),
        ("remember", {"text": "Ships sail.", "scope": "session:s", "subject": "ada"}),
        ("recall", {"query": "zeppelin", "scope": "session:s"}),
    ]

    async def call() -> tuple[list[Any], str]:
        async with serving(stranger.key) as http:
            transport = streamable_http_client(f"{BASE_URL}/mcp", http_client=http)
            async with Client(transport) as client:
                results = [await client.call_tool(name, values) for name, values in calls]
                try:
                    read = await client.read_resource(f"knowledge://{ours.document_id}")
                except Exception as error:  # noqa: BLE001 -- whatever it is, it must say nothing
                    return results, str(error)
                return results, str(read)

    results, read = async_to_sync(call)()

    said = [str(result.structured_content or result.content) for result in results]
    assert "midnight" not in "".join([*said, read])
    assert [result.is_error for result in results] == [False, False, True, *[False] * 5]
    assert ours.rows() == before
