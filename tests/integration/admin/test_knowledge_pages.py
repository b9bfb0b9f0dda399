"""The pages of knowledge: several files at once, their progress, and the search playground."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from knowledge import wiring
from knowledge.admin.searching import marked
from knowledge.core.types import DocumentInput
from knowledge.models import Collection, Document
from loomsite.access.models import AuditEntry, Workspace
from tests.integration.admin.seeding import EVIL, Seeds, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> Workspace:
    return Workspace.objects.create(slug="home", name="Home")


@pytest.fixture
def client(home: Workspace) -> Client:
    made = Client()
    made.force_login(member(home.pk, "operator", "olga"))
    return made


@pytest.fixture
def shelf(home: Workspace) -> Collection:
    return Collection.objects.create(workspace=home, slug="shelf", name="Shelf")


def _url(page: str) -> str:
    return reverse(f"admin:knowledge_{page}")


def _file(name: str, text: bytes = b"# Notes\n\nSome words.") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text)


def test_several_files_are_taken_in_and_their_progress_is_told(client, shelf) -> None:
    answer = client.post(
        _url("document_upload"),
        {"collection": shelf.pk, "tags": "a, b", "files": [_file("one.md"), _file(f"{EVIL}.md")]},
        headers={"Accept": "application/json"},
    )
    taken = json.loads(answer.content)["files"]

    ids = ",".join(each["id"] for each in taken)
    progress = client.get(_url("document_progress"), {"ids": f"{ids},nonsense"}).content.decode()

    assert [each["error"] for each in taken] == ["", ""]
    rows = Document.objects.order_by("external_id").values_list("tags", "status")
    assert list(rows) == [(["a", "b"], "pending")] * 2
    assert progress.count("pending") == 2
    assert "one.md" in progress
    assert EVIL not in progress
    assert "hx-get" in progress
    Document.objects.update(status="ready", chunk_count=3)
    assert "hx-get" not in client.get(_url("document_progress"), {"ids": ids}).content.decode()
    assert AuditEntry.objects.filter(action="document.upload").count() == 2


def test_a_plain_form_uploads_too_and_says_what_was_not_taken(client, shelf) -> None:
    nothing = client.post(_url("document_upload"), {"collection": shelf.pk}, follow=True)
    good = client.post(
        _url("document_upload"), {"collection": shelf.pk, "files": [_file("a.md")]}, follow=True
    )

    assert "Choose at least one file" in nothing.content.decode()
    assert "1 file taken in" in good.content.decode()


def test_nothing_is_uploaded_into_another_workspace_or_followed_there(client, home) -> None:
    theirs = Seeds("theirs")
    theirs.more()
    foreign = theirs.rows[Collection][0]
    document = theirs.rows[Document][0]

    posted = client.post(
        _url("document_upload"), {"collection": foreign.pk, "files": [_file("a.md")]}
    )
    missing = client.post(_url("document_upload"), {"collection": "x", "files": [_file("a.md")]})
    seen = client.get(_url("document_progress"), {"ids": str(document.pk)}).content.decode()

    assert (posted.status_code, missing.status_code) == (404, 404)
    assert not Document.objects.filter(collection=foreign, title="a.md").exists()
    assert "Nothing to follow" in seen


def test_a_viewer_uploads_nothing(shelf, home) -> None:
    client = Client()
    client.force_login(member(home.pk, "viewer"))

    assert client.get(_url("document_upload")).status_code == 403
    assert client.post(_url("document_upload"), {"collection": shelf.pk}).status_code == 403


def test_the_playground_shows_why_a_passage_ranks_where_it_does(client, home, shelf) -> None:
    wiring.ingest(
        workspace_id=home.pk,
        collection="shelf",
        documents=[
            DocumentInput(external_id="loom", title="Looms", text=f"A loom weaves cloth. {EVIL}"),
            DocumentInput(external_id="sea", title="Seas", text="The sea is salty and deep."),
        ],
    )

    page = client.get(_url("collection_search"), {"q": "weaves cloth", "collection": "shelf"})
    text = page.content.decode()

    hits = page.context["hits"]
    assert hits[0]["hit"].external_id == "loom"
    assert hits[0]["terms"].bm25 > 0
    assert "<mark>weaves</mark>" in text
    assert "words (BM25)" in text
    assert EVIL not in text


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"q": "x", "collection": "theirs"}, "There is no collection"),
        ({"q": "zzzz"}, "Nothing found"),
        ({"q": "\x00"}, "Ask something"),
        ({"q": "x", "limit": "9999", "fusion": "magic"}, "Nothing found"),
    ],
)
def test_the_playground_answers_what_cannot_be_found_in_words(
    asked, sentence, client, shelf
) -> None:
    assert sentence in client.get(_url("collection_search"), asked).content.decode()


def test_marks_are_escaped_clipped_and_joined() -> None:
    assert marked("a <b> c", [(2, 5), (4, 99), (-3, 1), (5, 5)]) == (
        "<mark>a</mark> <mark>&lt;b&gt;</mark><mark> c</mark>"
    )
