"""df, N and lengths stay exact, whoever writes and deletes at the same time."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from django.db import connection

from knowledge.core.errors import DocumentMissing
from knowledge.core.types import CorpusStatistics
from knowledge.models import (
    Chunk,
    ChunkTerms,
    CollectionStatistics,
    Document,
    Posting,
    StatisticsDelta,
    TermStatistic,
)
from knowledge.services.documents import document_delete
from knowledge.store.statistics import statistics_fold
from tests.factories.knowledge import make_shelf


def recount(collection_id):
    rows = list(ChunkTerms.objects.filter(collection_id=collection_id))
    dfs = Counter(term for row in rows for term in row.terms)
    return CorpusStatistics(
        chunk_count=len(rows), total_length=sum(row.length for row in rows), dfs=dict(dfs)
    )


def postings(collection_id):
    rows = Posting.objects.filter(collection_id=collection_id)
    return sorted(rows.values_list("term", "chunk_id", "count", "length"))


def postings_recounted(collection_id):
    return sorted(
        (term, row.chunk_id, count, row.length)
        for row in ChunkTerms.objects.filter(collection_id=collection_id)
        for term, count in zip(row.terms, row.counts, strict=True)
    )


@pytest.mark.django_db
def test_searches_see_the_same_statistics_before_and_after_folding():
    shelf = make_shelf(embedder=None)
    shelf.put_texts({"a": "loom weft", "b": "loom sail"})
    Chunk.objects.filter(document__external_id="a").delete()
    terms = sorted(recount(shelf.ref.id).dfs)

    before = shelf.index().statistics(terms)
    folded = statistics_fold(shelf.ref.id)
    after = shelf.index().statistics(terms)

    assert folded
    assert before == after == recount(shelf.ref.id)
    assert StatisticsDelta.objects.count() == 0
    assert TermStatistic.objects.filter(chunk_count=0).count() == 0


@pytest.mark.django_db
def test_sparse_vectors_are_computed_anew_when_lengths_have_drifted():
    shelf = make_shelf(embedder=None)
    shelf.put_texts({"a": "loom weft"})
    before = ChunkTerms.objects.get().weights
    shelf.put_texts({f"long{i}": " ".join(f"word{j}" for j in range(80)) for i in range(5)})

    after = ChunkTerms.objects.get(chunk__document__external_id="a").weights

    average = recount(shelf.ref.id).average_length
    assert CollectionStatistics.objects.get().weighted_for == pytest.approx(average)
    assert after != before


@pytest.mark.django_db(transaction=True)
def test_statistics_are_exact_after_concurrent_ingests_and_deletes():
    shelf = make_shelf(embedder=None)
    words = ["loom", "weft", "warp", "sail", "wind", "cloth", "thread", "frame"]

    def work(seed):
        rng = Random(seed)
        try:
            for _ in range(12):
                name = f"d{rng.randrange(12)}"
                if rng.random() < 0.6:
                    shelf.put_texts({name: " ".join(rng.choices(words, k=rng.randrange(1, 30)))})
                else:
                    row = Document.objects.filter(external_id=name).first()
                    if row is not None:
                        document_delete(workspace_id=shelf.workspace_id, document_id=row.pk)
        except DocumentMissing:
            pass  # somebody else was faster
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    expected = recount(shelf.ref.id)
    assert shelf.index().statistics(sorted(expected.dfs)) == expected
    assert postings(shelf.ref.id) == postings_recounted(shelf.ref.id)
    assert Document.objects.exclude(status="ready").count() == 0
    assert Chunk.objects.count() == expected.chunk_count
