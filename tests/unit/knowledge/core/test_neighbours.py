"""What neighbours add to a memory's score, and how words and vectors are put together."""

import pytest

from knowledge.core.neighbours import Found, fits, with_neighbours

BESIDE = [("b", "a", 1), ("b", "c", 1), ("b", "d", 2)]


def test_an_entry_lends_half_and_a_third_of_its_score_to_those_beside_it():
    joined = with_neighbours({"b": 1.0}, BESIDE)

    assert joined == pytest.approx({"b": 1.0, "a": 0.5, "c": 0.5, "d": 0.3})


def test_neighbours_lend_to_words_and_not_to_vectors():
    found = Found(words={"b": 4.0}, meaning={"x": 0.9, "b": 0.4, "c": 0.1})

    scores = fits(found, BESIDE, fusion="convex")

    assert scores == pytest.approx(
        {"b": 0.5 + 0.5 * 0.375, "x": 0.5, "a": 0.25, "c": 0.25, "d": 0.15}
    )


@pytest.mark.parametrize(
    ("fusion", "order"),
    [("convex", ["b", "c", "a"]), ("rrf", ["b", "c", "a"]), ("lexical", ["b", "a", "c"])],
)
def test_each_fusion_orders_by_both_or_by_words(fusion, order):
    found = Found(words={"b": 4.0, "a": 3.0, "c": 1.0}, meaning={"c": 0.9, "b": 0.85, "a": 0.8})

    scores = fits(found, [], fusion=fusion)

    assert sorted(scores, key=lambda key: -scores[key]) == order
    assert all(0 <= score <= 1 for score in scores.values())


@pytest.mark.parametrize("fusion", ["convex", "rrf", "lexical", "dense"])
def test_nothing_found_is_nothing(fusion):
    assert fits(Found(words={}, meaning={}), [], fusion=fusion) == {}
