"""What every `Index` promises, asked of each of them."""

import pytest

from knowledge.core.analysis import term_id
from knowledge.core.preparing import cut
from knowledge.core.ranking import query_weights
from knowledge.core.types import CorpusStatistics, LoadedText
from knowledge.indexes.memory import MemoryIndex
from knowledge.testing import WordEmbedder
from tests.factories.knowledge import make_shelf

pytestmark = pytest.mark.django_db

TEXTS = {
    "loom": "A loom weaves cloth. The loom is old.",
    "sail": "A sail catches the wind.",
    "cloth": "Cloth is washed, then cloth is dried and cut.",
}


def memory_index():
    index = MemoryIndex()
    embedder = WordEmbedder()
    for name, text in TEXTS.items():
        chunks = cut(LoadedText(text=text), title="", language="english")
        vectors = embedder.embed([chunk.embedding_text for chunk in chunks])
        index.add(chunks, document_id=name, title="", vectors=vectors)
    return index


def database_index():
    shelf = make_shelf(embedder=WordEmbedder())
    shelf.put_texts(TEXTS)
    return shelf.index()


@pytest.fixture(params=[memory_index, database_index])
def index(request):
    return request.param()


def names(index, scored):
    return [p.external_id for p in index.passages([item.chunk_id for item in scored])]


def test_statistics_count_chunks_lengths_and_the_terms_asked_for(index):
    terms = [term_id("cloth"), term_id("sail"), term_id("zeppelin")]

    assert index.statistics(terms) == CorpusStatistics(
        chunk_count=3,
        total_length=13,
        dfs={term_id("cloth"): 2, term_id("sail"): 1},
    )


def test_the_lexical_list_is_bm25_of_the_chunks_that_match(index):
    terms = {term_id("cloth"): 1, term_id("loom"): 1}
    statistics = index.statistics(list(terms))
    weights = query_weights(terms, statistics)

    scored = index.lexical(weights, statistics=statistics, limit=10)

    assert names(index, scored) == ["loom", "cloth"]
    assert [item.score for item in scored] == pytest.approx([1.7349, 0.6195], abs=0.001)


def test_the_dense_list_is_the_inner_product_of_all_chunks(index):
    (vector,) = WordEmbedder().embed([TEXTS["sail"]])

    scored = index.dense(vector, limit=2)

    assert len(scored) == 2
    assert names(index, scored)[0] == "sail"
    assert scored[0].score == pytest.approx(1.0, abs=0.001)


def test_among_some_chunks_the_dense_list_is_the_same_without_the_others(index):
    first, second = WordEmbedder().embed([TEXTS["sail"], TEXTS["cloth"]])
    near = index.dense(first, limit=2, spare=1)

    among = index.dense_among(second, [item.chunk_id for item in near[1:]], limit=3)

    whole = index.dense(second, limit=3)
    assert len(near) == 3
    assert among == [item for item in whole if item.chunk_id != near[0].chunk_id]


def test_vectors_and_passages_come_in_the_order_asked_for_and_skip_strangers(index):
    (vector,) = WordEmbedder().embed(["cloth sail loom"])
    ids = [item.chunk_id for item in index.dense(vector, limit=3)]
    wanted = [ids[2], 10**12, ids[0]]

    assert [p.chunk_id for p in index.passages(wanted)] == [ids[2], ids[0]]
    assert len(index.vectors(wanted)) == 2


def test_term_counts_hold_the_terms_asked_for(index):
    (vector,) = WordEmbedder().embed([TEXTS["cloth"]])
    (first,) = index.dense(vector, limit=1)

    counts = index.term_counts([first.chunk_id], [term_id("cloth"), term_id("sail")])

    assert counts == {first.chunk_id: (5, {term_id("cloth"): 2})}


def test_passages_point_into_their_document(index):
    (vector,) = WordEmbedder().embed([TEXTS["sail"]])
    (first,) = index.dense(vector, limit=1)

    (passage,) = index.passages([first.chunk_id])

    assert (passage.start, passage.end, passage.text) == (0, len(TEXTS["sail"]), TEXTS["sail"])
