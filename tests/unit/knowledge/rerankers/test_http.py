"""What a `/rerank` endpoint may answer."""

import pytest

from knowledge.core.errors import RerankUnavailable
from knowledge.rerankers.http import _scores


@pytest.mark.parametrize(
    ("value", "scores"),
    [
        (
            {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0}]},
            [0.0, 0.9, 0.0],
        ),
        ([{"index": 2, "score": 3}, {"index": 0, "score": 1}, {"index": 1, "score": 2}], [1, 2, 3]),
        ({"results": [{"index": 9, "score": 1}, {"index": 0, "score": 0.5}]}, [0.5, 0.5, 0.5]),
    ],
)
def test_scores_are_read_by_index_and_what_was_left_out_has_the_lowest(value, scores):
    assert _scores(value, count=3) == scores


@pytest.mark.parametrize(
    "value", [None, [], {}, {"results": "x"}, {"results": [{"index": "0", "score": 1}]}, [3],
              {"results": [{"index": 0, "relevance_score": float("nan")}]}],
)  # fmt: skip
def test_an_answer_without_scores_is_an_unavailable_reranker(value):
    with pytest.raises(RerankUnavailable):
        _scores(value, count=3)
