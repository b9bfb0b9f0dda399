"""One embedding model takes another's place: searched all the while, resumable, nothing left."""

import threading

import pytest
from django.db import connection

from knowledge import selectors, wiring
from knowledge.core.errors import CollectionBusy, EmbeddingUnavailable, ReembeddingMissing
from knowledge.core.lists import Space
from knowledge.core.retrieval import search
from knowledge.core.types import DocumentInput, SearchQuery
from knowledge.loaders.registry import load
from knowledge.models import ChunkVector, Collection, EmbeddingModel, Reembedding
from knowledge.services import ingest, reembedding, serving
from knowledge.store import vectors
from knowledge.store.searching import DatabaseIndex
from knowledge.testing import WordEmbedder
from tests.factories.access import client_with, make_key, make_tenant
from tests.factories.knowledge import make_shelf

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = {f"d{i}": f"note {i} of loom and weft number{i}" for i in range(30)}


class Machine:
    """A shelf, the models its process can run, and the moves between them."""

    def __init__(self, *, old=None, new=None):
        self.old = old or WordEmbedder(model_id="old", dim=512)
        self.new = new or WordEmbedder(model_id="new", dim=768)
        self.running = {"old": self.old, "new": self.new}
        self.shelf = make_shelf(embedder=self.old)

    def put(self, texts, *, embedder=None):
        return list(
            ingest.documents_ingest(
                workspace_id=self.shelf.workspace_id,
                collection=self.shelf.ref,
                documents=[DocumentInput(external_id=n, text=t) for n, t in texts.items()],
                load=load,
                embedder=embedder or self.old,
                engine_of=self.running.get,
            )
        )

    def start(self, embedder=None):
        return reembedding.reembedding_start(
            workspace_id=self.shelf.workspace_id,
            collection="docs",
            embedder=embedder or self.new,
            queue=False,
        )

    def run(self, move, **options):
        return reembedding.reembedding_run(
            reembedding_id=move,
            engine_of=self.running.get,
            pause=lambda _: None,
            **options,
        )

    def found(self, query, **options):
        groups = serving.served(
            collection_ids=[self.shelf.ref.id], embedder=self.new, engine_of=self.running.get
        )
        spaces = [
            Space(
                embedder=group.engine,
                index=DatabaseIndex(
                    workspace_id=self.shelf.workspace_id,
                    collection_ids=group.collection_ids,
                    model_id=group.model_id,
                ),
            )
            for group in groups
            if group.engine is not None
        ]
        hits = search(SearchQuery(text=query, **options), index=self.shelf.index(), spaces=spaces)
        return [hit.external_id for hit in hits]

    def vectors_by(self):
        names = dict(EmbeddingModel.objects.values_list("id", "name"))
        rows = ChunkVector.objects.filter(collection_id=self.shelf.ref.id)
        found = {}
        for model_id in rows.values_list("model_id", flat=True):
            found[names[model_id]] = found.get(names[model_id], 0) + 1
        return found

    def serves(self):
        return Collection.objects.get(pk=self.shelf.ref.id).embedding_model.name


def test_a_move_to_a_model_of_another_dimension_is_searched_at_every_step_and_leaves_nothing_old():
    machine = Machine()
    machine.put(TEXTS)
    seen = []
    (move,) = machine.start()

    def look(done, total):
        seen.append((done, total, machine.serves(), machine.found("number7", fusion="dense")[0]))

    status = machine.run(move, on_progress=look)

    assert status == "done"
    assert machine.vectors_by() == {"new": 30}
    assert machine.serves() == "new"
    assert seen == [(0, 30, "old", "d7"), (30, 30, "new", "d7")]
    assert machine.found("number7", fusion="dense")[0] == "d7"
    assert machine.start() == []
    asked = len(machine.new.texts)
    assert {result.status for result in machine.put(TEXTS, embedder=machine.new)} == {"unchanged"}
    assert len(machine.new.texts) == asked
    assert machine.old.dim != machine.new.dim


