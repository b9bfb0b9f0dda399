"""Skill over correlated domains: exact pooling, nothing counted twice, jumps found."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.factors import SIZE, Anchor, features, space
from cluster.core.skill import (
    FADE,
    NODE_ROW,
    Field,
    Observation,
    Standing,
    absorb,
    family_beliefs,
    family_from_row,
    family_row,
    family_start,
    node_beliefs,
    node_from_row,
    node_row,
    node_start,
    predict,
    settle,
)

CENTROIDS = {"code": [1.0, 0.0, 0.0], "test": [0.8, 0.6, 0.0], "law": [0.0, 0.0, 1.0]}


@cache
def at():
    return space(CENTROIDS)


def seen(domain="code", x=0.5, good=2.0, bad=0.2):
    return Observation(features=features(at(), {domain: 1.0}, x), likelihood=(bad, good))


def worked(results, standing=None):
    standing = standing or Standing(node=node_start(at()), family=family_start())
    for result in results:
        found = settle(at(), standing, result)
        standing = Standing(node=found.node, family=found.family)
    return standing


def belief(standing, domain="code", x=0.5):
    return predict(at(), standing, features(at(), {domain: 1.0}, x))


def same(one, other):
    return node_row(one.node) == node_row(other.node) and family_row(one.family) == family_row(
        other.family
    )


def message(node):
    own = node.precision @ np.linalg.inv(at().node_p + node.precision)
    rest = node.shift - node.precision @ (node.declared + node.lift * at().level)
    return node.precision - own @ node.precision, rest - own @ rest


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
        assert row @ at().level == pytest.approx(1.0)


def test_a_new_domain_leaves_the_old_factors_as_they_were():
    wider = space({**CENTROIDS, "art": [0.0, 1.0, 0.0]}, anchors=at().anchors)

    for domain in CENTROIDS:
        assert np.allclose(wider.loadings[domain], at().loadings[domain])
    assert wider.anchors == (*at().anchors, Anchor(domain="art", centroid=(0.0, 1.0, 0.0)))
    assert np.allclose(wider.level[:3], at().level[:3])


def test_what_a_new_domain_adds_changes_no_belief_about_the_old():
    standing = worked([seen("code"), seen("law", 0.9, 0.2, 1.8)])
    wider = space({**CENTROIDS, "art": [0.0, 1.0, 0.0]}, anchors=at().anchors)

    for domain in CENTROIDS:
        asked = features(at(), {domain: 1.0}, 0.3)
        assert predict(wider, standing, asked) == pytest.approx(predict(at(), standing, asked))


def test_a_centroid_that_moves_keeps_its_anchor():
    moved = space({**CENTROIDS, "code": [0.9, 0.1, 0.4]}, anchors=at().anchors)

    assert moved.anchors == at().anchors
    assert not np.allclose(moved.loadings["code"], at().loadings["code"])


def test_more_domains_than_factors_are_projected():
    many = space({f"d{i:02}": [math.cos(i), math.sin(i)] for i in range(30)})

    assert len(many.anchors) <= SIZE - 1
    assert all(row.shape == (SIZE,) for row in many.loadings.values())
    assert all(row @ row <= 1.0 + 1e-9 for row in many.loadings.values())


def test_features_end_with_the_slope():
    found = features(at(), {"code": 0.5, "law": 0.5}, 0.75)

    assert found[-1] == -0.25
    both = (at().loadings["code"] + at().loadings["law"]) / 2
    assert np.allclose(found[:-1], both[:-1])


def test_a_domain_without_a_place_counts_as_the_average_one():
    average = features(at(), dict.fromkeys(CENTROIDS, 1 / 3), 0.5)

    assert np.allclose(features(at(), {"poetry": 1.0}, 0.5), average)
    only = features(at(), {"law": 1.0}, 0.5)
    assert np.allclose(features(at(), {"poetry": 0.4, "law": 0.6}, 0.5), only)


def test_good_results_raise_near_domains_more_than_far_ones():
    before, after = belief(worked([])), worked([seen()] * 8)

    rise = {d: belief(after, d).m - belief(worked([]), d).m for d in CENTROIDS}
    assert belief(after).v < before.v
    assert rise["code"] > rise["test"] > rise["law"] > 0


def test_a_declared_domain_starts_ahead():
    declared = Standing(node=node_start(at(), declared=["code"]), family=family_start())

    assert belief(declared).m > belief(worked([])).m


def test_a_sibling_learns_from_its_family_but_less():
    worker = worked([seen()] * 8)
    sibling = replace(worker, node=node_start(at()))

    assert belief(worker).m > belief(sibling).m > belief(worked([])).m


def test_the_belief_is_the_exact_posterior_with_nothing_counted_twice():
    one = worked([seen(), seen("law", good=0.3, bad=1.5)])
    two = worked([seen("test")], Standing(node=node_start(at()), family=one.family))

    own, influence, covariance = (rows[0] for rows in node_beliefs(at(), [one.node]))
    mean, spread = (rows[0] for rows in family_beliefs(at(), [two.family]))

    # The long way: the family as the other node knows it, then + D, then the node's own evidence.
    told, shift = message(two.node)
    cavity = np.linalg.inv(at().family_p + told)
    expected = cavity @ (at().family_p @ at().family_mean + shift)
    prior = np.linalg.inv(cavity + np.linalg.inv(at().node_p))
    posterior = np.linalg.inv(prior + one.node.precision)
    assert np.allclose(covariance + influence.T @ spread @ influence, posterior)
    assert np.allclose(own + influence.T @ mean, posterior @ (prior @ expected + one.node.shift))


def test_settling_keeps_the_family_the_sum_of_its_nodes_messages():
    standing = worked([seen("code"), seen("law", 0.9, 0.2, 1.8), seen("test", 0.1)])

    told, shift = message(standing.node)
    assert np.allclose(standing.family.precision, told)
    assert np.allclose(standing.family.shift, shift)


def test_one_result_adds_along_its_features_and_the_rest_fades():
    first = worked([seen()])

    found = settle(at(), first, seen("law"))

    f = seen("law").features
    assert np.allclose(
        found.node.precision, FADE * first.node.precision + found.tau * np.outer(f, f)
    )


def test_merging_gives_the_evidence_over_and_counts_nothing_twice():
    one = worked([seen()] * 5)
    two = worked([seen("law")] * 3, Standing(node=node_start(at()), family=one.family))

    merged, emptied, family = absorb(at(), into=two.node, source=one.node, family=two.family)

    told, shift = message(merged)
    assert np.allclose(merged.precision, one.node.precision + two.node.precision)
    assert not emptied.precision.any()
    assert np.allclose(family.precision, told)
    assert np.allclose(family.shift, shift)


def test_a_score_that_says_nothing_teaches_nothing():
    found = settle(at(), worked([]), seen(good=1.0, bad=1.0))

    assert found.tau <= 1e-4
    assert belief(Standing(node=found.node, family=found.family)).m == pytest.approx(
        found.before.m, abs=1e-3
    )


def test_a_fall_is_noticed_and_the_level_learned_anew():
    good = worked([seen()] * 60)
    falls, standing = 0, good

    for _ in range(15):
        found = settle(at(), standing, seen(good=0.1, bad=2.0))
        standing = Standing(node=found.node, family=found.family)
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

    again = Standing(
        node=node_from_row(node_row(standing.node), standing.node.declared.tolist()),
        family=family_from_row(family_row(standing.family)),
    )

    assert same(again, standing)
    assert len(node_row(standing.node)) == NODE_ROW == 93


def test_an_empty_row_has_seen_nothing():
    assert same(
        Standing(node=node_from_row([], []), family=family_from_row([])),
        Standing(node=node_start(at()), family=family_start()),
    )


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a row of 3 floats, expected 93"):
        node_from_row([0.0] * 3, [])
    with pytest.raises(ValueError, match="a row of 3 floats"):
        family_from_row([0.0] * 3)


def test_a_field_says_of_many_what_is_said_of_each():
    standings = [worked([seen(d)] * n) for d, n in (("code", 3), ("law", 8), ("test", 0))]
    field = Field(at(), node_count=3, family_of=[0, 1, 2])
    field.put_nodes(0, [s.node for s in standings])
    field.put_families(0, [s.family for s in standings])
    asked = features(at(), {"code": 0.4, "law": 0.6}, 0.8)

    assert [pytest.approx(g) for g in field.predict(asked)] == [
        predict(at(), standing, asked) for standing in standings
    ]


def test_a_field_of_nobody_has_nothing_to_say():
    field = Field(at(), node_count=0, family_of=[])
    field.put_nodes(0, [])
    field.put_families(0, [])

    assert field.predict(features(at(), {}, 0.5)) == []
