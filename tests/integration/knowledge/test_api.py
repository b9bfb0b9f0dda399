"""Collections, documents and search over REST."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from knowledge import wiring
from knowledge.models import Collection, Document
from tests.factories.access import client_with, make_key, make_tenant
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
COLLECTIONS = "/api/v1/collections"
DOCUMENTS = "/api/v1/documents"
SEARCH = "/api/v1/search"


def post(client, path, body):
    return client.post(path, body, format="json")


def add(tenant, text, **fields):
    body = {"collection": "notes", "text": text, **fields}
    document = post(tenant.client(), DOCUMENTS, body).json()
    wiring.document_ingest(document["id"])
    return document


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ('{"lang": "de", "n": [1]}', {"lang": "de", "n": [1]}),
        ("[1]", None),
        ('{"lang":', None),
        ('{"a": NaN}', None),
        ('{"a": "\\u0000"}', None),
        ('{"a":' * 5_000, None),
    ],
)
def test_a_form_carries_metadata_as_the_text_of_an_object(metadata, kept):
    client = make_tenant().client()
    file = SimpleUploadedFile("a.md", b"# A loom")
    body = {"collection": "notes", "file": file, "metadata": metadata, "tags": ["x", "y"]}

    answer = client.post(DOCUMENTS, body, format="multipart")

    assert answer.status_code == (201 if kept else 400)
    if kept:
        assert (answer.json()["metadata"], answer.json()["tags"]) == (kept, ["x", "y"])
    else:
        assert answer.json()["errors"][0]["field"] == "metadata"


@requirement("http.search")
def test_a_text_is_taken_in_ingested_by_its_job_and_found():
    tenant = make_tenant()
    client = tenant.client()
    body = {"collection": "notes", "title": "Looms", "text": "A loom weaves.", "metadata": {"n": 1}}

    created = post(client, DOCUMENTS, body)
    document = created.json()
    assert created.status_code == 201
    assert (document["status"], document["collection"]) == ("pending", "notes")
    assert wiring.document_ingest(document["id"]) == "ready"
    stored = client.get(f"{DOCUMENTS}/{document['id']}").json()
    hits = post(client, SEARCH, {"query": "weaving", "collection": "notes"}).json()["hits"]

    assert (stored["status"], stored["text"], stored["error"]) == ("ready", "A loom weaves.", None)
    (hit,) = hits
    assert set(hit) == {
        "document_id", "external_id", "chunk_id", "title", "text", "score", "start", "end",
        "highlights",
    }  # fmt: skip
    assert hit["document_id"] == document["id"]
    assert stored["text"][hit["start"] : hit["end"]] == hit["text"]


@requirement("http.search")
def test_explain_adds_the_terms_of_the_score():
    tenant = make_tenant()
    add(tenant, "A loom weaves.")

    (hit,) = post(tenant.client(), SEARCH, {"query": "loom", "explain": True}).json()["hits"]

    assert set(hit["terms"]) == {
        "bm25", "dense", "words", "parts", "fused", "rerank", "expanded", "notes",
    }  # fmt: skip
    assert list(hit["terms"]["words"]) == ["loom"]


def test_a_file_is_taken_in_by_form_and_replaced_under_the_same_name():
    client = make_tenant().client()

    def upload(content):
        file = SimpleUploadedFile("looms.md", content)
        return client.post(DOCUMENTS, {"collection": "notes", "file": file}, format="multipart")

    first = upload(b"# Looms\n\nOld.").json()
    wiring.document_ingest(first["id"])
    second = upload(b"# Looms\n\nNew.")
    wiring.document_ingest(second.json()["id"])

    assert second.status_code == 201
    assert second.json()["id"] == first["id"]
    stored = client.get(f"{DOCUMENTS}/{first['id']}").json()
    assert (stored["title"], stored["text"]) == ("Looms", "# Looms\n\nNew.")


def test_a_document_that_cannot_be_read_says_so_and_can_be_tried_again():
    client = make_tenant().client()
    file = SimpleUploadedFile("a.json", b"{")
    created = client.post(DOCUMENTS, {"collection": "notes", "file": file}, format="multipart")
    path = f"{DOCUMENTS}/{created.json()['id']}"

    assert wiring.document_ingest(created.json()["id"]) == "failed"
    failed = client.get(path).json()
    retried = post(client, f"{path}/retry", {})

    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "knowledge.document_unreadable"
    assert (retried.status_code, retried.json()["status"]) == (202, "pending")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (SEARCH, {}, 400),
        (SEARCH, {"query": "  "}, 400),
        (SEARCH, {"query": 5}, 400),
        (SEARCH, {"query": "a", "limit": 0}, 400),
        (SEARCH, {"query": "a", "limit": 101}, 400),
        (SEARCH, {"query": "a", "filters": {"tga": ["x"]}}, 400),
        (SEARCH, {"query": "a", "group_by": "title"}, 400),
        (SEARCH, {"query": "a", "collection": "nowhere"}, 404),
        (SEARCH, {"query": "a\x00"}, 400),
        (DOCUMENTS, {"collection": "notes"}, 400),
        (DOCUMENTS, {"collection": "notes", "text": " \n"}, 400),
        (DOCUMENTS, {"collection": "not a slug", "text": "a"}, 400),
        (DOCUMENTS, {"collection": "notes", "text": "a", "metadata": []}, 400),
        (COLLECTIONS, {}, 400),
        (COLLECTIONS, {"slug": "a", "language": "klingon"}, 400),
    ],
)
def test_bad_input_is_a_problem_and_nothing_is_written(path, body, status):
    response = post(make_tenant().client(), path, body)

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert (Collection.objects.count(), Document.objects.count()) == (0, 0)


def test_an_empty_file_is_refused_at_once():
    file = SimpleUploadedFile("a.md", b"")

    response = (
        make_tenant()
        .client()
        .post(DOCUMENTS, {"collection": "notes", "file": file}, format="multipart")
    )

    assert (response.status_code, response.json()["code"]) == (400, "knowledge.document_empty")


def test_a_stranger_meets_the_same_404_as_for_what_never_was():
    document = add(make_tenant(), "A secret loom.")
    client = make_tenant().client()
    missing = "00000000-0000-4000-8000-000000000000"

    for method, path, stranger in [
        (client.get, DOCUMENTS, document["id"]),
        (client.delete, DOCUMENTS, document["id"]),
        (client.get, COLLECTIONS, "notes"),
        (client.delete, COLLECTIONS, "notes"),
    ]:
        absent = missing if path == DOCUMENTS else "nothing"
        responses = [method(f"{path}/{name}") for name in (stranger, absent)]
        assert [r.status_code for r in responses] == [404, 404]
        assert responses[0].json()["code"] == responses[1].json()["code"]
    assert post(client, SEARCH, {"query": "secret loom"}).json() == {"hits": []}
    assert client.get(DOCUMENTS).json()["results"] == []
    assert client.get(COLLECTIONS).json()["results"] == []
    assert Document.objects.count() == 1


@pytest.mark.parametrize(
    ("scope", "path", "method", "status"),
    [
        ("knowledge:read", SEARCH, "post", 400),
        ("knowledge:read", DOCUMENTS, "post", 403),
        ("knowledge:read", COLLECTIONS, "post", 403),
        ("tasks:read", SEARCH, "post", 403),
        ("tasks:read", DOCUMENTS, "get", 403),
    ],
)
def test_each_door_asks_for_its_scope(scope, path, method, status):
    tenant = make_tenant()
    client = client_with(make_key(tenant.slug, [scope]))

    assert getattr(client, method)(path, {}, format="json").status_code == status


def test_collections_are_made_once_changed_listed_and_deleted():
    client = make_tenant().client()

    made = post(client, COLLECTIONS, {"name": "My Notes"})
    again = post(client, COLLECTIONS, {"slug": "my-notes"})
    changed = client.patch(f"{COLLECTIONS}/my-notes", {"description": "d"}, format="json")
    listed = client.get(COLLECTIONS).json()
    deleted = client.delete(f"{COLLECTIONS}/my-notes/")

    assert (made.status_code, again.status_code) == (201, 200)
    assert changed.json()["description"] == "d"
    assert [row["slug"] for row in listed["results"]] == ["my-notes"]
    assert deleted.status_code == 204
    assert client.get(COLLECTIONS).json()["results"] == []


def test_documents_are_paged_newest_first_and_narrowed():
    tenant = make_tenant()
    client = tenant.client()
    for i in range(3):
        add(tenant, f"Note {i}.", title=f"n{i}")
    post(client, DOCUMENTS, {"collection": "other", "text": "Another."})

    first = client.get(f"{DOCUMENTS}?limit=2&collection=notes").json()
    second = client.get(first["next"]).json()
    pending = client.get(f"{DOCUMENTS}?status=pending").json()

    assert [row["title"] for row in first["results"]] == ["n2", "n1"]
    assert [row["title"] for row in second["results"]] == ["n0"]
    assert second["next"] is None
    assert [row["collection"] for row in pending["results"]] == ["other"]
    assert client.get(f"{DOCUMENTS}?status=lost").status_code == 400
    assert client.get(f"{DOCUMENTS}?cursor=xyz").status_code == 400


@pytest.mark.parametrize("path", [DOCUMENTS, COLLECTIONS])
def test_lists_cost_the_same_for_one_row_and_for_three(path):
    tenant = make_tenant()
    client = tenant.client()
    counts = []
    for names in (["a"], ["b", "c"]):
        for name in names:
            post(client, DOCUMENTS, {"collection": name, "text": name})
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(path)
        counts.append(len(queries))

    assert counts[0] == counts[1]
