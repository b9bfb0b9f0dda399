"""Skill over correlated domains: exact pooling, nothing counted twice, jumps found."""

import math
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.linear import inverse, moved, outer, plus, product, times
from cluster.core.skill import (
    FADE,
    Observation,
    SkillStanding,
    family_belief,
    family_from_row,
    family_row,
    family_start,
    features,
    node_belief,
    node_from_row,
    node_row,
    node_start,
    predict,
    settle,
    space,
)

CENTROIDS = {"code": [1.0, 0.0, 0.0], "test": [0.8, 0.6, 0.0], "law": [0.0, 0.0, 1.0]}


@cache
def at():
    return space(CENTROIDS)


def seen(domain="code", x=0.5, good=2.0, bad=0.2):
    return Observation(features=features(at(), {domain: 1.0}, x), good=good, bad=bad)


def worked(results, standing=None):
    standing = standing or SkillStanding(node=node_start(at()), family=family_start(at()))
    for result in results:
        found = settle(at(), standing, result)
        standing = SkillStanding(node=found.node, family=found.family)
    return standing


def belief(standing, domain="code", x=0.5):
    return predict(
        node_belief(at(), standing.node),
        family_belief(at(), standing.family),
        features(at(), {domain: 1.0}, x),
    )


def close(found, wanted, tolerance=1e-7):
    return all(
        math.isclose(a, b, abs_tol=tolerance)
        for p, q in zip(found, wanted, strict=True)
        for a, b in zip(p, q, strict=True)
    )


def test_factors_give_the_kernel_back():
    rows = at().loadings

    for a, u in CENTROIDS.items():
        for b, v in CENTROIDS.items():
            cosine = sum(p * q for p, q in zip(u, v, strict=True))
            assert sum(p * q for p, q in zip(rows[a], rows[b], strict=True)) == pytest.approx(
                math.exp(2 * (cosine - 1))
            )


def test_the_level_lifts_every_domain_alike():
    for row in at().loadings.values():
        lift = sum(p * q for p, q in zip(row, at().level[:-1], strict=True))
        assert lift == pytest.approx(1.0, abs=1e-3)


def test_a_new_domain_leaves_the_old_factors_as_they_were():
    wider = space({**CENTROIDS, "art": [0.0, 1.0, 0.0]}, pivots=at().pivots)

    assert {d: wider.loadings[d][:3] for d in CENTROIDS} == dict(at().loadings)
    assert wider.pivots == (*at().pivots, "art")


def test_more_domains_than_factors_are_projected():
    many = space({f"d{i:02}": [math.cos(i), math.sin(i)] for i in range(30)})

    assert many.size <= 12
    assert all(len(row) == many.size - 1 for row in many.loadings.values())


def test_features_end_with_the_slope():
    found = features(at(), {"code": 0.5, "law": 0.5}, 0.75)

    assert found[-1] == -0.25
    assert found[:-1] == pytest.approx(
        [(p + q) / 2 for p, q in zip(at().loadings["code"], at().loadings["law"], strict=True)]
    )


def test_a_domain_without_a_place_counts_as_the_average_one():
    average = features(at(), dict.fromkeys(CENTROIDS, 1 / 3), 0.5)

    assert features(at(), {"poetry": 1.0}, 0.5) == pytest.approx(average)
    assert features(at(), {"poetry": 0.4, "law": 0.6}, 0.5) == features(at(), {"law": 1.0}, 0.5)


def test_good_results_raise_near_domains_more_than_far_ones():
    before, after = belief(worked([])), worked([seen()] * 8)

    rise = {d: belief(after, d).m - belief(worked([]), d).m for d in CENTROIDS}
    assert belief(after).v < before.v
    assert rise["code"] > rise["test"] > rise["law"] > 0


def test_a_declared_domain_starts_ahead():
    declared = SkillStanding(node=node_start(at(), declared=["code"]), family=family_start(at()))

    assert belief(declared).m > belief(worked([])).m


def test_a_sibling_learns_from_its_family_but_less():
    worker = worked([seen()] * 8)
    sibling = replace(worker, node=node_start(at()))

    assert belief(worker).m > belief(sibling).m > belief(worked([])).m


def message(node):
    own = product(node.precision, inverse(plus(at().node_p, node.precision)))
    rest = moved(node.shift, times(node.precision, node.offset), -1.0)
    return (
        plus(node.precision, product(own, node.precision), -1.0),
        moved(rest, times(own, rest), -1.0),
    )


