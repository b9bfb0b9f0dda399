"""Splitting: structure first, then what was learned, then a little chance."""

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.splitting import (
    LOSS_MAX,
    MARGIN,
    Arm,
    Rates,
    SplitTable,
    Tally,
    Work,
    bin_of,
    decide,
    ease_learn,
    ease_of,
    forecast,
    learn,
)

RATES = Rates(cost_weight=0.05, wait_weight=0.05)

about: Any = pytest.approx


def steep(x):
    return 0.9 if x < 0.6 else 0.1


def work(x=0.9, parts=3, depth=1, solve=steep):
    return Work(x=x, part_count=parts, depth=depth, solve=solve)


def test_forecast_of_going_alone_is_quality_minus_cost_and_time():
    assert forecast(work(x=0.5, solve=lambda _: 0.8), Arm.SOLO, RATES) == pytest.approx(
        0.8 - 0.05 * 0.8 - 0.05 * 0.8
    )


def test_forecast_of_a_split_needs_every_part_and_pays_for_plan_merge_and_children():
    found = forecast(work(x=0.8, parts=4, depth=2, solve=lambda _: 0.9), Arm.SPLIT, RATES)

    part = 0.3 + 0.8 / 4**0.3
    cost, time = 0.35 + 4 * part, 0.25 + 2 * part
    assert found == pytest.approx(0.95 * 0.9**4 - 0.05 * cost - 0.05 * time)


def test_parts_that_proved_as_hard_as_the_whole_promise_nothing_and_easy_ones_much():
    table = SplitTable(ease=Tally(n=9.7, total=0.0))
    same = forecast(work(x=0.8, parts=2), Arm.SPLIT, RATES, SplitTable(ease=Tally(n=1e9)))
    easier = forecast(work(x=0.8, parts=2), Arm.SPLIT, RATES, ease=1.0)

    assert same == pytest.approx(0.95 * 0.1**2 - 0.05 * (0.6 + 3 * 1.1))
    assert easier == pytest.approx(0.95 * 0.9**2 - 0.05 * (0.6 + 3 * 0.7))
    # Of ten results, .3 are what is presumed where nothing was seen yet.
    assert forecast(work(), Arm.SPLIT, RATES, table) == about(
        forecast(work(), Arm.SPLIT, RATES, ease=0.3 * 0.3 / 10)
    )


def test_how_work_as_easy_as_the_parts_went_tells_how_each_of_them_will_go():
    own = {(Arm.SOLO, n): Tally(n=1e9, total=-0.2e9) for n in range(6)}

    found = forecast(work(x=0.8, parts=2), Arm.SPLIT, RATES, SplitTable(own=own), ease=1.0)

    assert found == pytest.approx(0.95 * 0.7**2 - 0.05 * (0.6 + 3 * 0.7))


@pytest.mark.parametrize(
    ("x", "parts", "found"),
    [
        (0.8, [0.4, 0.4], 1.0),
        (0.8, [0.8, 0.8, 0.8], 0.0),
        (0.9, [0.3, 0.6, 0.45, 0.45], 0.5),
        (0.2, [0.9, 0.9], 0.0),
        (0.9, [0.0, 0.0], 1.0),
        (0.0, [0.0, 0.0], 1.0),
        (0.8, [0.4], None),
        (0.8, [], None),
    ],
)
def test_ease_is_the_power_of_the_number_of_parts_that_each_is_easier_by(x, parts, found):
    assert ease_of(x, parts) == (None if found is None else pytest.approx(found))


def test_hard_work_is_split_and_easy_work_is_not():
    hard = decide(work(x=0.9, parts=4), SplitTable(), rates=RATES, rng=Random(1))
    easy = decide(work(x=0.2), SplitTable(), rates=RATES, rng=Random(1))

    assert (hard.split, easy.split) == (True, False)
    assert hard.reason == (
        "split is expected to be worth 0.37, alone -0.02 (4 parts, complexity 0.90)"
    )
    assert easy.reason == (
        "alone is expected to be worth 0.85, split 0.57 (3 parts, complexity 0.20)"
    )