def test_what_is_ingested_during_a_move_has_vectors_by_both_and_what_is_deleted_has_none():
    machine = Machine()
    machine.put(TEXTS)
    (move,) = machine.start()
    gone = selectors.document_list(workspace_id=machine.shelf.workspace_id)[0][0]["id"]

    def meddle(done, total):
        if done == 0:
            machine.put({"late": "zeppelin over the harbour"})
            wiring.document_delete(workspace_id=machine.shelf.workspace_id, document_id=gone)
            assert machine.vectors_by()["new"] == 1

    machine.run(move, on_progress=meddle)

    assert machine.vectors_by() == {"new": 30}
    assert machine.found("zeppelin harbour", fusion="dense")[0] == "late"


def test_a_move_that_died_goes_on_where_it_was_without_embedding_anything_twice():
    machine = Machine()
    machine.put({f"d{i}": f"loom of number{i}" for i in range(600)})
    (move,) = machine.start()

    def die(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine.run(move, on_progress=die)
    first = len(machine.new.texts)
    row = Reembedding.objects.get()
    during = (row.status, machine.serves(), machine.found("number7")[0])

    assert machine.run(move) == "done"
    assert during == ("running", "old", "d7")
    assert 0 < first < 600
    assert len(machine.new.texts) == len(set(machine.new.texts)) == 600
    assert machine.run(move) == "done"


def test_an_embedder_that_is_away_stops_a_move_with_the_reason_and_searches_go_on():
    machine = Machine()
    machine.put(TEXTS)
    (move,) = machine.start()
    machine.new.away = True

    with pytest.raises(EmbeddingUnavailable):
        machine.run(move)
    (stopped,) = selectors.reembedding_list(workspace_id=machine.shelf.workspace_id).results
    machine.new.away = False

    assert stopped["status"] == "running"
    assert stopped["error"]["code"] == "knowledge.embedding_unavailable"
    assert machine.found("number7")[0] == "d7"
    assert machine.run(move) == "done"


def test_a_cancelled_move_takes_its_vectors_with_it_and_another_model_may_follow():
    machine = Machine()
    machine.put(TEXTS)
    (move,) = machine.start()
    machine.put({"late": "zeppelin"})
    third = WordEmbedder(model_id="third", dim=16)
    machine.running["third"] = third
    with pytest.raises(CollectionBusy):
        machine.start(third)

    reembedding.reembedding_cancel(workspace_id=machine.shelf.workspace_id, reembedding_id=move)

    assert machine.vectors_by() == {"old": 31}
    assert machine.run(move) == "done" or machine.serves() == "old"
    (next_move,) = machine.start(third)
    assert machine.run(next_move) == "done"
    assert machine.vectors_by() == {"third": 31}
    with pytest.raises(ReembeddingMissing):
        reembedding.reembedding_cancel(workspace_id=machine.shelf.workspace_id, reembedding_id=move)


def test_a_model_whose_dimension_changed_is_replaced_by_itself_and_words_are_found_meanwhile():
    machine = Machine()
    machine.put(TEXTS)
    larger = WordEmbedder(model_id="old", dim=640)
    machine.running["old"] = larger

    machine.put({"late": "zeppelin over the harbour"}, embedder=larger)
    (move,) = Reembedding.objects.values_list("id", flat=True)
    meanwhile = machine.found("number7")[0], machine.found("zeppelin")[0]
    machine.run(move)

    assert meanwhile == ("d7", "late")
    assert set(ChunkVector.objects.values_list("model_id", flat=True)) == {
        EmbeddingModel.objects.get(dim=640).pk
    }
    assert ChunkVector.objects.count() == 31
    assert machine.found("number7", fusion="dense")[0] == "d7"


def test_the_index_of_the_old_model_goes_and_a_large_collection_gets_one_of_the_new(monkeypatch):
    monkeypatch.setattr(vectors, "EXACT_LIMIT", 10)
    machine = Machine()
    machine.put(TEXTS)
    vectors.index_bring_up_to_date(
        machine.shelf.ref.id, model_id=EmbeddingModel.objects.get(name="old").pk, dim=512
    )
    (move,) = machine.start()

    machine.run(move)

    ready = {
        name: vectors.ready_indexes(
            [machine.shelf.ref.id], model_id=EmbeddingModel.objects.get(name=name).pk
        )
        for name in ("old", "new")
    }
    assert ready == {"old": [], "new": [machine.shelf.ref.id]}
    assert machine.found("number7", fusion="dense")[0] == "d7"


def test_two_that_run_one_move_do_not_both_do_it():
    machine = Machine()
    machine.put(TEXTS)
    (move,) = machine.start()
    second = []

    def meddle(done, total):
        if not second:
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()

    def attempt():
        second.append(machine.run(move))
        connection.close()

    assert machine.run(move, on_progress=meddle) == "done"
    assert second in (["running"], ["queued"])
    assert machine.vectors_by() == {"new": 30}


def test_collections_of_different_models_are_searched_together():
    machine = Machine()
    machine.put(TEXTS)
    other = make_shelf(embedder=machine.new)
    Collection.objects.filter(pk=other.ref.id).update(
        workspace=machine.shelf.workspace_id, slug="other"
    )
    other.put_texts({"x": "sail and wind number7"})
    numbers = [machine.shelf.ref.id, other.ref.id]

    groups = serving.served(
        collection_ids=numbers, embedder=machine.new, engine_of=machine.running.get
    )

    assert {(g.name, tuple(g.collection_ids)) for g in groups} == {
        ("old", (machine.shelf.ref.id,)),
        ("new", (other.ref.id,)),
    }


def test_rest_starts_a_move_shows_it_and_a_stranger_sees_none_of_it():
    tenant, stranger = make_tenant(), make_tenant()
    wiring.collection_ensure(workspace_id=tenant.workspace_id, slug="notes")
    words = WordEmbedder(model_id="words", dim=24)
    list(
        ingest.documents_ingest(
            workspace_id=tenant.workspace_id,
            collection=selectors.collection_get(workspace_id=tenant.workspace_id, slug="notes"),
            documents=[DocumentInput(external_id="a", text="A loom weaves.")],
            load=load,
            embedder=words,
        )
    )
    url = "/api/v1/reembeddings"
    client = tenant.client()
    before = wiring.search(workspace_id=tenant.workspace_id, query="loom", explain=True)

    started = client.post(url, {"collection": "notes"}, format="json")
    move = started.json()["results"][0]
    shown = client.get(f"{url}/{move['id']}").json()
    foreign = [
        stranger.client().get(f"{url}/{move['id']}"),
        stranger.client().delete(f"{url}/{move['id']}"),
        stranger.client().post(url, {"collection": "notes"}, format="json"),
    ]
    weak = client_with(make_key(tenant.slug, ["knowledge:write"]))
    reembedding.reembedding_run(
        reembedding_id=move["id"], engine_of=wiring.engines.named, pause=lambda _: None
    )
    after = wiring.search(workspace_id=tenant.workspace_id, query="loom", explain=True)

    assert started.status_code == 202
    assert (move["from_model"], move["status"]) == ("words", "queued")
    assert shown == move
    assert [response.status_code for response in foreign] == [404, 404, 404]
    assert stranger.client().get(url).json()["results"] == []
    assert weak.post(url, {}, format="json").status_code == 403
    assert client.post(url, {"model": "nobody's"}, format="json").status_code == 400
    assert "words alone" in before[0].terms.notes[0]
    assert (after[0].terms.notes, after[0].terms.dense is not None) == ((), True)
    assert client.get(f"{url}/{move['id']}").json()["status"] == "done"


def test_all_moves_are_listed_page_by_page_and_told_by_their_ids():
    tenant = make_tenant()
    shelf = Collection.objects.create(workspace_id=tenant.workspace_id, slug="notes", name="Notes")
    model = EmbeddingModel.objects.create(name="old", dim=3)
    moves = Reembedding.objects.bulk_create(
        Reembedding(
            workspace_id=tenant.workspace_id, collection=shelf, to_model=model, status="done"
        )
        for _ in range(60)
    )
    ids = [str(move.pk) for move in moves]
    client = tenant.client()

    pages = [client.get("/api/v1/reembeddings?limit=40").json()]
    pages.append(client.get(pages[0]["next"]).json())
    told = selectors.reembedding_views(workspace_id=tenant.workspace_id, ids=ids)

    assert [len(page["results"]) for page in pages] == [40, 20]
    assert pages[1]["next"] is None
    assert {row["id"] for page in pages for row in page["results"]} == set(ids)
    assert {row["id"] for row in told} == set(ids)
