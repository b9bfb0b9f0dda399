"""Auctions: who may bid, who wins, and that the same seed always says the same."""

import hashlib
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.auction import (
    Bid,
    BidTerms,
    Candidate,
    FirstStage,
    Requirement,
    Seed,
    draw,
    eligible,
    hold,
    lot,
    replay,
    shortlist,
)
from cluster.core.explaining import explain
from cluster.core.lifecycle import Circuit, NodeLife
from cluster.core.posterior import Gaussian

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEED = Seed(task_id="t", cycle=1)
EASY = Requirement(x=0.5)
about: Any = pytest.approx


def candidate(node_id: str, m: float = 0.0, v: float = 0.0, **facts) -> Candidate:
    return Candidate(node_id=node_id, family_id="f", skill=Gaussian(m, v), **facts)


def test_a_bid_is_made_of_the_terms_of_the_rule():
    asked = candidate("n", m=1.0, v=0.25, price=2.0, wait_s=5.0, busy=2, slots=4)

    found = hold([asked], EASY, seed=SEED, now=NOW, terms=BidTerms(lo=0.2, hi=0.9))

    xi = draw(SEED, "n")
    sd = math.sqrt(0.25 / (1 + 0.15 * 2 * 0.25))
    quality = 0.2 + 0.7 / (1 + math.exp(-(1.0 + (0.25 * xi + 0.20) * sd)))
    assert found.bids == (
        Bid(
            node_id="n",
            family_id="f",
            m=1.0,
            v=0.25,
            xi=xi,
            price=2.0,
            wait_s=5.0,
            busy=2,
            slots=4,
            quality=about(quality),
            bonus=about(quality - 0.2 - 0.7 / (1 + math.exp(-1.0))),
            cost_term=about(0.15 * 2.0 * 0.8),
            wait_term=about(0.10 * 0.25),
            load_term=about(0.015),
            bid=about(quality - 0.24 - 0.025 - 0.015),
        ),
    )


def test_a_crowd_explores_each_of_its_members_less():
    unsure = [candidate(f"n{i:03}", v=4.0) for i in range(128)]

    few = hold(unsure[:8], EASY, seed=SEED, now=NOW)
    many = hold(unsure, EASY, seed=SEED, now=NOW)

    alone = {bid.node_id: bid.quality for bid in few.bids}
    crowded = {bid.node_id: bid.quality for bid in many.bids}
    both = sorted(alone.keys() & crowded.keys())
    assert both
    assert all(abs(crowded[n] - 0.5) < abs(alone[n] - 0.5) for n in both)


def test_what_a_first_stage_left_out_is_counted_and_crowds():
    before = FirstStage(excluded={"tools": 3}, left_out=936)

    found = hold(
        [candidate("a", v=1.0), candidate("b", life=NodeLife.RETIRED)],
        EASY, seed=SEED, now=NOW, before=before,
    )  # fmt: skip

    assert (found.left_out, found.excluded) == (936, {"tools": 3, "retired": 1})
    assert replay(found) == found


def test_draws_are_normal_and_fixed_by_task_cycle_and_node():
    draws = [draw(SEED, f"n{i}") for i in range(4000)]

    mean = sum(draws) / 4000
    assert abs(mean) < 0.06
    assert abs(sum((d - mean) ** 2 for d in draws) / 4000 - 1) < 0.1
    assert draw(Seed(task_id="t", cycle=1), "n0") == draws[0]
    assert draw(Seed(task_id="t", cycle=2), "n0") != draws[0]


def test_a_draw_is_the_same_in_every_process():
    assert draw(SEED, "n0") == pytest.approx(0.49658153683130873, abs=1e-12)


def test_equal_bids_are_ranked_by_node_id():
    found = hold([candidate("b"), candidate("a"), candidate("c")], EASY, seed=SEED, now=NOW)

    assert [bid.node_id for bid in found.bids] == ["a", "b", "c"]


def test_the_order_of_candidates_does_not_matter():
    several = [candidate(f"n{i}", m=i % 7 / 7, v=0.5) for i in range(200)]

    forwards = hold(several, EASY, seed=SEED, now=NOW)

    assert hold(several[::-1], EASY, seed=SEED, now=NOW) == forwards


@pytest.mark.parametrize(
    ("facts", "requirement", "reason"),
    [
        ({"life": NodeLife.RETIRED}, EASY, "retired"),
        ({}, Requirement(x=0.5, only=frozenset({"other"})), "not_asked"),
        ({}, Requirement(x=0.5, excluded=frozenset({"n"})), "excluded"),
        ({"life": NodeLife.QUARANTINED}, EASY, "quarantined"),
        (
            {"circuits": (Circuit(hard_errors=2, retry_at=NOW + timedelta(seconds=1)),)},
            EASY,
            "circuit",
        ),
        ({"circuits": (Circuit(hard_errors=2, retry_at=NOW),), "busy": 1}, EASY, "circuit"),
        ({}, Requirement(x=0.5, tools=frozenset({"fetch"})), "tools"),
        (
            {"tools": frozenset({"fetch"}), "denied_tools": frozenset({"fetch"})},
            Requirement(x=0.5, tools=frozenset({"fetch"})),
            "policy",
        ),
        (
            {"expected_cost_usd": Decimal("0.02")},
            Requirement(x=0.5, budget_usd=Decimal("0.01")),
            "budget",
        ),
        ({}, Requirement(x=0.5, budget_usd=Decimal(0)), "budget"),
    ],
)
def test_a_hard_filter_leaves_out_and_says_why(facts, requirement, reason):
    assert eligible([candidate("n", **facts)], requirement, now=NOW) == ([], {reason: 1})


