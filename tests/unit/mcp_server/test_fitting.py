"""Results that are cut to a size a model can read."""

import json

import pytest

from mcp_server.fitting import RESULT_MAX_CHARS, fitting, task_fitted, written


def make_task(**fields):
    values = {
        "id": "t", "goal": "g", "metadata": {}, "citations": [], "answer": None, "status": "queued",
    }  # fmt: skip
    return {**values, **fields}


def test_a_task_that_fits_is_left_as_it_is():
    task = make_task(answer="Two.", metadata={"a": 1})

    assert task_fitted(task) == (task, False)


@pytest.mark.parametrize(
    "fields",
    [{"answer": "x" * 100_000}, {"answer": '"\n' * 50_000}, {"goal": "g" * 100_000},
     {"metadata": {"a": "x" * 60_000}}, {"answer": "é" * 100_000},
     {"citations": [{"quote": "q" * 900}] * 90, "answer": "y" * 30_000},
     {"events": [{"seq": 1, "data": {"x": "z" * 9_000}}] * 20, "answer": "y" * 30_000}],
)  # fmt: skip
def test_a_task_that_does_not_is_cut_and_says_so(fields):
    fitted, is_cut = task_fitted(make_task(**fields))

    assert is_cut
    assert len(written(fitted)) <= RESULT_MAX_CHARS + 2_500
    assert json.loads(written(fitted)) == fitted


def test_of_many_items_the_first_are_kept_and_at_least_one():
    assert fitting(["aa", "bb", "cc"], 4, str) == ["aa", "bb"]
    assert fitting(["a" * 10, "b"], 4, str) == ["a" * 10]
    assert fitting([], 4, str) == []
