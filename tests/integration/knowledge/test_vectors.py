"""The HNSW index of a large collection: built, kept up to date, dropped."""

import pytest
from django.core.management import call_command
from django.db import transaction

from knowledge.core.types import DocumentInput, Filters
from knowledge.models import ChunkVector
from knowledge.services.collections import collection_delete
from knowledge.services.embeddings import embedding_model_ensure, vectors_index
from knowledge.store import vectors
from knowledge.store.rows import rows
from tests.factories.knowledge import make_shelf

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = "loom weft warp sail wind cloth thread frame shuttle heddle reed treadle".split()  # noqa: SIM905 -- easier to read


def filled_shelf(count=150):
    shelf = make_shelf()
    shelf.put(
        *(
            DocumentInput(
                external_id=f"d{i}",
                text=" ".join(WORDS[(i * step) % len(WORDS)] for step in range(1, 7)) + f" n{i}",
                tags=["even" if i % 2 == 0 else "odd"],
            )
            for i in range(count)
        )
    )
    return shelf


def nearest(shelf, text, *, limit=10, filters=None):
    (vector,) = shelf.embedder.embed([text])
    # Scores, as many chunks of these words are equally near.
    return [round(item.score, 3) for item in shelf.index(filters).dense(vector, limit=limit)]


def test_the_index_finds_what_the_scan_finds_and_fresh_rows_too():
    shelf = filled_shelf()
    scanned = nearest(shelf, "loom weft n7")
    odd = nearest(shelf, "loom weft n7", filters=Filters(tags=("odd",)))

    assert vectors_index(collection_id=shelf.ref.id)
    model_id = embedding_model_ensure(embedder=shelf.embedder)
    assert vectors.ready_indexes([shelf.ref.id], model_id=model_id) == [shelf.ref.id]
    assert nearest(shelf, "loom weft n7") == scanned
    assert nearest(shelf, "loom weft n7", filters=Filters(tags=("odd",))) == odd

    shelf.put_texts({"new": "zeppelin over the harbour"})
    assert ChunkVector.objects.filter(indexed=False).count() == 1
    assert shelf.found("zeppelin harbour", fusion="dense", limit=1) == ["new"]
    vectors_index(collection_id=shelf.ref.id)
    assert ChunkVector.objects.filter(indexed=False).count() == 0
    assert shelf.found("zeppelin harbour", fusion="dense", limit=1) == ["new"]


def test_the_index_answers_whatever_the_planner_believes_of_the_number_of_its_rows():
    shelf = filled_shelf()
    vectors_index(collection_id=shelf.ref.id)
    model_id = embedding_model_ensure(embedder=shelf.embedder)

    with transaction.atomic():
        nearest(shelf, "loom weft n7")
        name = f"knowledge_hnsw_{shelf.ref.id}_{model_id}"
        scans = rows("SELECT pg_stat_get_xact_numscans(%(n)s::regclass)", {"n": name})

    assert scans == [(1,)]


def test_a_small_collection_beside_an_indexed_one_gets_all_of_its_hits():
    large = filled_shelf()
    vectors_index(collection_id=large.ref.id)
    small = make_shelf()
    small.put_texts({"a": "loom weft", "b": "sail wind"})

    assert sorted(small.found("loom weft warp", fusion="dense")) == ["a", "b"]


def test_a_deleted_collection_takes_its_index_with_it():
    shelf = filled_shelf(20)
    vectors_index(collection_id=shelf.ref.id)
    model_id = embedding_model_ensure(embedder=shelf.embedder)

    collection_delete(workspace_id=shelf.workspace_id, slug="docs")

    assert vectors.ready_indexes([shelf.ref.id], model_id=model_id) == []
    assert ChunkVector.objects.count() == 0


def test_the_command_builds_the_index_of_a_large_collection_itself(tmp_path, monkeypatch, capsys):
    for name in WORDS[:4]:
        (tmp_path / f"{name}.txt").write_text(f"A {name}.")
    monkeypatch.setattr(vectors, "EXACT_LIMIT", 3)

    for _ in range(2):
        call_command("knowledge_ingest", "docs", str(tmp_path), "--json")

    collection, model_id = ChunkVector.objects.values_list("collection_id", "model_id").first()
    assert vectors.ready_indexes([collection], model_id=model_id) == [collection]
    assert capsys.readouterr().err.count("Building the index") == 1


def test_a_collection_below_the_limit_wants_no_index():
    shelf = filled_shelf(20)
    model_id = embedding_model_ensure(embedder=shelf.embedder)

    assert not vectors.wants_indexing(shelf.ref.id, model_id=model_id)
