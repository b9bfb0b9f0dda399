"""Splitting: structure first, then what was learned, then a little chance."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.splitting import (
    Arm,
    Rates,
    SplitTable,
    Tally,
    Work,
    bin_of,
    decide,
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

    part = 0.3 + 0.8 / 2
    cost, time = 0.35 + 4 * part, 0.25 + 2 * part
    assert found == pytest.approx(0.95 * 0.9**4 - 0.15 - 0.05 * cost - 0.05 * time)


def test_hard_work_is_split_and_easy_work_is_not():
    hard = decide(work(x=0.9), SplitTable(), rates=RATES, rng=Random(1))
    easy = decide(work(x=0.2), SplitTable(), rates=RATES, rng=Random(1))

    assert (hard.split, easy.split) == (True, False)
    assert hard.reason == (
        "split is expected to be worth 0.35, alone -0.02 (3 parts, complexity 0.90)"
    )


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


@pytest.mark.parametrize(("x", "cell"), [(0.0, 0), (0.1666, 0), (0.167, 1), (0.999, 5), (1.0, 5)])
def test_complexity_falls_into_six_bins(x, cell):
    assert bin_of(x) == cell


@given(st.floats(0, 1), st.integers(2, 8), st.integers(0, 99))
def test_a_decision_is_always_for_the_better_sample(x, parts, seed):
    found = decide(work(x=x, parts=parts), SplitTable(), rates=RATES, rng=Random(seed))

    assert found.split == (found.parted.sampled > found.solo.sampled)
