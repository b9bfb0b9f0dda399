"""The evaluator's channel: what its scores say is learned from its scores."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.errors import ScoreInvalid
from cluster.core.evaluator import CHANNEL_START, learn, read, scale


def after(scores):
    channel = CHANNEL_START
    for score, p in scores:
        channel = learn(channel, score, p)
    return channel


def test_at_first_a_high_score_speaks_for_a_good_answer():
    high, low = read(CHANNEL_START, 0.95), read(CHANNEL_START, 0.05)

    assert high.good > 10 * high.bad
    assert low.bad > 10 * low.good


def test_scores_between_two_bins_are_read_between_them():
    a, b = read(CHANNEL_START, 0.45), read(CHANNEL_START, 0.55)

    assert read(CHANNEL_START, 0.5).good == pytest.approx((a.good + b.good) / 2)


def test_a_generous_judge_is_found_out():
    rng = Random(1)
    good = [(min(max(rng.gauss(0.95, 0.03), 0), 1), 0.8) for _ in range(300)]
    bad = [(min(max(rng.gauss(0.7, 0.03), 0), 1), 0.2) for _ in range(300)]
    mixed = [pair for both in zip(good, bad, strict=True) for pair in both]

    lo, hi = scale(after(mixed))

    assert lo == pytest.approx(0.7, abs=0.06)
    assert hi == pytest.approx(0.95, abs=0.06)


def test_a_judge_that_always_says_one_says_nothing_in_the_end():
    found = read(after([(1.0, 0.5)] * 3000), 1.0)

    assert 0.4 < found.bad / found.good < 1.1


def test_the_scale_is_never_narrower_than_a_fifth():
    lo, hi = scale(after([(0.5, 0.5)] * 2000))

    assert hi - lo >= 0.2


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.1, None])
def test_a_score_that_is_none_is_refused(score):
    with pytest.raises(ScoreInvalid):
        read(CHANNEL_START, score)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60), st.floats(0, 1))
def test_densities_stay_positive_and_counts_bounded(history, score):
    channel = after(history)

    found = read(channel, score)

    assert found.good > 0
    assert found.bad > 0
    assert sum(channel.good) + sum(channel.bad) <= 16 + len(history) + 1e-6
