"""Rewards: one score from everybody who looked."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.errors import ScoreInvalid
from cluster.core.rewards import (
    JUDGE_WEIGHT,
    PERSON_WEIGHT,
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