def test_the_belief_is_the_exact_posterior_with_nothing_counted_twice():
    one = worked([seen(), seen("law", good=0.3, bad=1.5)])
    two = worked([seen("test")], SkillStanding(node=node_start(at()), family=one.family))

    found = node_belief(at(), one.node)
    family = family_belief(at(), two.family)

    # The long way: the family as the other node knows it, then + D, then the node's own evidence.
    told, shift = message(two.node)
    cavity = inverse(plus(at().family_p, told))
    expected = times(cavity, moved(times(at().family_p, at().family_mean), shift))
    prior = inverse(plus(cavity, at().node_d))
    covariance = inverse(plus(prior, one.node.precision))
    mean = times(covariance, moved(times(prior, expected), one.node.shift))
    through = product(list(zip(*found.influence, strict=True)), family.covariance)
    assert close(plus(found.covariance, product(through, found.influence)), covariance)
    lent = times(list(zip(*found.influence, strict=True)), family.mean)
    assert moved(found.own, lent) == pytest.approx(mean)


def test_settling_keeps_the_family_the_sum_of_its_nodes_messages():
    standing = worked([seen("code"), seen("law", 0.9, 0.2, 1.8), seen("test", 0.1)])

    told, shift = message(standing.node)
    assert close(standing.family.precision, told)
    assert standing.family.shift == pytest.approx(shift)


def test_one_result_adds_along_its_features_and_the_rest_fades():
    first = worked([seen()])

    found = settle(at(), first, seen("law"))

    f = seen("law").features
    faded = [[FADE * value for value in row] for row in first.node.precision]
    assert close(found.node.precision, plus(faded, outer(f, f, found.tau)))


def test_a_score_that_says_nothing_teaches_nothing():
    found = settle(at(), worked([]), seen(good=1.0, bad=1.0))

    assert found.tau <= 1e-4
    assert belief(SkillStanding(node=found.node, family=found.family)).m == pytest.approx(
        found.before.m, abs=1e-3
    )


def test_a_fall_is_noticed_and_the_level_learned_anew():
    good = worked([seen()] * 60)
    falls, standing = 0, good

    for _ in range(15):
        found = settle(at(), standing, seen(good=0.1, bad=2.0))
        standing = SkillStanding(node=found.node, family=found.family)
        falls += found.jumped == -1

    assert falls >= 1
    assert belief(standing).m < belief(good).m - 2


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(CENTROIDS)), st.floats(0, 1), st.floats(0.05, 3)),
        max_size=20,
    )
)
def test_any_history_leaves_a_proper_belief(history):
    standing = worked([seen(domain, x, good, 3.1 - good) for domain, x, good in history])

    for domain in CENTROIDS:
        found = belief(standing, domain, 0.9)
        assert math.isfinite(found.m)
        assert 0 < found.v <= belief(worked([]), domain, 0.9).v + 1e-6


def test_rows_keep_everything():
    standing = worked([seen("code"), seen("law", 0.9, 0.2, 1.8)])

    assert node_from_row(at(), node_row(standing.node)) == standing.node
    assert family_from_row(at(), family_row(standing.family)) == standing.family


def test_a_row_at_full_rank_has_104_floats():
    centroids = {f"d{i:02}": [float(i == j) for j in range(12)] for i in range(12)}

    assert len(node_row(node_start(space(centroids)))) == 104


def test_a_row_of_another_space_is_refused():
    with pytest.raises(ValueError, match="a row of 3 floats is of another space than one of 4"):
        node_from_row(at(), [0.0] * 3)
    with pytest.raises(ValueError, match="a row of 3 floats"):
        family_from_row(at(), [0.0] * 3)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(sorted(CENTROIDS)))))
def test_working_through_rows_repeats_every_number(history):
    kept = {"a": node_start(at()), "b": node_start(at())}
    stored = {name: node_row(node) for name, node in kept.items()}
    family, family_stored = family_start(at()), family_row(family_start(at()))

    for name, domain in history:
        live = settle(at(), SkillStanding(node=kept[name], family=family), seen(domain))
        rows = SkillStanding(
            node=node_from_row(at(), stored[name]), family=family_from_row(at(), family_stored)
        )
        again = settle(at(), rows, seen(domain))
        kept[name], family = live.node, live.family
        stored[name], family_stored = node_row(again.node), family_row(again.family)

    assert {name: node_from_row(at(), row) for name, row in stored.items()} == kept
    assert family_from_row(at(), family_stored) == family
