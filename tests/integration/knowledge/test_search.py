"""The search that agents, REST and MCP call, on real embeddings and on words."""

import pytest

from knowledge import wiring
from knowledge.core.citations import Citation
from knowledge.core.errors import CollectionMissing, DocumentMissing
from knowledge.core.types import DocumentInput, Filters
from knowledge.services.collections import collection_ensure
from tests.factories.access import make_tenant
from tests.factories.knowledge import make_shelf

pytestmark = pytest.mark.django_db

FACTS = {
    "boiling": "Water boils at one hundred degrees Celsius at sea level.",
    "vaccine": "Immunisation protects children against measles.",
    "loom": "The Jacquard machine controls the weaving of patterns with punched cards.",
    "tokyo": "東京は日本の首都であり、世界最大の都市圏の一つである。",
    "retry": "Call retryWithBackoff when MAX_RETRY_COUNT is not reached; see errors.py.",
}


@pytest.fixture
def facts():
    tenant = make_tenant()
    collection_ensure(workspace_id=tenant.workspace_id, slug="facts")
    wiring.ingest(
        workspace_id=tenant.workspace_id,
        collection="facts",
        documents=[DocumentInput(external_id=n, text=t) for n, t in FACTS.items()],
    )
    return tenant.workspace_id


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("At what temperature does water boil?", "boiling"),
        ("shots that keep kids from getting sick", "vaccine"),
        ("Who used cards to weave?", "loom"),
        ("日本の首都", "tokyo"),
        ("max_retry_count", "retry"),
        ("backoff", "retry"),
        ("what is in errors.py", "retry"),
    ],
)
def test_questions_in_words_and_in_meaning_find_their_passage(facts, query, expected):
    hits = wiring.search(workspace_id=facts, query=query, limit=3)

    assert hits[0].external_id == expected


def test_a_hit_can_be_cited_and_the_citation_holds(facts):
    hit = wiring.search(workspace_id=facts, query="Jacquard weaving", limit=1)[0]
    cited = Citation(document_id=hit.document_id, start=hit.start, end=hit.end, quote=hit.text)

    assert wiring.document_text(workspace_id=facts, document_id=hit.document_id) == FACTS["loom"]
    assert wiring.cites_check(workspace_id=facts, citations=[cited]) == []


def test_a_stranger_finds_nothing_and_cites_nothing(facts):
    hit = wiring.search(workspace_id=facts, query="Jacquard", limit=1)[0]
    stranger = make_tenant().workspace_id
    collection_ensure(workspace_id=stranger, slug="own")
    wiring.ingest(
        workspace_id=stranger,
        collection="own",
        documents=[DocumentInput(external_id="mine", text="My own note.")],
    )
    cited = Citation(document_id=hit.document_id, start=hit.start, end=hit.end, quote=hit.text)

    found = wiring.search(workspace_id=stranger, query="Jacquard weaving patterns")
    problems = wiring.cites_check(workspace_id=stranger, citations=[cited])

    assert [item.external_id for item in found] == ["mine"]
    assert [problem.code for problem in problems] == ["document_missing"]
    with pytest.raises(CollectionMissing):
        wiring.search(workspace_id=stranger, query="Jacquard", collections=["facts"])
    with pytest.raises(DocumentMissing):
        wiring.document_text(workspace_id=stranger, document_id=hit.document_id)
    with pytest.raises(DocumentMissing):
        wiring.document_delete(workspace_id=stranger, document_id=hit.document_id)


def test_no_collections_named_means_none_may_be_read(facts):
    assert wiring.search(workspace_id=facts, query="water", collections=[]) == []


@pytest.mark.parametrize(
    "query",
    [
        "'; DROP TABLE knowledge_chunk; --",
        ".*(a+)+$ [loom]",
        "%s %(x)s \\ {} $1",
        "???!!!",
        "the of and to",
        "🎉🧶 \u202e\u0645\u0631\u062d\u0628\u0627",
        "NUL\x00byte",
        "loom " * 10_000,
        " ".join(f"word{i}" for i in range(10_000)) + " loom",
    ],
)
def test_hostile_queries_are_only_words(query):
    shelf = make_shelf()
    shelf.put_texts({"a": "A loom weaves.", "b": "A sail."})

    hits = shelf.search(query)

    assert {hit.external_id for hit in hits} <= {"a", "b"}
    if "loom" in query:
        assert hits[0].external_id == "a"


def test_filters_narrow_both_lists():
    shelf = make_shelf()
    shelf.put(
        DocumentInput(external_id="a", text="A loom.", tags=["x", "y"], metadata={"year": 1}),
        DocumentInput(external_id="b", text="A loom.", tags=["x"], metadata={"year": 2}),
        DocumentInput(external_id="c", content=b"# Loom", file_name="c.md"),
    )

    def found(**conditions):
        return sorted(shelf.found("loom", filters=Filters(**conditions)))

    assert found() == ["a", "b", "c"]
    assert found(tags=("x", "y")) == ["a"]
    assert found(metadata={"year": 2}) == ["b"]
    assert found(external_ids=("a", "c")) == ["a", "c"]
    assert found(source_types=("markdown",)) == ["c"]
    assert found(tags=("z",)) == []


def test_a_language_is_searched_with_its_own_stems():
    shelf = make_shelf(language="german", embedder=None)
    shelf.put_texts({"a": "Die Häuser stehen am Fluss."})

    hits = wiring.search(
        workspace_id=shelf.workspace_id, query="Haus", collections=["docs"], fusion="lexical"
    )

    assert [hit.external_id for hit in hits] == ["a"]


def test_scores_of_a_chunk_match_the_same_bm25_whatever_else_is_indexed():
    shelf = make_shelf(embedder=None)
    shelf.put_texts({f"n{i}": f"filler number {i}" for i in range(50)})
    shelf.put_texts({"a": "loom weft weft", "b": "loom sail sail"})

    hits = shelf.search("weft loom", explain=True)

    assert [hit.external_id for hit in hits] == ["a", "b"]
    assert sum(hits[0].terms.words.values()) == pytest.approx(hits[0].terms.bm25, abs=1e-5)


def test_collections_of_two_languages_are_searched_with_the_stems_of_both():
    tenant = make_tenant()
    texts = {"german": "Die Webstühle stehen still.", "english": "The shuttles were flying."}
    for language, text in texts.items():
        collection_ensure(workspace_id=tenant.workspace_id, slug=language, language=language)
        wiring.ingest(
            workspace_id=tenant.workspace_id,
            collection=language,
            documents=[DocumentInput(external_id=language, text=text)],
        )

    found = {
        query: wiring.search(
            workspace_id=tenant.workspace_id, query=query, fusion="lexical", explain=True
        )
        for query in ("Webstuhl", "shuttle flies")
    }

    assert {query: [hit.external_id for hit in hits] for query, hits in found.items()} == {
        "Webstuhl": ["german"],
        "shuttle flies": ["english"],
    }
    (hit,) = found["Webstuhl"]
    assert hit.highlights == ((4, 13),)
    assert hit.terms is not None
    assert set(hit.terms.words) == {"webstuhl"}
