"""Lifecycle: errors open circuits, scores lead to quarantine, evidence alone retires."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.lifecycle import (
    Circuit,
    NodeLife,
    Record,
    Surroundings,
    circuit_accepts,
    hard_error,
    judge,
    probe_due,
    revive,
    scored,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AROUND = Surroundings(floor=0.4, active_count=5)


def after(scores, record=None):
    return reduce(lambda r, score: scored(r, score, now=NOW), scores, record or Record())


def errors(count):
    return reduce(lambda circuit, _: hard_error(circuit, now=NOW), range(count), Circuit())


def test_one_hard_error_leaves_the_circuit_closed():
    assert errors(1) == Circuit(hard_errors=1)
    assert circuit_accepts(errors(1), now=NOW, busy=3)


@pytest.mark.parametrize(
    ("count", "pause_s"), [(2, 4), (3, 8), (4, 16), (6, 64), (7, 120), (5000, 120)]
)
def test_from_the_second_in_a_row_the_circuit_opens_for_longer_each_time(count, pause_s):
    opened = errors(count)

    assert opened == Circuit(hard_errors=count, retry_at=NOW + timedelta(seconds=pause_s))
    assert not circuit_accepts(opened, now=NOW, busy=0)


def test_after_the_pause_one_probe_goes_through_and_no_second_one():
    later = NOW + timedelta(seconds=4)

    assert circuit_accepts(errors(2), now=later, busy=0)
    assert not circuit_accepts(errors(2), now=later, busy=1)


def test_a_node_without_history_is_left_alone():
    decision = judge(Record(), AROUND)

    assert (decision.event, decision.reason) == (
        None,
        "0.0 scored tasks count, 8 are needed to judge",
    )


def test_seven_bad_scores_are_not_enough_to_judge():
    assert judge(after([0.0] * 7), AROUND).event is None


def test_a_clearly_bad_node_is_quarantined_with_the_numbers():
    decision = judge(after([0.1] * 12), AROUND)

    assert (decision.event, decision.record.life) == ("quarantined", NodeLife.QUARANTINED)
    assert decision.reason == "mean 0.10 over 10.8 tasks, at best 0.26: below the floor 0.40"


def test_a_node_that_may_be_good_enough_stays():
    assert judge(after([0.35] * 12), AROUND).event is None


def test_a_busy_or_splitting_node_is_judged_later():
    engaged = replace(AROUND, engaged=True)

    assert judge(after([0.0] * 20), engaged).event is None


def test_the_population_never_falls_below_its_minimum():
    alone = replace(AROUND, active_count=2, min_nodes=2)

    decision = judge(after([0.0] * 20), alone)

    assert decision.event is None
    assert decision.reason.endswith("but only 2 are active")


def test_a_floor_of_zero_judges_nobody():
    assert judge(after([0.0] * 50), replace(AROUND, floor=0.0)).event is None


def quarantined(scores):
    return after(scores, judge(after([0.0] * 12), AROUND).record)


def test_quarantine_ends_in_retirement_after_six_bad_probes():
    five, six = judge(quarantined([0.1] * 5), AROUND), judge(quarantined([0.1] * 6), AROUND)

    assert (five.event, six.event) == (None, "retired")
    assert six.record.life is NodeLife.RETIRED
    assert six.reason == "mean 0.10 ± 0.06 over 6 probes: still below the floor 0.40"


def test_nobody_is_retired_where_too_few_are_active():
    few = replace(AROUND, active_count=1, min_nodes=2)

    decision = judge(quarantined([0.1] * 30), few)

    assert (decision.event, decision.record.life) == (None, NodeLife.QUARANTINED)
    assert decision.reason.endswith("but only 1 are active, and 2 have to stay")
    assert judge(quarantined([0.9] * 6), few).event == "released"


def test_quarantine_ends_in_release_with_a_clean_record_after_good_probes():
    decision = judge(quarantined([0.9] * 6), AROUND)

    assert (decision.event, decision.record) == ("released", Record())


def test_an_unclear_node_is_released_after_eighteen_probes():
    unclear = [0.2, 0.6] * 9

    assert judge(quarantined(unclear[:17]), AROUND).event is None
    assert judge(quarantined(unclear), AROUND).event == "released"


def test_the_evidence_from_before_quarantine_does_not_count_against_probes():
    assert quarantined([0.9] * 6).probe_n == 6
    assert quarantined([0.9] * 6).probe_total == pytest.approx(5.4)


def test_retired_nodes_are_not_judged_again():
    assert judge(Record(life=NodeLife.RETIRED), AROUND).event is None


def test_revival_gives_a_clean_record():
    assert revive(quarantined([0.1] * 6)) == Record(probed_at=NOW)


def test_probes_are_spaced():
    resting = quarantined([0.1])

    assert not probe_due(resting, now=NOW + timedelta(seconds=59))
    assert probe_due(resting, now=NOW + timedelta(seconds=60))
    assert probe_due(Record(life=NodeLife.QUARANTINED), now=NOW)
    assert not probe_due(Record(), now=NOW)


@given(st.lists(st.floats(0, 1), max_size=60))
def test_no_active_node_is_retired_without_quarantine_first(scores):
    assert judge(after(scores), AROUND).event in {None, "quarantined"}


@given(st.lists(st.floats(0.45, 1), min_size=8, max_size=60))
def test_a_node_that_was_never_below_the_floor_is_never_touched(scores):
    assert judge(after(scores), AROUND).event is None


@given(
    record=st.builds(
        Record,
        life=st.sampled_from(NodeLife),
        n=st.floats(0, 40),
        total=st.floats(0, 20),
        probe_n=st.integers(0, 20),
        probe_total=st.floats(0, 10),
        probe_squares=st.floats(0, 10),
    ),
    around=st.builds(
        Surroundings,
        floor=st.just(0.4),
        active_count=st.integers(0, 9),
        min_nodes=st.integers(1, 4),
        engaged=st.booleans(),
    ),
)
def test_surroundings_hold_back_and_never_bring_about(record, around):
    least = around.min_nodes
    free = judge(record, Surroundings(floor=0.4, active_count=least + 1, min_nodes=least))

    here = judge(record, around)

    assert here == free or (here.event is None and here.record == record)
    if free.event is None:
        assert (here.event, here.record) == (free.event, free.record)
