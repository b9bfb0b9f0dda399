"""Blueprints: who fits, which version stays, when a new one is due."""

from random import Random

import pytest

from cluster.core.blueprints import (
    BlueprintView,
    Challenge,
    Forge,
    VersionRecord,
    challenge,
    challenger_turn,
    choose,
    evolve_reason,
    forge_decision,
    match,
    race,
    upper_bound,
)


def blueprint(blueprint_id, similarity=0.6, tools=(), domains=()):
    return BlueprintView(
        blueprint_id=blueprint_id,
        similarity=similarity,
        tools=frozenset(tools),
        domains=frozenset(domains),
    )


def version(version_id, n=0, mean=0.0):
    return VersionRecord(version_id=version_id, n=n, total=n * mean)


def test_match_wants_every_tool_and_a_similar_purpose():
    several = [
        blueprint("b", 0.5, ["fetch"]),
        blueprint("a", 0.5, ["fetch", "read"]),
        blueprint("no-tool", 0.9),
        blueprint("elsewhere", 0.1, ["fetch"]),
        blueprint("own", 0.1, ["fetch"], ["law"]),
    ]

    found = match(several, tools=frozenset({"fetch"}), domain="law")

    assert [b.blueprint_id for b in found] == ["own", "a", "b"]


def test_choose_among_none_is_none():
    assert choose([], rng=Random(1)) is None


def test_choose_prefers_the_proven_and_still_tries_the_new():
    versions = [version("good", 50, 0.85), version("bad", 50, 0.3), version("new")]
    rng = Random(1)

    picks = [picked.version_id for _ in range(400) if (picked := choose(versions, rng=rng))]

    assert picks.count("good") > 200
    assert picks.count("new") > 30
    assert picks.count("bad") == 0


def test_race_drops_who_has_lost_and_keeps_who_has_hardly_run():
    versions = [version("good", 40, 0.85), version("bad", 40, 0.3), version("new", 4, 0.0)]

    found = race(versions, rng=Random(1))

    assert [leaving.version_id for leaving in found] == ["bad"]
    assert found[0].reason == "best in 0 of 300 draws after 40 results (mean 0.30)"


def test_race_of_one_or_none_drops_nobody():
    assert race([version("only", 100, 0.0)], rng=Random(1)) == []
    assert race([], rng=Random(1)) == []


def test_race_of_equally_bad_versions_leaves_somebody():
    versions = [version(f"v{i}", 50, 0.1) for i in range(8)]

    assert len(race(versions, rng=Random(1))) < 8


@pytest.mark.parametrize(
    ("given", "action", "reason"),
    [
        ({"best_upper": 0.8}, Forge.NOTHING, "the best bidder may reach 0.80"),
        (
            {"best_upper": 0.3},
            Forge.SPAWN,
            "the best bidder reaches 0.30 at most, the floor is 0.50, and a blueprint fits",
        ),
        (
            {"best_upper": None, "candidates": []},
            Forge.FORGE,
            "nobody could bid, and no blueprint fits",
        ),
        (
            {"best_upper": None, "room": 0},
            Forge.NOTHING,
            "nobody could bid, and the population is full",
        ),
        (
            {"best_upper": None, "barred": {"circuit": 2}},
            Forge.NOTHING,
            "nobody could bid, but a circuit is open: wait",
        ),
    ],
)
def test_forge_decision(given, action, reason):
    found = forge_decision(
        **{"candidates": [blueprint("b")], "floor": 0.5, "room": 3, "barred": {}} | given
    )

    assert (found.action, found.reason) == (action, reason)
    assert found.blueprint_id == ("b" if action is Forge.SPAWN else None)


def test_a_leader_below_the_floor_or_long_unchanged_is_evolved():
    weak, good = version("w", 30, 0.2), version("g", 30, 0.9)

    assert evolve_reason(weak, floor=0.5, since_last=0) == "at best 0.33, below the floor 0.50"
    assert evolve_reason(good, floor=0.5, since_last=199) is None
    assert evolve_reason(good, floor=0.5, since_last=200) == "200 results since the last change"
    assert evolve_reason(version("n", 3, 0.0), floor=0.9, since_last=0) is None


def test_an_untried_version_may_still_be_anything():
    assert upper_bound(version("new")) > 0.95


def test_a_challenger_gets_its_share():
    rng = Random(1)

    assert 150 <= sum(challenger_turn(rng=rng) for _ in range(1000)) <= 250


@pytest.mark.parametrize(
    ("challenger", "outcome"),
    [
        (version("c", 7, 1.0), Challenge.GO_ON),
        (version("c", 30, 0.9), Challenge.PROMOTE),
        (version("c", 30, 0.2), Challenge.ROLL_BACK),
        (version("c", 30, 0.6), Challenge.GO_ON),
        (version("c", 60, 0.6), Challenge.ROLL_BACK),
    ],
)
def test_a_challenge_ends_on_evidence(challenger, outcome):
    assert challenge(version("leader", 100, 0.6), challenger)[0] is outcome
