"""Beliefs: what a score moves, and that nothing is learned twice or out of thin air."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core import posterior
from cluster.core.errors import ScoreInvalid
from cluster.core.posterior import (
    Capability,
    FamilyState,
    Gaussian,
    LedgerEntry,
    Standing,
    apply,
    domain_weights,
    predict,
    rebuild,
    settle,
    success_probability,
)

UNIT = st.floats(0, 1)
DOMAINS = ("code", "law", "news")


@st.composite
def weights(draw):
    first, second = draw(st.permutations(DOMAINS))[:2]
    share = draw(st.floats(0.05, 0.95))
    return {first: share, second: 1 - share}


@st.composite
def entries(draw):
    observed = draw(st.lists(st.tuples(st.sampled_from("ab"), weights(), UNIT, UNIT), max_size=12))
    return [
        LedgerEntry(rev=rev, node_id=node, weights=w, x=x, score=score)
        for rev, (node, w, x, score) in enumerate(observed, 1)
    ]


def test_domain_weights_keep_the_two_heaviest_and_sum_to_one():
    found = domain_weights({"code": 0.9, "law": 0.2, "news": 0.7}, "code")

    heavy = 0.65
    light = 0.175 * math.exp((0.7 - 0.9) / 0.22)
    assert list(found) == ["code", "news"]
    assert found == pytest.approx(
        {"code": heavy / (heavy + light), "news": light / (heavy + light)}
    )


def test_domain_weights_without_a_label_follow_similarity_alone():
    assert domain_weights({"code": 0.5, "law": 0.5}, None) == {"code": 0.5, "law": 0.5}


def test_domain_weights_of_a_label_without_a_centroid_borrow_from_the_nearest_domain():
    assert list(domain_weights({"code": 0.9, "law": 0.1}, "poetry")) == ["poetry", "code"]


def test_domain_weights_of_one_domain_are_one():
    assert domain_weights({"code": -1.0}, "code") == {"code": 1.0}


def test_domain_weights_of_nothing_are_nothing():
    assert domain_weights({}, None) == {}


def test_domain_weights_break_ties_by_name():
    assert list(domain_weights({"c": 0.5, "b": 0.5, "a": 0.5}, None)) == ["a", "b"]


def test_domain_weights_of_a_similarity_that_is_no_number_raise():
    with pytest.raises(ScoreInvalid, match="similarity to 'code' is nan"):
        domain_weights({"code": math.nan}, "code")


def test_predict_adds_up_every_row_and_the_slope():
    standing = Standing(
        family=FamilyState(m=1.0, v=0.1, slope_m=2.0, slope_v=0.4),
        family_domains={"code": Gaussian(0.5, 0.2)},
        node=Gaussian(0.25, 0.05),
        capabilities={"code": Capability(m=0.4, v=0.3)},
        declared=frozenset({"law"}),
    )

    found = predict(standing, {"code": 0.75, "law": 0.25}, 1.0)

    m = 1.0 + 0.25 + 0.75 * (0.5 + 0.4) + 0.25 * (0.0 + 0.35) - 2.0 * 0.5
    v = 0.1 + 0.05 + 0.75**2 * (0.2 + 0.3) + 0.25**2 * (0.5 + 0.45) + 0.4 * 0.25
    assert found == pytest.approx((m, v))


def test_success_probability_is_pulled_towards_a_half_by_uncertainty():
    assert success_probability(2.0, 0.0) > success_probability(2.0, 3.0) > 0.5


def test_success_probability_of_extreme_skill_does_not_overflow():
    assert (success_probability(-1e6, 0.0), success_probability(1e6, 0.0)) == (0.0, 1.0)


def test_settle_gives_the_numbers_of_the_rule():
    start = Standing(declared=frozenset({"code"}))

    found = settle(start, {"code": 1.0}, 0.5, 1.0)

    m, v = 0.55 + 0.35, 0.60 + 0.35 + 0.50 + 0.45
    p = 1 / (1 + math.exp(-m / math.sqrt(1 + math.pi * v / 8)))
    h = p * (1 - p)
    spread = h * h * v + 0.03 + p * (1 - p)
    k = h / spread
    e = 1 - p
    assert (found.before, found.p, found.expected) == (pytest.approx((m, v)), p, p)
    assert (found.surprise, found.error, found.gain) == pytest.approx((e / math.sqrt(spread), e, k))
    assert found.family == FamilyState(
        m=pytest.approx(0.55 + 0.60 * k * e), v=pytest.approx(0.60 - 0.36 * h * k)
    )
    assert found.node == pytest.approx((0.35 * k * e, 0.35 - 0.35**2 * h * k))
    assert found.family_domains == {"code": pytest.approx((0.5 * k * e, 0.5 - 0.25 * h * k))}
    assert found.capabilities == {
        "code": Capability(
            m=pytest.approx(0.35 + 0.45 * k * e),
            v=pytest.approx(0.45 - 0.45**2 * h * k),
            n=1,
            ema=1.0,
            ema_n=1,
        )
    }


def test_settle_keeps_the_mean_for_people_in_the_heaviest_domain_only():
    rows = {"code": Capability(ema=0.5, ema_n=3, n=3), "law": Capability(ema=0.9, ema_n=1, n=4)}

    found = settle(Standing(capabilities=rows), {"code": 0.7, "law": 0.3}, 0.5, 1.0)

    assert [(c.ema, c.ema_n, c.n) for c in found.capabilities.values()] == [
        (pytest.approx(0.65), 4, 4),
        (0.9, 1, 5),
    ]


def test_settle_lets_the_nodes_own_rows_forget_but_not_the_familys():
    sure = Standing(
        family=FamilyState(v=1e-9, slope_v=1e-9),
        family_domains={"code": Gaussian(0.0, 1e-9)},
        node=Gaussian(0.0, 1e-9),
        capabilities={"code": Capability(v=1e-9)},
    )

    found = settle(sure, {"code": 1.0}, 0.5, 0.6)

    assert found.node.v == pytest.approx(3 * 0.35 / 4000, rel=0.01)
    assert found.capabilities["code"].v == pytest.approx(0.45 / 4000, rel=0.01)
    assert found.family.v <= 1e-9


@pytest.mark.parametrize("score", [math.nan, math.inf, -0.01, 1.01])
def test_settle_of_a_score_out_of_range_raises_and_names_it(score):
    with pytest.raises(ScoreInvalid, match="expected a number from 0 to 1") as caught:
        settle(Standing(), {"code": 1.0}, 0.5, score)

    assert (caught.value.field, caught.value.code) == ("score", "cluster.score_invalid")


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"x": math.nan}, "x"),
        ({"x": 2.0}, "x"),
        ({"weights": {"code": 0.5}}, "weights"),
        ({"weights": {"code": math.nan}}, "weight of 'code'"),
        ({"lo": 0.9, "hi": 0.9}, "lo"),
    ],
)
def test_settle_of_anything_else_out_of_range_raises(over, field):
    with pytest.raises(ScoreInvalid) as caught:
        settle(**{"standing": Standing(), "weights": {"code": 1.0}, "x": 0.5, "score": 0.5} | over)

    assert caught.value.field == field


@given(weights(), UNIT, UNIT)
def test_a_score_moves_the_belief_towards_itself_and_never_adds_certainty_out_of_range(w, x, score):
    found = settle(Standing(), w, x, score)

    moved = found.after.m - found.before.m
    assert moved * (score - found.expected) >= 0
    assert 0 < found.after.v <= found.before.v


@given(entries())
def test_the_ledger_rebuilds_what_live_settling_left(ledger):
    live = {node: Standing() for node in "ab"}
    for entry in ledger:
        settled = settle(live[entry.node_id], entry.weights, entry.x, entry.score)
        live[entry.node_id] = apply(live[entry.node_id], settled)
        other = "b" if entry.node_id == "a" else "a"
        live[other] = Standing(
            family=settled.family,
            family_domains={**live[other].family_domains, **settled.family_domains},
            node=live[other].node,
            capabilities=live[other].capabilities,
        )

    found = rebuild(reversed(ledger), declared={"a": frozenset(), "b": frozenset()})

    assert found == live


def test_rebuild_of_two_entries_with_one_revision_raises():
    entry = LedgerEntry(rev=1, node_id="a", weights={"code": 1.0}, x=0.5, score=0.5)

    with pytest.raises(ScoreInvalid, match="rev is 1"):
        rebuild([entry, entry], declared={})


def test_results_of_different_families_commute():
    first = LedgerEntry(rev=1, node_id="a", weights={"code": 1.0}, x=0.3, score=0.9)
    other = LedgerEntry(rev=1, node_id="z", weights={"code": 1.0}, x=0.7, score=0.1)

    states = []
    for order in permutations([first, other]):
        families = {"a": Standing(), "z": Standing()}
        for entry in order:
            rows = families[entry.node_id]
            families[entry.node_id] = apply(rows, settle(rows, entry.weights, entry.x, entry.score))
        states.append(families)

    assert states[0] == states[1]


def test_many_good_results_lift_the_node_and_its_family_but_not_another_domain():
    standing = Standing()
    for _ in range(60):
        standing = apply(standing, settle(standing, {"code": 1.0}, 0.5, 0.95))

    good = predict(standing, {"code": 1.0}, 0.5)
    sibling = Standing(family=standing.family, family_domains=standing.family_domains)
    assert success_probability(*good) > 0.88
    assert (
        good.m > predict(sibling, {"code": 1.0}, 0.5).m > predict(Standing(), {"code": 1.0}, 0.5).m
    )
    assert "law" not in standing.capabilities


def test_a_clipped_surprise_moves_no_more_than_the_clip():
    rows = Standing(family=FamilyState(m=6.0, v=0.01))

    found = settle(rows, {"code": 1.0}, 0.5, 0.0)

    sd = -found.expected / found.surprise
    assert found.surprise < -posterior.CLIP
    assert found.error == pytest.approx(-posterior.CLIP * sd)
