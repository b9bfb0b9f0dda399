"""What neighbours add to a memory's score."""

import pytest

from knowledge.core.neighbours import with_neighbours


def test_an_entry_lends_half_and_a_third_of_its_score_to_those_beside_it():
    joined = with_neighbours({"b": 1.0}, [("b", "a", 1), ("b", "c", 1), ("b", "d", 2)])

    full = 1 + 2 * (0.5 + 0.3)
    assert joined == pytest.approx(
        {"b": 1 / full, "a": 0.5 / full, "c": 0.5 / full, "d": 0.3 / full}
    )


def test_scores_stay_within_one():
    line = "abcde"
    pairs = [
        (x, y, abs(i - j))
        for i, x in enumerate(line)
        for j, y in enumerate(line)
        if 0 < abs(i - j) <= 2
    ]

    joined = with_neighbours(dict.fromkeys(line, 1.0), pairs)

    assert max(joined.values()) == pytest.approx(1.0)
