"""Documents in: what is stored, what is left alone, what is refused."""

import pytest

from knowledge.core.errors import EmbeddingUnavailable
from knowledge.core.types import DocumentInput
from knowledge.models import (
    CachedEmbedding,
    Chunk,
    ChunkTerms,
    ChunkVector,
    Document,
    Posting,
    StatisticsDelta,
    TermStatistic,
)
from knowledge.services.collections import collection_delete
from knowledge.services.documents import document_delete
from knowledge.store.statistics import statistics_fold
from knowledge.testing import WordEmbedder
from tests.factories.knowledge import make_shelf

pytestmark = pytest.mark.django_db
SECTION = "Every loom has a frame, a warp and a weft, and needs oil once a year. " * 12


def test_offsets_point_into_the_stored_text():
    shelf = make_shelf()

    shelf.put_texts({"a": f"# One\r\n\r\n{SECTION}\x00\n\n# Two\n\n{SECTION}"})

    document = Document.objects.get()
    chunks = list(document.chunks.all())
    assert document.chunk_count == len(chunks) == 2
    assert [document.text[c.start : c.end] for c in chunks] == [c.text for c in chunks]
    assert "\x00" not in document.text
    assert "\r" not in document.text


def test_ingesting_the_same_again_asks_the_embedder_for_nothing_and_changes_nothing():
    shelf = make_shelf(embedder=WordEmbedder())
    texts = {f"d{i}": f"Document number {i} about looms." for i in range(20)}
    shelf.put_texts(texts)
    before = sorted(Chunk.objects.values_list("id", flat=True))
    shelf.embedder.texts.clear()

    results = shelf.put_texts(texts)

    assert {item.status for item in results} == {"unchanged"}
    assert shelf.embedder.texts == []
    assert sorted(Chunk.objects.values_list("id", flat=True)) == before


def test_of_a_changed_document_only_the_changed_chunks_are_made_anew():
    shelf = make_shelf(embedder=WordEmbedder())
    shelf.put_texts({"a": f"# One\n\n{SECTION}\n\n# Two\n\n{SECTION}"})
    first, _ = Chunk.objects.order_by("ordinal").values_list("id", flat=True)
    shelf.embedder.texts.clear()

    shelf.put_texts({"a": f"# One\n\n{SECTION}\n\n# New\n\n{SECTION.replace('oil', 'care')}"})

    rows = Chunk.objects.order_by("ordinal")
    assert rows[0].id == first
    assert len(shelf.embedder.texts) == 1
    assert shelf.found("oil", fusion="lexical") == ["a"]
    assert [hit.text for hit in shelf.search("weft", limit=9) if "# Two" in hit.text] == []


def test_a_document_of_a_megabyte_is_kept_as_it_came_and_changed_in_place():
    shelf = make_shelf(embedder=WordEmbedder())
    text = "\n\n".join(
        f"Part {i}\tof C:\\loom\\{i} 🧶. {SECTION[:700]} only{i}." for i in range(1_400)
    )
    (first,) = shelf.put_texts({"a": text})
    before = dict(Chunk.objects.values_list("content_hash", "id"))
    shelf.embedder.texts.clear()

    (second,) = shelf.put_texts({"a": "A new beginning.\n\n" + text + " And an end."})

    document = Document.objects.get()
    assert (first.status, second.status) == ("ready", "ready")
    assert document.text == "A new beginning.\n\n" + text + " And an end."
    chunks = list(Chunk.objects.order_by("ordinal"))
    assert [c.ordinal for c in chunks] == list(range(document.chunk_count))
    assert all(document.text[c.start : c.end] == c.text for c in chunks)
    new = [c for c in chunks if c.content_hash not in before]
    assert 0 < len(new) == len(shelf.embedder.texts) < len(chunks) / 2
    assert ChunkTerms.objects.count() == ChunkVector.objects.count() == len(chunks)
    assert shelf.found("only1399", fusion="lexical") == ["a"]


def test_metadata_and_tags_change_without_anything_being_indexed_again():
    shelf = make_shelf(embedder=WordEmbedder())
    shelf.put(DocumentInput(external_id="a", text="Looms.", tags=["old"]))
    shelf.embedder.texts.clear()

    shelf.put(DocumentInput(external_id="a", text="Looms.", tags=["new"], metadata={"n\x00": 1}))

    row = Document.objects.get()
    assert (row.tags, row.metadata) == (["new"], {"n": 1})
    assert shelf.embedder.texts == []


def test_a_bad_document_fails_alone_and_says_why():
    shelf = make_shelf()

    results = shelf.put(
        DocumentInput(external_id="empty", text=" \n"),
        DocumentInput(external_id="exe", content=b"MZ", file_name="a.exe"),
        DocumentInput(external_id="", text="No name."),
        DocumentInput(external_id="binary", content=bytes(range(256)) * 9, file_name="a.txt"),
        DocumentInput(external_id="json", content=b"{", file_name="a.json"),
        DocumentInput(external_id="good", text="A loom."),
    )

    assert [(item.external_id, item.status, item.error_code) for item in results] == [
        ("empty", "failed", "knowledge.document_empty"),
        ("exe", "failed", "knowledge.format_unsupported"),
        ("", "failed", "knowledge.document_rejected"),
        ("binary", "failed", "knowledge.document_unreadable"),
        ("json", "failed", "knowledge.document_unreadable"),
        ("good", "ready", ""),
    ]
    assert Document.objects.get(external_id="empty").error == "The document has no text."
    assert shelf.found("loom") == ["good"]


