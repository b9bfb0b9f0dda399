"""The two moves of the market: the ledger repeats them, and what commutes does."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.core import factors, skill
from cluster.core.errors import ScoreInvalid
from cluster.core.market import Book, LedgerEntry, Work, learn, rebuild
from cluster.core.skill import Standing, family_row, node_row

SPACE = factors.space({"code": [1.0, 0.0, 0.0], "test": [0.8, 0.6, 0.0], "law": [0.0, 0.0, 1.0]})
START = {name: skill.node_start(SPACE, declared=own) for name, own in (("a", ["law"]), ("b", []))}
HISTORY = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["code", "test", "law"]),
        st.floats(0, 1),
        st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    ),
    max_size=25,
)


def work(domain="code", x=0.5, **fields):
    return Work(weights={domain: 1.0}, x=x, similarities={domain: 0.6}, label=domain, **fields)


def live(history, book=None):
    """Return rows, ledger and book of a family that works through a history."""
    book = book or Book(space=SPACE)
    nodes, family = dict(START), skill.family_start()
    ledger = []
    for rev, (name, domain, x, score) in enumerate(history, start=1):
        found = learn(book, Standing(node=nodes[name], family=family), work(domain, x), score)
        nodes[name], family, book = found.settled.node, found.settled.family, found.book
        ledger.append(
            LedgerEntry(
                rev=rev,
                node_id=name,
                features=tuple(found.observation.features.tolist()),
                likelihood=found.observation.likelihood,
            )
        )
    return {name: Standing(node=node, family=family) for name, node in nodes.items()}, ledger, book


def rows(standings):
    return {name: (node_row(one.node), family_row(one.family)) for name, one in standings.items()}


def declared():
    return {name: tuple(node.declared.tolist()) for name, node in START.items()}


@settings(max_examples=30, deadline=None)
@given(HISTORY, st.randoms(use_true_random=False))
def test_a_family_rebuilt_from_its_ledger_equals_the_live_one(history, rng):
    standings, ledger, _ = live(history)
    rng.shuffle(ledger)

    assert rows(rebuild(SPACE, ledger, declared=declared())) == rows(standings)


@settings(max_examples=20, deadline=None)
@given(HISTORY)
def test_a_rebuild_after_a_domain_was_added_says_the_same(history):
    standings, ledger, _ = live(history)
    wider = factors.space(
        {"code": [1.0, 0.0, 0.0], "law": [0.0, 0.0, 1.0], "art": [0.0, 1.0, 0.0]},
        anchors=SPACE.anchors,
    )

    again = rebuild(wider, ledger, declared=declared())

    for name, one in standings.items():
        assert node_row(again[name].node) == pytest.approx(node_row(one.node), abs=1e-6)
        assert family_row(again[name].family) == pytest.approx(family_row(one.family), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(HISTORY)
def test_families_do_not_touch_each_other(history):
    both = {name: skill.family_start() for name in "ab"}
    nodes, book = dict(START), Book(space=SPACE)
    for name, domain, x, score in history:
        found = learn(book, Standing(node=nodes[name], family=both[name]), work(domain, x), score)
        nodes[name], both[name] = found.settled.node, found.settled.family

    for name in "ab":
        own, _, _ = zip_alone([one for one in history if one[0] == name], name)
        assert node_row(own.node) == node_row(nodes[name])
        assert family_row(own.family) == family_row(both[name])


def zip_alone(history, name):
    node, family, book = START[name], skill.family_start(), Book(space=SPACE)
    for _, domain, x, score in history:
        found = learn(book, Standing(node=node, family=family), work(domain, x), score)
        node, family = found.settled.node, found.settled.family
    return Standing(node=node, family=family), None, None


def test_within_a_family_the_order_counts_which_is_why_the_ledger_has_one():
    history = [("a", "code", 0.5, 1.0), ("b", "code", 0.5, 0.0), ("a", "law", 0.2, 0.0)]

    assert rows(live(history)[0]) != rows(live(history[::-1])[0])


def test_a_merge_is_repeated_by_the_ledger():
    standings, ledger, _ = live([("a", "code", 0.5, 1.0)] * 4 + [("b", "law", 0.5, 0.0)] * 2)
    into, source, family = skill.absorb(
        SPACE, into=standings["b"].node, source=standings["a"].node, family=standings["a"].family
    )
    ledger.append(LedgerEntry(rev=99, node_id="b", kind="merge", source_id="a"))

    again = rebuild(SPACE, ledger, declared=declared())

    assert rows(again) == rows(
        {"a": Standing(node=source, family=family), "b": Standing(node=into, family=family)}
    )


def test_two_lines_with_one_number_are_no_ledger():
    ledger = [LedgerEntry(rev=1, node_id="a", features=(0.0,) * factors.SIZE)] * 2

    with pytest.raises(ScoreInvalid, match="rev is 1"):
        rebuild(SPACE, ledger, declared=declared())


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.5, True, None])
def test_what_is_no_score_teaches_nothing(score):
    with pytest.raises(ScoreInvalid, match="score is"):
        learn(
            Book(space=SPACE), Standing(node=START["a"], family=skill.family_start()), work(), score
        )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Work(weights={"code": 0.4}, x=0.5), "weights"),
        (Work(weights={"code": math.nan}, x=0.5), "weight of 'code'"),
        (Work(weights={"code": 1.0}, x=1.2), "x"),
    ],
)
def test_work_with_numbers_that_make_no_sense_teaches_nothing(wrong, field):
    with pytest.raises(ScoreInvalid) as caught:
        learn(Book(space=SPACE), Standing(node=START["a"], family=skill.family_start()), wrong, 0.5)

    assert caught.value.field == field


@settings(max_examples=30, deadline=None)
@given(HISTORY, st.floats(0, 1), st.floats(0.05, 0.95))
def test_a_share_of_an_evaluation_teaches_less_than_all_of_it_and_no_share_nothing(
    history, score, share
):
    standings, _, book = live(history)

    def moved(part):
        settled = learn(book, standings["a"], work(), score, share=part).settled
        return settled.after.m - settled.before.m, settled.tau

    none, some, all_ = moved(0.0), moved(share), moved(1.0)
    assert none == pytest.approx((0.0, 0.0), abs=1e-3)  # but for what fades
    # A middling score, which the two readings see in two ways, says next to nothing either way.
    assert abs(some[0]) <= abs(all_[0]) + 0.1
    assert some[0] * all_[0] >= -0.01


def test_a_share_that_is_none_teaches_nothing():
    with pytest.raises(ScoreInvalid, match="share is 2"):
        learn(
            Book(space=SPACE), Standing(node=START["a"], family=skill.family_start()), work(),
            0.5, share=2,
        )  # fmt: skip


def test_a_score_moves_the_channel_and_the_trust():
    _, _, book = live([("a", "code", 0.5, 0.9)] * 30)

    assert book.channel.good[8] > Book(space=SPACE).channel.good[8]
    assert book.trust.label > Book(space=SPACE).trust.label
