import pytest

from knowledge.core.errors import RerankUnavailable, SearchInvalid
from knowledge.core.lists import Space
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


def spaces_of(index, embedder):
    return [] if embedder is None else [Space(embedder=embedder, index=index)]


def found(query, *, index, embedder=None, **options):
    hits = search(
        SearchQuery(text=query, **options), index=index, spaces=spaces_of(index, embedder)
    )
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
    hits = search(SearchQuery(text="weaving cloth", explain=True), index=index_of(TEXTS))

    terms = hits[0].terms
    assert hits[0].document_id == "loom"
    assert list(terms.words) == ["weav", "cloth"]
    assert sum(terms.words.values()) == pytest.approx(terms.bm25, abs=1e-5)


@pytest.mark.parametrize("fusion", ["convex", "rrf", "lexical", "dense"])
def test_what_each_list_adds_makes_the_score(fusion):
    embedder = WordEmbedder()
    index = index_of(TEXTS, embedder)

    hits = search(
        SearchQuery(text="weaving cloth in the wind", explain=True, fusion=fusion),
        index=index,
        spaces=spaces_of(index, embedder),
    )

    assert len(hits) > 1
    for hit in hits:
        assert sum(hit.terms.parts.values()) == pytest.approx(hit.terms.fused)
        assert hit.terms.fused == hit.score
    assert (set(hits[0].terms.parts) == {"words", "meaning"}) == (fusion in ("convex", "rrf"))


def test_a_hit_points_into_its_document_and_shows_terms_only_when_asked():
    (hit,) = search(SearchQuery(text="sail"), index=index_of(TEXTS))

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
        search(SearchQuery(**options), index=MemoryIndex())


class LastFirst:
    """A reranker that likes the later of the texts it is shown, or is away."""

    def __init__(self, *, away=False):
        self.away = away
        self.asked = []

    def rerank(self, query, texts):
        if self.away:
            raise RerankUnavailable("the reranker answered 503")
        self.asked.append((query, list(texts)))
        return [float(place) for place in range(len(texts))]


def many(count):
    return index_of({f"d{i:03}": "loom " * (count - i) for i in range(count)})


def test_a_reranker_orders_the_best_passages_anew_and_the_others_come_after():
    index, judge = many(60), LastFirst()
    plain = search(SearchQuery(text="loom", limit=60), index=index)

    hits = search(SearchQuery(text="loom", limit=60, explain=True), index=index, reranker=judge)

    ids = [hit.document_id for hit in plain]
    assert [hit.document_id for hit in hits] == ids[:50][::-1] + ids[50:]
    assert [len(texts) for _, texts in judge.asked] == [50]
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= min(scores) <= max(scores) <= 1
    assert hits[0].terms.rerank == 49.0
    assert hits[-1].terms.rerank is None
    assert hits[0].terms.fused == plain[49].score


def test_a_reranker_that_fails_leaves_the_order_and_says_so_to_those_who_ask_why():
    index = many(5)
    plain = search(SearchQuery(text="loom", explain=True), index=index)

    hits = search(
        SearchQuery(text="loom", explain=True), index=index, reranker=LastFirst(away=True)
    )

    assert [(hit.document_id, hit.score) for hit in hits] == [
        (hit.document_id, hit.score) for hit in plain
    ]
    assert hits[0].terms.notes == ("not reranked: the reranker answered 503",)
    assert plain[0].terms.notes == ()


def test_a_limit_below_what_is_reranked_still_shows_the_reranker_all_of_it():
    judge = LastFirst()

    (hit,) = search(SearchQuery(text="loom", limit=1), index=many(10), reranker=judge)

    assert hit.document_id == "d009"


def test_an_expanded_query_finds_what_shares_no_word_with_it_by_words_of_the_first_hits():
    texts = {
        "a": "The zeppelin is an airship with hydrogen.",
        "b": "The zeppelin: an airship of hydrogen and canvas.",
        "c": "An airship burned: hydrogen.",
        "d": "Cats sleep.",
        "e": "Dogs bark.",
    }
    index = index_of(texts)

    plain = found("zeppelin", index=index)
    hits = search(SearchQuery(text="zeppelin", expand=True, explain=True), index=index)

    assert sorted(plain) == ["a", "b"]
    assert [hit.document_id for hit in hits[:2]] == plain
    assert [hit.document_id for hit in hits[2:]] == ["c"]
    assert set(hits[0].terms.expanded) == {"airship", "hydrogen"}
    assert set(hits[2].terms.words) == {"airship", "hydrogen"}
