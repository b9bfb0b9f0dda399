import pytest

from knowledge.core.errors import SearchInvalid
from knowledge.core.preparing import cut
from knowledge.core.retrieval import hit_value, search
from knowledge.core.types import LoadedText, SearchQuery
from knowledge.indexes.memory import MemoryIndex
from knowledge.testing import WordEmbedder

TEXTS = {
    "loom": "A loom weaves cloth from threads.",
    "sail": "A sail catches the wind at sea.",
    "cloth": "Cloth is washed and dried before it is cut.",
}


def index_of(texts, embedder=None):
    index = MemoryIndex()
    for name, text in texts.items():
        chunks = cut(LoadedText(text=text), title=name, language="english")
        vectors = embedder and embedder.embed([chunk.embedding_text for chunk in chunks])
        index.add(chunks, document_id=name, title=name, vectors=vectors)
    return index


def found(query, *, index, embedder=None, **options):
    hits = search(SearchQuery(text=query, **options), index=index, embedder=embedder)
    return [hit.document_id for hit in hits]


@pytest.mark.parametrize("fusion", ["convex", "rrf", "lexical", "dense"])
def test_every_fusion_finds_the_passage_about_the_query(fusion):
    embedder = WordEmbedder()
    index = index_of(TEXTS, embedder)

    assert found("weaving threads", index=index, embedder=embedder, fusion=fusion)[0] == "loom"


def test_terms_are_ored_so_an_unknown_word_hides_nothing():
    assert found("loom zeppelin", index=index_of(TEXTS)) == ["loom"]


def test_without_known_words_and_without_vectors_nothing_is_found():
    assert found("zeppelin", index=index_of(TEXTS)) == []
    assert found("the of and", index=index_of(TEXTS)) == []


def test_stop_words_alone_are_answered_by_the_vectors():
    embedder = WordEmbedder()

    assert len(found("the of", index=index_of(TEXTS, embedder), embedder=embedder)) == 3


def test_an_empty_index_gives_no_hits_and_asks_no_embedder():
    embedder = WordEmbedder()

    assert found("loom", index=MemoryIndex(), embedder=embedder) == []
    assert embedder.texts == []


def test_grouping_by_document_keeps_the_best_chunk_of_each():
    texts = {"long": "The loom weaves cloth daily. " * 200, **TEXTS}
    index = index_of(texts)

    assert found("loom cloth", index=index, limit=3).count("long") > 1
    assert sorted(found("loom cloth", index=index, limit=3, group_by="document")) == [
        "cloth",
        "long",
        "loom",
    ]


def test_explain_gives_the_share_of_each_word():
    hits = search(
        SearchQuery(text="weaving cloth", explain=True), index=index_of(TEXTS), embedder=None
    )

    terms = hits[0].terms
    assert hits[0].document_id == "loom"
    assert list(terms.words) == ["weav", "cloth"]
    assert sum(terms.words.values()) == pytest.approx(terms.bm25, abs=1e-3)


def test_a_hit_points_into_its_document_and_shows_terms_only_when_asked():
    (hit,) = search(SearchQuery(text="sail"), index=index_of(TEXTS), embedder=None)

    assert TEXTS["sail"][hit.start : hit.end] == hit.text
    assert hit_value(hit) == {
        "document_id": "sail",
        "external_id": "sail",
        "chunk_id": "2",
        "title": "sail",
        "text": TEXTS["sail"],
        "score": 0.5,
        "start": 0,
        "end": 31,
        "highlights": ((2, 6),),
    }


@pytest.mark.parametrize(
    "options", [{"text": " "}, {"text": "x" * 200_001}, {"text": "x", "limit": 0}]
)
def test_a_query_that_cannot_be_answered_is_refused(options):
    with pytest.raises(SearchInvalid):
        search(SearchQuery(**options), index=MemoryIndex(), embedder=None)
