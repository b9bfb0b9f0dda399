"""Answers without what says who wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.signatures import unsigned

NAMES = ("writer", "ada-lovelace", "Ada Lovelace", "bob")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("As ada-lovelace, I say 42.", "As [author], I say 42."),
        ("ADA_LOVELACE says 42.", "[author] says 42."),
        ("It is 42.\n-- bob", "It is 42.\n-- [author]"),
        ("It is 42.\n\n— Bob", "It is 42.\n\n— [author]"),
        ("It is 42. Kind regards,\nBob", "It is 42. Kind regards,\n[author]"),
        ("Author: writer", "Author: [author]"),
        ("I am Bob. It is 42.", "I am [author]. It is 42."),
        ("A good writer writes; Bob wrote.", "A good writer writes; Bob wrote."),
        ("The bobsled of adalovelaces", "The bobsled of adalovelaces"),
        ("", ""),
    ],
)
def test_names_are_taken_out_where_one_signs(answer: str, shown: str) -> None:
    assert unsigned(answer, names=NAMES, goal="Say what it is.") == shown


def test_a_name_that_the_goal_is_about_stays() -> None:
    goal = "Who wrote the first program? Sign as Ada Lovelace."

    answer = "Ada Lovelace did.\n-- ada-lovelace"

    assert unsigned(answer, names=NAMES, goal=goal) == answer


@given(st.text(max_size=200), st.lists(st.text(max_size=12), max_size=3))
def test_any_answer_and_any_name_can_be_taken_apart(answer: str, names: list[str]) -> None:
    shown = unsigned(answer, names=names, goal="")

    assert "[author]" in shown or shown == answer
