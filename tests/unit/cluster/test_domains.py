"""Where goals belong, how centroids follow them, and what new kinds of work are called."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.domains import (
    FAR,
    JOIN,
    MEMORY_N,
    WORDS_N,
    Placement,
    cosine,
    drifted,
    named,
    place,
)

EAST, NORTH = (1.0, 0.0), (0.0, 1.0)


def at(cos: float) -> tuple[float, float]:
    """Return a direction with this cosine to the east."""
    return (cos, -math.sqrt(1 - cos * cos))


@pytest.mark.parametrize(
    ("goal", "placed"),
    [
        (at(FAR + 0.01), Placement(kind="known", slug="east")),
        (at(FAR - 0.01), Placement(kind="new")),
        (at(-1.0), Placement(kind="new")),
        (EAST, Placement(kind="known", slug="east")),
    ],
)
def test_a_goal_belongs_to_the_nearest_domain_that_is_near_enough(
    goal: tuple[float, float], placed: Placement
) -> None:
    assert place(goal, known={"east": EAST, "north": NORTH}, forming={}) == placed


def test_a_goal_far_from_all_joins_one_that_takes_form_only_when_it_is_near() -> None:
    forming = {"forming-1": EAST}

    assert place(at(JOIN + 0.01), known={}, forming=forming).kind == "forming"
    assert place(at(JOIN - 0.01), known={}, forming=forming).kind == "new"


def test_equally_near_goes_to_the_first_slug() -> None:
    assert place(EAST, known={"b": EAST, "a": EAST}, forming={}).slug == "a"


def test_a_centroid_follows_its_tasks_and_a_description_counts_as_some() -> None:
    learned = drifted(EAST, 1, NORTH, told=False)
    told = drifted(EAST, 0, NORTH, told=True)

    assert learned == pytest.approx([math.sqrt(0.5)] * 2)
    assert told[0] / told[1] == pytest.approx(WORDS_N)


def test_an_old_centroid_can_still_move() -> None:
    assert drifted(EAST, 1e9, NORTH, told=True)[1] == pytest.approx(1 / MEMORY_N, rel=0.01)


def test_a_kind_is_named_by_what_its_goals_share_and_never_as_another() -> None:
    goals = ["Knit a red scarf", "Please knit one scarf more", "Knit with wool"]

    assert named(goals, taken=frozenset()) == "knit-scarf"
    assert named(goals, taken=frozenset({"knit-scarf", "knit-scarf-2"})) == "knit-scarf-3"
    assert named(["42?", "für"], taken=frozenset()) == "kind"


@given(
    st.lists(st.integers(-100, 100), min_size=3, max_size=3),
    st.lists(st.integers(-100, 100), min_size=3, max_size=3),
    st.floats(0, 1e6),
)
def test_a_centroid_stays_a_direction(start: list[int], goal: list[int], n: float) -> None:
    moved = drifted(start, n, goal, told=True)

    assert all(math.isfinite(x) for x in moved)
    assert cosine(moved, moved) == pytest.approx(1.0) or not any(moved)