def test_half_open_circuit_lets_one_probe_through():
    idle = candidate("n", circuits=(Circuit(hard_errors=3, retry_at=NOW),))

    assert eligible([idle], EASY, now=NOW) == ([idle], {})


def test_a_population_of_none_has_no_winner_and_says_so():
    found = hold([], EASY, seed=SEED, now=NOW)

    assert (found.winner, found.bids) == (None, ())
    assert explain(found) == "Nobody could take the task: no agent is in service."


def test_everybody_barred_is_explained_with_counts():
    several = [
        candidate("a", life=NodeLife.QUARANTINED),
        candidate("b", life=NodeLife.RETIRED),
        candidate("c", life=NodeLife.QUARANTINED),
    ]

    assert explain(hold(several, EASY, seed=SEED, now=NOW)) == (
        "Nobody could take the task: 3 could not bid (2 quarantined, 1 retired)."
    )


def test_a_node_asked_for_by_name_may_bid_in_quarantine():
    asked = candidate("n", life=NodeLife.QUARANTINED)

    found = hold([asked], Requirement(x=0.5, only=frozenset({"n"})), seed=SEED, now=NOW)

    assert [bid.node_id for bid in found.bids] == ["n"]


def test_a_large_population_is_narrowed_to_the_best_by_mean_and_some_by_lot():
    several = [candidate(f"n{i:04}", m=i / 1000) for i in range(1000)]

    found = shortlist(several, 0.5, BidTerms(), SEED)

    best = {f"n{i:04}" for i in range(952, 1000)}
    others = sorted((f"n{i:04}" for i in range(952)), key=lambda n: lot(SEED, n))[:16]
    assert [c.node_id for c in found][:48] == sorted(best, reverse=True)
    assert [c.node_id for c in found][48:] == others


def test_the_lot_is_a_digest_that_sql_can_compute():
    assert lot(SEED, "n") == hashlib.sha256(b"t|1|lot|n").hexdigest()


def test_who_the_first_stage_left_out_is_counted():
    several = [candidate(f"n{i:04}") for i in range(100)]

    found = hold(several, EASY, seed=SEED, now=NOW)

    assert (len(found.bids), found.left_out, found.excluded) == (64, 36, {})


def test_a_quarantined_node_is_tried_now_and_then_and_ranked_first():
    good, resting = candidate("good", m=3.0), candidate("resting", m=-3.0)
    due = replace(resting, life=NodeLife.QUARANTINED, probe_due=True)

    held = [
        hold([good, due], EASY, seed=Seed(task_id=f"t{i}", cycle=1), now=NOW) for i in range(600)
    ]

    winners = [result.winner for result in held if result.winner]
    tried = [bid for bid in winners if bid.node_id == "resting"]
    assert len(winners) == 600
    assert 12 <= len(tried) <= 50
    assert all(bid.probe for bid in tried)
    assert {tuple(r.excluded.items()) for r in held if r.winner and not r.winner.probe} == {
        (("quarantined", 1),)
    }


def test_of_those_in_quarantine_one_with_a_free_slot_is_tried():
    busy = [
        candidate(name, life=NodeLife.QUARANTINED, probe_due=True, busy=2, slots=2)
        for name in ("ada", "bob", "cyd")
    ]
    free = candidate("dan", life=NodeLife.QUARANTINED, probe_due=True, busy=1, slots=2)

    tried = [
        hold([*busy, free], EASY, seed=Seed(task_id=f"t{i}", cycle=1), now=NOW).winner
        for i in range(20)
    ]

    assert {bid and bid.node_id for bid in tried} == {"dan"}


def test_a_quarantined_node_takes_what_nobody_else_could():
    due = candidate("resting", life=NodeLife.QUARANTINED, probe_due=True)

    found = hold([due], EASY, seed=SEED, now=NOW)

    assert found.winner is not None
    assert (found.winner.node_id, found.winner.probe) == ("resting", True)


@given(
    st.lists(
        st.tuples(
            st.floats(-5, 5), st.floats(0, 4), st.floats(0, 9), st.floats(0, 99), st.integers(0, 9)
        ),
        min_size=1,
        max_size=80,
    ),
    st.integers(0, 9),
)
def test_a_stored_auction_replays_to_the_same_bids(rows, cycle):
    several = [
        candidate(f"n{i}", m=m, v=v, price=price, wait_s=wait_s, busy=busy, slots=8)
        for i, (m, v, price, wait_s, busy) in enumerate(rows)
    ]

    held = hold(several, Requirement(x=0.3), seed=Seed(task_id="t", cycle=cycle), now=NOW)

    assert replay(held) == held


def test_the_explanation_names_the_winner_and_what_decided():
    several = [candidate("dear", m=1.0, price=9.0), candidate("fair", m=1.0, price=1.0)]

    assert explain(hold(several, EASY, seed=SEED, now=NOW)) == (
        "fair won with 0.61 (expected quality 0.73, of it +0.00 for being unsure of it, "
        "cost -0.12, waiting -0.00, load -0.00) before dear with -0.35, mainly by lower cost "
        "(+0.96); 2 bid, nobody was barred."
    )


def test_the_explanation_tells_a_try_from_a_record():
    known, unknown = candidate("known", m=1.0), candidate("unknown", m=1.0, v=9.0)
    held = [
        hold([known, unknown], EASY, seed=Seed(task_id=f"t{i}", cycle=1), now=NOW)
        for i in range(20)
    ]

    said = [explain(r) for r in held if r.winner and r.winner.node_id == "unknown"]
    assert said
    assert all("mainly by being worth a try" in sentence for sentence in said)


def test_the_explanation_of_a_lone_bidder_says_so():
    assert explain(hold([candidate("n", m=1.0)], EASY, seed=SEED, now=NOW)).startswith(
        "n won as the only bidder with 0.61"
    )
