"""What scores say, as the market learns it: of good and bad answers, or of the chance itself."""

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.errors import ScoreInvalid
from cluster.core.evaluator import CHANNEL_START, graded, learn, read, scale, two_humps
from cluster.core.posterior import Gaussian


def foretold(p):
    """Return a belief that is nearly sure of the chance `p`."""
    p = min(max(p, 0.001), 0.999)
    return Gaussian(math.log(p / (1.0 - p)), 0.01)


def after(scores, channel=CHANNEL_START):
    for score, p in scores:
        channel = learn(channel, score, foretold(p))
    return channel


def near(rng, mean, sd):
    return min(max(rng.gauss(mean, sd), 0.0), 1.0)


def outcomes(rng, count):
    """Return scores of good and bad answers to work of every difficulty."""
    chances = [rng.uniform(0.3, 0.95) for _ in range(count)]
    return [(near(rng, 0.9 if rng.random() < p else 0.2, 0.1), p) for p in chances]


def shares(rng, count, lo=0.2, hi=0.8, sd=0.1):
    """Return scores that tell the chance itself."""
    chances = [rng.uniform(0.3, 0.95) for _ in range(count)]
    return [(near(rng, lo + (hi - lo) * p, sd), p) for p in chances]


def test_at_first_a_high_score_speaks_for_a_good_answer():
    high, low = read(CHANNEL_START, 0.95), read(CHANNEL_START, 0.05)

    assert high[-1] > 5 * high[0]
    assert low[0] > 5 * low[-1]


def test_scores_of_good_and_bad_answers_are_found_out_by_their_two_humps():
    channel = after(outcomes(Random(1), 300))

    ends, middle = read(channel, 0.9), read(channel, 0.55)

    assert graded(channel) < 0.01
    assert ends[-1] > 10 * ends[0]
    assert max(middle) < 4 * min(middle)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("lo", "hi", "sd"), [(0.2, 0.8, 0.12), (0.4, 0.7, 0.1), (0.1, 0.9, 0.2)])
def test_scores_with_one_hump_are_read_as_grades(seed, lo, hi, sd):
    channel = after(shares(Random(seed), 400, lo, hi, sd))

    middle = read(channel, lo + 0.6 * (hi - lo))

    assert graded(channel) > 0.8
    assert scale(channel) == pytest.approx((lo, hi), abs=0.12)
    assert 6 <= max(range(21), key=lambda i: middle[i]) <= 18


def test_a_workspace_whose_judge_changes_its_ways_is_read_in_the_new_way():
    rng = Random(3)
    channel = after(outcomes(rng, 400), after(shares(rng, 300)))

    assert graded(channel) < 0.5


def test_one_hump_is_no_evidence_for_two_wherever_it_lies():
    assert two_humps((0.0,) * 10) == 0
    assert two_humps((1, 2, 5, 9, 4, 2, 1, 0, 0, 0)) == 0
    assert two_humps((9, 5, 5, 3, 1, 0, 0, 0, 0, 0)) == 0
    assert two_humps((0, 9, 1, 0, 0, 0, 1, 9, 2, 0)) > 3


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

    assert 0.4 < found[0] / found[-1] < 1.1


def test_the_scale_is_never_narrower_than_a_fifth():
    lo, hi = scale(after([(0.5, 0.5)] * 2000))

    assert hi - lo >= 0.2


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.1, None])
def test_a_score_that_is_none_is_refused(score):
    with pytest.raises(ScoreInvalid):
        read(CHANNEL_START, score)


def test_a_score_that_was_not_seen_for_so_long_that_its_counts_are_gone_says_next_to_nothing():
    fresh = after([(1.0, 0.9), (0.0, 0.1)] * 300)
    gone = [tuple(0.0 if 0 < i < 9 else n for i, n in enumerate(each)) for each in
            (fresh.good, fresh.bad, fresh.seen)]  # fmt: skip
    worn = replace(fresh, good=gone[0], bad=gone[1], seen=gone[2])

    found = read(worn, 0.45)
    learned = learn(worn, 0.45, Gaussian(0.0, 1.0))

    assert graded(worn) == 0
    assert 0 < max(found) < 3 * min(found)
    assert min(read(learned, 0.45)) > 0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60), st.floats(0, 1))
def test_densities_stay_positive_and_counts_bounded(history, score):
    channel = after(history)

    found = read(channel, score)

    assert len(found) == 21
    assert min(found) > 0
    assert sum(channel.good) + sum(channel.bad) <= 16 + len(history) + 1e-6
    assert 0 <= graded(channel) <= 1
