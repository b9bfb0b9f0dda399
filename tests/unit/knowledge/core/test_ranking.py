import pytest

from knowledge.core.ranking import (
    MAX_QUERY_TERMS,
    fuse_convex,
    fuse_rrf,
    idf,
    query_weights,
    saturation,
    selective_terms,
    single,
    with_feedback,
)
from knowledge.core.types import CorpusStatistics, Scored


def scored(**scores):
    return [Scored(chunk_id=int(name[1:]), score=score) for name, score in scores.items()]


def corpus(chunk_count=100, **dfs):
    named = {int(name[1:]): df for name, df in dfs.items()}
    return CorpusStatistics(chunk_count=chunk_count, total_length=chunk_count * 10, dfs=named)


def test_idf_falls_with_frequency_and_is_never_negative():
    values = [idf(chunk_count=10, df=df) for df in (1, 5, 10)]

    assert values == sorted(values, reverse=True)
    assert values[-1] > 0


def test_a_count_saturates_and_long_chunks_earn_less():
    assert saturation(1, length=10, average_length=10) == pytest.approx(1.0)
    assert saturation(100, length=10, average_length=10) < 2.2
    assert saturation(1, length=40, average_length=10) < 1


def test_terms_that_do_not_occur_weigh_nothing_and_the_rarest_comes_first():
    weights = query_weights({1: 1, 2: 1, 3: 2}, corpus(t1=50, t2=5))

    assert list(weights) == [2, 1]
    assert weights[2] > weights[1]


def test_of_a_very_long_query_the_heaviest_terms_are_kept():
    dfs = {f"t{i}": i for i in range(1, 1_001)}

    weights = query_weights(dict.fromkeys(range(1, 1_001), 1), corpus(1_000, **dfs))

    assert list(weights) == list(range(1, MAX_QUERY_TERMS + 1))


def test_candidates_come_from_the_rarest_terms_until_their_postings_suffice():
    statistics = corpus(200_000, t1=10, t2=19_000, t3=5_000, t4=150_000)
    weights = query_weights(dict.fromkeys((1, 2, 3, 4), 1), statistics)

    assert selective_terms(weights, statistics) == [1, 3, 2]


def test_when_even_the_rarest_term_is_common_more_postings_are_read():
    statistics = corpus(200_000, t1=15_000, t2=16_000, t3=150_000)
    weights = query_weights(dict.fromkeys((1, 2, 3), 1), statistics)

    assert selective_terms(weights, statistics) == [1, 2, 3]


def test_convex_fusion_adds_scaled_scores():
    fused = fuse_convex(scored(c1=4.0, c2=2.0), scored(c2=0.9, c3=0.1), depth=2)

    assert fused == scored(c2=0.5, c1=0.5, c3=0.0)


def test_a_short_lexical_list_is_scaled_from_zero():
    fused = fuse_convex(scored(c1=4.0, c2=2.0), [], depth=200)

    assert fused == scored(c1=0.5, c2=0.25)


def test_reciprocal_rank_fusion_prefers_what_both_lists_have():
    fused = fuse_rrf(scored(c1=9.0, c2=8.0), scored(c2=0.9, c1=0.8))

    assert [item.chunk_id for item in fused] == [2, 1]
    assert fuse_rrf(scored(c1=1.0), scored(c1=1.0)) == scored(c1=1.0)


def test_a_single_list_is_scaled_and_equal_scores_are_all_one():
    assert single(scored(c1=3.0, c2=1.0)) == scored(c1=1.0, c2=0.0)
    assert single(scored(c1=3.0, c2=3.0)) == scored(c2=1.0, c1=1.0)
    assert single([]) == []


def test_feedback_moves_the_query_towards_the_mean():
    assert with_feedback([1.0, 0.0], [[0.0, 1.0], [1.0, 0.0]]) == [1.25, 0.25]
    assert with_feedback([1.0, 0.0], []) == [1.0, 0.0]
