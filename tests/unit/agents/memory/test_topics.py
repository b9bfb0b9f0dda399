"""Which facts cannot both hold."""

import pytest

from agents.memory.topics import topic_of


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("The office is in Berlin.", "The office is now in Bonn."),
        ("Anna lives in Berlin", "Anna now lives in Bonn."),
        ("The deadline is Friday.", "the deadline is Monday"),
        ("My budget is 500 euros.", "My budget is 700 euros."),
        ("Anna's phone number is 12", "Anna's phone number is 13"),
        ("Bo works at Weavers.", "Bo works at Spinners."),
    ],
)
def test_two_values_of_one_thing_share_a_topic(older, newer):
    assert topic_of(older) == topic_of(newer) != ""


@pytest.mark.parametrize(
    "text",
    [
        "The office is noisy.",
        "Anna likes Berlin.",
        "Is the office in Berlin?",
        "The office is in Berlin. It is noisy.",
        "",
        "x" * 10_000,
        "The " + "very " * 2_000 + "is",
    ],
)
def test_what_may_well_hold_beside_others_has_no_topic(text):
    assert topic_of(text) == ""


def test_different_things_have_different_topics():
    texts = ["The office is in Berlin.", "The office is Berlin 7.", "The shop is in Berlin."]

    assert len({topic_of(text) for text in texts}) == 3