def chances(**table):
    """Return how often of 400 times work is split that goes badly alone, and its parts well."""
    hard = work(x=0.95, parts=2, solve=lambda x: 1 / (1 + math.exp(5.5 * (x - 0.45) - 2)))
    told = SplitTable(**{"pooled_ease": Tally(n=8, total=3.3), **table})
    return sum(decide(hard, told, rates=RATES, rng=Random(seed)).split for seed in range(400))


def test_a_split_that_may_be_better_is_tried_now_and_then_until_one_has_shown_what_it_is():
    assert 40 < chances() < 200
    assert chances(ease=Tally(n=3, total=0.0)) == 0
    assert chances(ease=Tally(n=3, total=3.0)) == 400


def test_a_split_that_is_expected_to_lose_much_is_never_tried():
    assert chances(pooled_ease=Tally()) == 0
    assert chances(own={(Arm.SPLIT, bin_of(0.95)): Tally(n=4, total=-1.2)}) == 0


def test_one_part_is_never_a_split():
    assert not decide(work(parts=1), SplitTable(), rates=RATES, rng=Random(1)).split


def test_what_went_worse_than_forecast_is_not_split_again():
    bad = {(Arm.SPLIT, bin_of(0.9)): Tally(n=30, total=-24.0)}

    found = [
        decide(work(), SplitTable(own=bad), rates=RATES, rng=Random(seed)).split
        for seed in range(50)
    ]

    assert not any(found)


def test_a_domain_without_experience_borrows_from_all_domains():
    pooled = {(Arm.SPLIT, bin_of(0.9)): Tally(n=100, total=-80.0)}

    found = decide(work(), SplitTable(pooled=pooled), rates=RATES, rng=Random(1))

    assert found.parted.learned == pytest.approx(-80 / 104)


def test_neighbouring_bins_count_for_less():
    near = {(Arm.SOLO, bin_of(0.9) - 1): Tally(n=10, total=5.0)}

    found = decide(work(), SplitTable(own=near), rates=RATES, rng=Random(1))

    assert found.solo.learned == pytest.approx(0.4 * 5 / (0.4 * 10 + 4))


def test_the_same_seed_gives_the_same_decision():
    first = decide(work(), SplitTable(), rates=RATES, rng=Random("t|1"))

    assert decide(work(), SplitTable(), rates=RATES, rng=Random("t|1")) == first


def test_learning_counts_the_difference_to_the_forecast():
    found = learn(Tally(n=1.0, total=0.5), utility=0.2, expected=0.6)

    assert found == Tally(n=about(1.9995), total=about(0.9995 * 0.5 - 0.4))


def test_ease_is_a_mean_that_fades():
    assert ease_learn(Tally(n=1.0, total=0.5), 0.7) == Tally(
        n=about(1.9995), total=about(0.9995 * 0.5 + 0.7)
    )


@pytest.mark.parametrize(("x", "cell"), [(0.0, 0), (0.1666, 0), (0.167, 1), (0.999, 5), (1.0, 5)])
def test_complexity_falls_into_six_bins(x, cell):
    assert bin_of(x) == cell


@given(st.floats(0, 1), st.integers(2, 8), st.integers(0, 99))
def test_what_is_split_has_the_better_sample_and_is_not_expected_to_lose_much(x, parts, seed):
    found = decide(work(x=x, parts=parts), SplitTable(), rates=RATES, rng=Random(seed))

    more = found.parted.forecast + found.parted.learned - found.solo.forecast - found.solo.learned
    margin = MARGIN * (RATES.cost_weight + RATES.wait_weight)
    better = found.parted.sampled - found.solo.sampled > margin
    assert found.split == (better and more >= -LOSS_MAX)
