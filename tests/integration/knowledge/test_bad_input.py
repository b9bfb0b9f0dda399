"""Files and texts that nobody should send, on each door: one clear error, and the rest goes on."""

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from knowledge import wiring
from knowledge.models import Chunk, Collection, Document, DocumentSource
from loomsite.access.selectors import workspace_id_of
from tests.factories.access import make_tenant
from tests.integration.doors.conftest import BASE_URL, serving
from tests.support import hostile_files as files

pytestmark = pytest.mark.django_db(transaction=True)

BAD = {
    "empty.md": (b"", "knowledge.document_empty"),
    "unseen.txt": ("\u200b\u00a0\n\u200b".encode(), "knowledge.document_empty"),
    "blank.txt": (b" \n\x00\n\t", "knowledge.document_empty"),
    "locked.pdf": (files.pdf(password="secret"), "knowledge.document_unreadable"),
    "cut.pdf": (b"%PDF-1.4 cut", "knowledge.document_unreadable"),
    "scan.pdf": (files.pdf(), "knowledge.document_unreadable"),
    "bomb.docx": (files.bomb(), "knowledge.document_too_large"),
    "locked.xlsx": (b"\xd0\xcf\x11\xe0 ole", "knowledge.document_unreadable"),
    "sheet.docx": (files.excel(), "knowledge.document_unreadable"),
    "text.pptx": (b"no slides at all", "knowledge.document_unreadable"),
    "half.json": (b'{"a": ', "knowledge.document_unreadable"),
    "deep.json": (b"[" * 100_000, "knowledge.document_unreadable"),
}
GOOD = {
    "latin.txt": ("Grüße aus Köln, said the loom".encode("latin-1"), "loom"),
    "wide.txt": ("The zeppelin".encode("utf-16"), "zeppelin"),
    "nulls.md": (b"A tra\x00ctor\x00 ploughs.", "ploughs"),
    "broken.txt": (b"valid \xff\xfe\xc3\x28 harbour", "harbour"),
    "arabic.txt": (
        "\u202e\u0645\u0631\u062d\u0628\u0627".encode(),
        "\u0645\u0631\u062d\u0628\u0627",
    ),
    "emoji.txt": ("🧶🎉 knitting 👩‍👩‍👧".encode(), "knitting"),
}


def test_rest_says_of_each_bad_file_what_is_wrong_and_keeps_the_good_ones():
    tenant = make_tenant()
    client = tenant.client()
    codes = {}
    for name, (content, _) in (BAD | GOOD).items():
        file = SimpleUploadedFile(name, content)
        response = client.post(
            "/api/v1/documents", {"collection": "docs", "file": file}, format="multipart"
        )
        if response.status_code != 201:
            codes[name] = response.json()["code"]
            continue
        wiring.document_ingest(response.json()["id"])
        stored = client.get(f"/api/v1/documents/{response.json()['id']}").json()
        codes[name] = stored["status"] if stored["error"] is None else stored["error"]["code"]

    assert {name: codes[name] for name in BAD} == {name: code for name, (_, code) in BAD.items()}
    assert {name: codes[name] for name in GOOD} == dict.fromkeys(GOOD, "ready")
    for name, (_, word) in GOOD.items():
        hits = wiring.search(workspace_id=tenant.workspace_id, query=word, fusion="lexical")
        assert [hit.external_id for hit in hits] == [name]


def test_the_command_says_of_each_bad_file_what_is_wrong_and_keeps_the_good_ones(tmp_path, capsys):
    for name, (content, _) in (BAD | GOOD).items():
        (tmp_path / name).write_bytes(content)
    with (tmp_path / "huge.txt").open("wb") as huge:
        huge.truncate(500 * 1024 * 1024)
        huge.seek(0)
        huge.write(b"not empty")

    call_command("knowledge_ingest", "docs", str(tmp_path), "--json")
    first = json.loads(capsys.readouterr().out)
    chunks = Chunk.objects.count()
    call_command("knowledge_ingest", "docs", str(tmp_path), "--json")
    again = json.loads(capsys.readouterr().out)

    errors = {item["external_id"]: item["code"] for item in first["errors"]}
    expected = {name: code for name, (_, code) in BAD.items()}
    assert errors == {**expected, "huge.txt": "knowledge.document_too_large"}
    assert (first["ready"], again["ready"], again["unchanged"]) == (len(GOOD), 0, len(GOOD))
    assert Chunk.objects.count() == chunks
    found = wiring.search(workspace_id=workspace_id_of(slug="default"), query="harbour", limit=1)
    assert found[0].external_id == "broken.txt"


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/json"])
def test_a_body_of_500_mb_is_refused_by_its_length_before_it_is_read(kind):
    client = make_tenant().client()

    answer: Any = client.generic(
        "POST",
        "/api/v1/documents",
        b"x",
        content_type=kind,
        CONTENT_LENGTH=str(500 * 1024 * 1024),
    )

    assert answer.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    assert Document.objects.count() == Collection.objects.count() == 0