def test_a_failed_new_version_leaves_the_old_one_findable():
    shelf = make_shelf()
    shelf.put_texts({"a": "A loom."})

    shelf.put(DocumentInput(external_id="a", content=b"{", file_name="a.json"))

    assert Document.objects.get().status == "failed"
    assert shelf.found("loom") == ["a"]
    assert shelf.put_texts({"a": "A loom."})[0].status == "ready"


def test_metadata_that_is_no_json_is_an_error_of_its_document_and_the_others_go_on():
    shelf = make_shelf()
    odd = {"nan": float("nan"), "object": object()}

    results = shelf.put(
        *(
            DocumentInput(external_id=name, text="A loom.", metadata={"a": value})
            for name, value in (odd | {"good": "x"}).items()
        )
    )

    assert [(item.external_id, item.status) for item in results] == [
        ("nan", "failed"),
        ("object", "failed"),
        ("good", "ready"),
    ]


def test_a_name_that_is_none_leaves_no_row_and_no_mark_on_another_document():
    shelf = make_shelf()
    longest = "x" * 500
    shelf.put_texts({longest: "A loom.", "ab": "A sail."})

    results = shelf.put_texts({longest + "y": "Other.", "a\x00b": "Other.", "a\ud800b": "Other."})

    assert [(item.status, item.document_id) for item in results] == [("failed", None)] * 3
    rows = Document.objects.order_by("external_id").values_list("external_id", "status")
    assert list(rows) == [("ab", "ready"), (longest, "ready")]


def test_the_same_external_id_twice_in_a_batch_gives_the_later_text():
    shelf = make_shelf()

    results = shelf.put(
        DocumentInput(external_id="a", text="First."),
        DocumentInput(external_id="a", text="Second."),
    )

    assert [item.status for item in results] == ["ready"]
    assert Document.objects.get().text == "Second."


@pytest.mark.parametrize(
    "text", ["🎉🧶 emoji", "مرحبا بالعالم \u202e rtl", "a\u0301 combining", "x" * 50_000]
)
def test_unusual_text_is_stored_and_cited_exactly(text):
    shelf = make_shelf()

    shelf.put_texts({"a": text})

    hit = shelf.search(text[:40])[0]
    assert Document.objects.get().text[hit.start : hit.end] == hit.text


def test_deleting_documents_and_collections_leaves_nothing_behind_but_cached_embeddings():
    shelf = make_shelf()
    shelf.put_texts({"a": "A loom weaves.", "b": "A sail."})

    document_delete(workspace_id=shelf.workspace_id, document_id=str(Document.objects.first().pk))
    statistics_fold(shelf.ref.id)
    kept = Document.objects.get()
    assert shelf.found("loom sail weave", limit=9) == [kept.external_id]
    assert shelf.index().statistics([]).chunk_count == 1
    collection_delete(workspace_id=shelf.workspace_id, slug="docs")

    for model in (Document, Chunk, ChunkTerms, ChunkVector, Posting, StatisticsDelta):
        assert model.objects.count() == 0, model
    assert TermStatistic.objects.count() == 0
    assert CachedEmbedding.objects.count() == 2


def test_an_embedder_that_goes_away_keeps_what_was_done_and_the_next_try_finishes():
    shelf = make_shelf(embedder=WordEmbedder())
    shelf.put_texts({"a": "A loom."})
    shelf.embedder.away = True

    with pytest.raises(EmbeddingUnavailable):
        shelf.put_texts({"a": "A loom.", "b": "A sail."})
    shelf.embedder.away = False
    results = shelf.put_texts({"a": "A loom.", "b": "A sail."})

    assert [item.status for item in results] == ["unchanged", "ready"]


def test_another_embedding_model_adds_its_vectors_and_keeps_the_chunks():
    shelf = make_shelf(embedder=WordEmbedder())
    shelf.put_texts({"a": "A loom."})
    chunk_id = Chunk.objects.get().id
    wider = type(shelf)(
        workspace_id=shelf.workspace_id,
        ref=shelf.ref,
        embedder=WordEmbedder(model_id="wider", dim=96),
    )

    assert wider.found("loom") == ["a"]
    assert wider.put_texts({"a": "A loom."})[0].status == "ready"

    assert Chunk.objects.get().id == chunk_id
    assert ChunkVector.objects.count() == 2
    assert wider.search("loom", fusion="dense") != []
    assert shelf.search("loom", fusion="dense") != []


def test_with_embedding_off_documents_are_found_by_words():
    shelf = make_shelf(embedder=None)

    shelf.put_texts({"a": "A loom."})

    assert shelf.found("looms") == ["a"]
    assert ChunkVector.objects.count() == 0
