"""Beliefs as numbers: probabilities, intervals, the mean for people, and what is no score."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.errors import ScoreInvalid
from cluster.core.posterior import (
    Ema,
    averaged,
    checked_score,
    credible_interval,
    sigmoid,
    success_probability,
)


@given(st.floats(-1e6, 1e6))
def test_sigmoid_never_overflows_and_is_symmetric(z):
    assert 0.0 <= sigmoid(z) <= 1.0
    assert sigmoid(z) + sigmoid(-z) == pytest.approx(1.0)


def test_doubt_draws_a_probability_towards_one_half():
    assert success_probability(2.0, 4.0) < success_probability(2.0, 0.1) < sigmoid(2.0)
    assert success_probability(-2.0, 4.0) > sigmoid(-2.0)


def test_an_interval_is_around_the_mean_and_shrinks_with_the_variance():
    low, high = credible_interval(1.0, 1.0)
    less, more = credible_interval(1.0, 4.0)

    assert less < low < sigmoid(1.0) < high < more


def test_the_mean_for_people_starts_at_the_first_score_and_follows():
    assert averaged(Ema(), 0.8) == Ema(0.8, 1)
    assert averaged(Ema(0.8, 1), 0.3) == (pytest.approx(0.65), 2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1, True, "0.5", None, [0.5]])
def test_what_is_no_number_from_zero_to_one_is_no_score(value):
    with pytest.raises(ScoreInvalid, match="expected a number from 0 to 1"):
        checked_score(value)


def test_both_ends_are_scores():
    assert (checked_score(0), checked_score(1)) == (0.0, 1.0)