@pytest.mark.parametrize("field", ["text", "title", "external_id"])
def test_rest_says_that_a_text_holds_a_null_byte_and_keeps_nothing(field):
    client = make_tenant().client()
    body = {"collection": "docs", "title": "t", "text": "alpha", "external_id": "x"}

    answer = client.post("/api/v1/documents", {**body, field: "alpha\x00beta"}, format="json")

    assert answer.status_code == 400
    assert "U+0000" in answer.content.decode()
    assert Document.objects.count() == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"title": "t", "text": ""}, "no text|empty"),
        ({"title": "t", "text": " \n\t"}, "no text|empty"),
        ({"title": "t", "text": "x", "collection": "not a slug"}, "cannot name a collection"),
        ({"title": "", "text": "x"}, "title"),
        ({"title": "t", "text": 7}, "text"),
        ({"title": "t", "text": "alpha\x00beta"}, "U+0000"),
        ({"title": "a\x00b", "text": "alpha"}, "U+0000"),
    ],
)
def test_mcp_says_what_is_wrong_with_a_text_and_keeps_nothing(arguments, says):
    tenant = make_tenant()

    async def call():
        async with serving(tenant.key) as http:
            transport = streamable_http_client(f"{BASE_URL}/mcp", http_client=http)
            async with Client(transport) as client:
                return await client.call_tool("add_knowledge", {"collection": "docs", **arguments})

    result = async_to_sync(call)()

    content: Any = result.content
    text = "".join(part.text for part in content)
    assert result.is_error
    assert any(part in text for part in says.split("|"))
    assert "Traceback" not in text
    assert Document.objects.filter(status="ready").count() == Chunk.objects.count() == 0


def test_mcp_keeps_unusual_text_and_cites_it():
    tenant = make_tenant()
    text = "A loom 🧶 of \u202e\u0645\u0631\u062d\u0628\u0627\u202c; DROP TABLE knowledge_chunk; --"

    async def call():
        async with serving(tenant.key) as http:
            transport = streamable_http_client(f"{BASE_URL}/mcp", http_client=http)
            async with Client(transport) as client:
                added = await client.call_tool(
                    "add_knowledge", {"collection": "docs", "title": "t", "text": text}
                )
                found = await client.call_tool(
                    "search_knowledge", {"query": "\u0645\u0631\u062d\u0628\u0627 loom"}
                )
                return added, found

    added, found = async_to_sync(call)()

    (hit,) = found.structured_content["hits"]
    stored = wiring.document_text(
        workspace_id=tenant.workspace_id, document_id=added.structured_content["document_id"]
    )
    assert stored == text
    assert stored[hit["start"] : hit["end"]] == hit["text"]


HOSTILE_QUERIES = [
    " ".join(f"term{i}" for i in range(10_000)) + " loom",
    "the of and a",
    "?!... --- ***",
    "'; DROP TABLE knowledge_chunk; --",
    "(a+)+$ [loom .* \\d{1,9999}",
    "%s %(x)s {} $1 \\",
    "🧶🎉",
    "\u202e\u0645\u0631\u062d\u0628\u0627",
]


@pytest.mark.parametrize("query", HOSTILE_QUERIES)
def test_each_door_of_search_answers_a_hostile_query(query):
    tenant = make_tenant()
    wiring.collection_ensure(workspace_id=tenant.workspace_id, slug="docs")
    wiring.ingest(
        workspace_id=tenant.workspace_id,
        collection="docs",
        documents=[files.text_document("a", "A loom weaves.")],
    )

    async def call():
        async with serving(tenant.key) as http:
            transport = streamable_http_client(f"{BASE_URL}/mcp", http_client=http)
            async with Client(transport) as client:
                return await client.call_tool("search_knowledge", {"query": query})

    rest = tenant.client().post("/api/v1/search", {"query": query}, format="json")
    result = async_to_sync(call)()

    assert rest.status_code == 200
    assert not result.is_error
    assert result.structured_content["hits"] == [
        {name: hit[name] for name in result.structured_content["hits"][0]}
        for hit in rest.json()["hits"]
    ]


def test_sources_of_what_failed_are_kept_for_a_retry_and_of_what_is_read_are_not():
    client = make_tenant().client()
    for name, content in (("a.json", b"{"), ("b.json", b'{"loom": "oak"}')):
        file = SimpleUploadedFile(name, content)
        made = client.post(
            "/api/v1/documents", {"collection": "docs", "file": file}, format="multipart"
        )
        wiring.document_ingest(made.json()["id"])

    assert [row.file_name for row in DocumentSource.objects.all()] == ["a.json"]
