"""The pages of knowledge: several files at once, their progress, and the search playground."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from knowledge import wiring
from knowledge.admin.searching import marked
from knowledge.core.types import DocumentInput
from knowledge.models import (
    Chunk,
    Collection,
    Document,
    DocumentSource,
    EmbeddingModel,
    Reembedding,
)
from loomsite.access.models import AuditEntry, Workspace
from tests.integration.admin.seeding import EVIL, Seeds, member, signed_in

pytestmark = pytest.mark.django_db


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
    assert not Document.objects.filter(collection=foreign, external_id="a.md").exists()
    assert "Nothing to follow" in seen


def test_a_viewer_uploads_nothing(shelf, home) -> None:
    client = signed_in(member(home.pk, "viewer"))

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


# ---------------------------------------------------------------- failed documents, other models


def _failed(shelf: Collection, name: str, *, kept: bool = True) -> Document:
    document = Document.objects.create(
        workspace=shelf.workspace, collection=shelf, external_id=name, status="failed", error=EVIL
    )
    if kept:
        DocumentSource.objects.create(document=document, file_name=name, content=b"# Words")
    return document


def test_all_failed_documents_of_a_collection_are_read_again_at_once(client, shelf, home) -> None:
    other = Collection.objects.create(workspace=home, slug="other", name="Other")
    again = [_failed(shelf, "a.md"), _failed(shelf, "b.md")]
    left = [_failed(shelf, "gone.md", kept=False), _failed(other, "c.md")]
    page = reverse("admin:knowledge_collection_change", args=[shelf.pk])
    button = reverse("admin:knowledge_collection_do", args=[shelf.pk, "retry_failed"])

    before = client.get(page).content.decode()
    said = client.post(button, follow=True).content.decode()

    assert "3 documents could not be read" in before
    assert button in before
    assert "2 documents will be read again" in said
    assert "1 cannot" in said
    states = dict(Document.objects.values_list("pk", "status"))
    assert [states[row.pk] for row in again] == ["pending"] * 2
    assert [states[row.pk] for row in left] == ["failed"] * 2
    assert AuditEntry.objects.filter(action="collection.retry_failed").count() == 1


def test_a_collection_without_failures_has_no_such_button(client, shelf) -> None:
    page = reverse("admin:knowledge_collection_change", args=[shelf.pk])

    assert "retry_failed" not in client.get(page).content.decode()


def _embedding(shelf: Collection) -> str:
    return reverse("admin:knowledge_collection_embedding", args=[shelf.pk])


def _old_vectors(shelf: Collection) -> None:
    old = EmbeddingModel.objects.create(name="an-old-model", dim=3)
    document = Document.objects.create(
        workspace=shelf.workspace, collection=shelf, external_id="a", status="ready", chunk_count=1
    )
    Chunk.objects.create(document=document, ordinal=0, text="words", start=0, end=5)
    Collection.objects.filter(pk=shelf.pk).update(embedding_model=old)


def test_a_collection_is_moved_to_another_model_with_progress_and_the_move_is_given_up(
    client, shelf
) -> None:
    _old_vectors(shelf)
    url = _embedding(shelf)

    silent = client.post(url, {"model": ""}, follow=True).content.decode()
    begun = client.post(url, {"model": "", "reason": "better in German"}, follow=True)
    (move,) = Reembedding.objects.all()
    Reembedding.objects.update(status="running", total=8, done=2)
    shown = client.get(url).content.decode()
    client.post(url, {"cancel": str(move.pk), "reason": "too dear"})
    move.refresh_from_db()

    assert "Say why" in silent
    assert "an-old-model" in begun.content.decode()
    assert 'aria-valuenow="25.0"' in shown
    assert 'hx-trigger="every 2s [!document.hidden]"' in shown
    assert (move.status, move.actor) == ("cancelled", "user:olga")
    told = AuditEntry.objects.filter(action__startswith="collection.reembed").order_by("pk")
    assert list(told.values_list("action", "reason")) == [
        ("collection.reembed", "better in German"),
        ("collection.reembed_cancel", "too dear"),
    ]


@pytest.mark.parametrize("form", [{"model": "no-such-model"}, {"cancel": "nonsense"}])
def test_a_move_that_cannot_be_is_refused_in_words(form, client, shelf) -> None:
    _old_vectors(shelf)

    page = client.post(_embedding(shelf), {"reason": "so", **form}, follow=True)

    assert page.status_code == 200
    assert not Reembedding.objects.exists()
    assert not AuditEntry.objects.exists()


def test_viewers_and_strangers_move_no_collection(shelf, home) -> None:
    _old_vectors(shelf)
    strange = Workspace.objects.create(slug="strange", name="Strange")
    for workspace, role, code in ((home, "viewer", 302), (strange, "owner", 404)):
        other = signed_in(member(workspace.pk, role))
        assert other.post(_embedding(shelf), {"reason": "so"}).status_code == code

    assert not Reembedding.objects.exists()
