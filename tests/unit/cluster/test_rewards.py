"""Rewards: one score from everybody who looked, and the share of each child in it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.errors import ScoreInvalid
from cluster.core.rewards import (
    JUDGE_WEIGHT,
    PERSON_WEIGHT,
    Reliability,
    ReliabilityBin,
    credit,
    reliability,
    score_of,
)
from cluster.core.types import ScorePart


def check(score, *, required=False):
    return ScorePart(source="check", name="contains", score=score, weight=1.0, required=required)


def judged(score):
    return ScorePart(source="judge", name="rubric", score=score, weight=JUDGE_WEIGHT)


def person(score):
    return ScorePart(source="person", name="feedback", score=score, weight=PERSON_WEIGHT)


def test_score_of_nobody_is_none():
    assert score_of(()) is None


def test_score_is_the_weighted_mean_of_checks_judge_and_people():
    found = score_of((check(1.0), judged(0.5), person(0.25)))

    assert found == pytest.approx((1.0 + 0.5 * 0.5 + 2.0 * 0.25) / 3.5)


def test_a_failed_required_check_caps_the_score():
    assert score_of((check(0.5, required=True), person(1.0), judged(1.0))) == 0.2


def test_a_failed_required_check_does_not_lift_a_worse_score():
    assert score_of((check(0.0, required=True),)) == 0.0


def test_a_failed_check_that_is_not_required_counts_by_its_weight():
    assert score_of((check(0.0), check(1.0))) == 0.5


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.1, math.inf, True, "1"])
def test_a_component_that_is_no_score_raises_and_names_it(score):
    with pytest.raises(ScoreInvalid, match=r"rubric is .*, expected a number from 0 to 1"):
        score_of((judged(score),))


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan])
def test_a_component_without_a_proper_weight_raises(weight):
    part = ScorePart(source="judge", name="rubric", score=0.5, weight=weight)

    with pytest.raises(ScoreInvalid, match="weight of 'rubric'"):
        score_of((part,))


@given(st.lists(st.builds(judged, st.floats(0, 1)), min_size=1))
def test_a_score_lies_among_its_components(parts):
    found = score_of(tuple(parts))

    scores = [part.score for part in parts]
    assert found is not None
    assert min(scores) - 1e-9 <= found <= max(scores) + 1e-9


def test_credit_for_success_is_full_for_every_child():
    assert credit({"a": 0.9, "b": 0.2}, 1.0) == {"a": 1.0, "b": 1.0}


def test_credit_after_failure_blames_who_was_expected_to_fail():
    found = credit({"a": 0.9, "b": 0.5}, 0.0)

    assert found == pytest.approx({"a": 0.45 / 0.55, "b": 0.05 / 0.55})


def test_credit_of_an_only_child_is_its_parents_score():
    assert credit({"a": 0.7}, 0.0) == {"a": 0.0}


def test_credit_of_children_that_cannot_fail_is_the_parents_score():
    assert credit({"a": 1.0, "b": 1.0}, 0.3) == {"a": 0.3, "b": 0.3}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=6), st.floats(0, 1))
def test_credit_is_always_a_score(expected, parent):
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in credit(expected, parent).values())


def test_reliability_reports_brier_and_what_came_of_each_promise():
    found = reliability([(0.9, 1.0), (1.0, 0.0), (0.15, 0.0)])

    assert found == Reliability(
        brier=pytest.approx((0.01 + 1.0 + 0.0225) / 3),
        bins=(
            ReliabilityBin(lo=0.1, hi=0.2, count=1, predicted=0.15, observed=0.0),
            ReliabilityBin(lo=0.9, hi=1.0, count=2, predicted=0.95, observed=0.5),
        ),
    )


def test_reliability_of_nothing_is_nothing():
    assert reliability([]) == Reliability(brier=None, bins=())
