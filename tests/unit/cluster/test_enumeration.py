# ruff: noqa: RUF001 -- goals in Chinese use their own punctuation
"""A goal's own list: every usual way to write one, and what only looks like one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.enumeration import parts_enumerated, shared_preamble


@pytest.mark.parametrize(
    ("goal", "parts"),
    [
        ("1. Find A\n2. Find B", ["Find A", "Find B"]),
        ("1) Find A\n2) Find B", ["Find A", "Find B"]),
        ("(1) Find A\n(2) Find B", ["Find A", "Find B"]),
        ("1. a\n1. b\n1. c", ["a", "b", "c"]),
        ("1. a\n\n2. b\n\n3. c", ["a", "b", "c"]),
        ("**1.** a\n**2.** b", ["a", "b"]),
        ("Step 1: foo\nStep 2 - bar", ["foo", "bar"]),
        ("## 1. Intro\n\ntext a\n\n## 2. Body\n\ntext b", ["Intro\n\ntext a", "Body\n\ntext b"]),
        ("(a) one\n(b) two", ["one", "two"]),
        ("i. one\nii. two\niii. three", ["one", "two", "three"]),
        ("- one\n- two", ["one", "two"]),
        ("* [ ] one\n* [x] two", ["one", "two"]),
        ("• one\n• two", ["one", "two"]),
        ("1. a\n   - x\n   - y\n2. b", ["a\n   - x\n   - y", "b"]),
        ("1. a\n   more\n2. b\n   more", ["a\n   more", "b\n   more"]),
        ("Do (1) this, (2) that; and (3) the rest.", ["this", "that", "the rest."]),
        ("1) this 2) that", ["this", "that"]),
        ("Answer: 1. What is X? 2. What is Y?", ["What is X?", "What is Y?"]),
        ("a) one b) two", ["one", "two"]),
        ("(i) one (ii) two", ["one", "two"]),
        ("First, read. Second, write; finally, merge.", ["read.", "write", "merge."]),
        ("First, read, and second, write.", ["read", "write."]),
        ("一、介绍架构；二、说明市场。", ["介绍架构", "说明市场。"]),
        ("请\n一、介绍\n二、说明", ["介绍", "说明"]),
        ("（1）介绍（2）说明", ["介绍", "说明"]),
        ("１．甲\n２．乙", ["甲", "乙"]),
        ("①甲②乙③丙", ["甲", "乙", "丙"]),
        ("首先，查找；其次，写；最后，总结。", ["查找", "写", "总结。"]),
        ("第一，查找；第二，写。", ["查找", "写。"]),
    ],
)
def test_a_goals_own_list_gives_its_parts(goal, parts):
    assert parts_enumerated(goal) == parts


@pytest.mark.parametrize(
    "goal",
    [
        "",
        "Explain the market.",
        "1. only one",
        "It cost 1.5 million in 2. quarter",
        "Compare the first quarter, second quarter and third quarter.",
        "2. b\n3. c",
        "1. a\n3. c",
        "1.\n2.\n3.",
        "1. a\n2. !!!",
        "```\n1. a\n2. b\n```\nExplain this.",
        "Write a poem. Requirements:\n- four lines\n- rhymes",
        "Which of these is best?\n1. a\n2. b",
        "Pick one. Options:\n(a) one\n(b) two",
        "The report must have:\n- a title\n- a date",
        "写诗。要求：\n- 四行\n- 押韵",
        "a well-known - if odd - example",
        "I e.g. like tea (a) lot",
        "1. a\n2. b\n" + "x" * 200_000,
    ],
)
def test_what_is_no_list_of_parts_gives_none(goal):
    assert (parts_enumerated(goal), shared_preamble(goal)) == ([], "")


def test_the_text_around_the_list_is_shared():
    goal = "For the board:\n\n1. costs\n2. risks\n\nWrite in German."

    assert parts_enumerated(goal) == ["costs", "risks"]
    assert shared_preamble(goal) == "For the board:\n\nWrite in German."


def test_a_line_at_the_margin_after_a_tight_list_is_shared():
    assert shared_preamble("Do:\n- a\n- b\nUse the docs.") == "Do:\n\nUse the docs."


def test_the_list_of_rules_beside_a_list_of_parts_is_shared():
    goal = "Answer:\n1. costs?\n2. risks?\n\nRules:\n1. short\n2. polite\n3. cited"

    assert parts_enumerated(goal) == ["costs?", "risks?"]
    assert shared_preamble(goal) == "Answer:\n\nRules:\n1. short\n2. polite\n3. cited"


@given(st.lists(st.text("abc xyz", min_size=1).filter(str.strip), min_size=2, max_size=12))
def test_any_numbered_lines_come_back_in_order(items):
    goal = "Do:\n" + "\n".join(f"{n}. {item.strip()}" for n, item in enumerate(items, 1))

    found = parts_enumerated(goal)

    joining = {"and", "or", "then"}
    assert not joining & set(found)
    assert found == [item.strip() for item in items]


@given(st.text(max_size=300))
def test_any_text_is_taken_apart_without_a_fault(goal):
    parts = parts_enumerated(goal)

    assert len(parts) != 1
    assert all(part in goal for part in parts)


@pytest.mark.parametrize(
    "piece",
    ["(1) ", "a", "\n", "- x\n", " \n", "first, ", "1. x ", " ", "```\n", ", ", "#", "1",
     "- a\n- b\n\n", "1. a\n2. b\n\n", "(a) x (b) y\n\n", "1. x\n2. y\n\n x\n"],
)  # fmt: skip
def test_a_long_text_of_any_shape_takes_little_time(piece):
    goal = (piece * 200_000)[:200_000]
    started = time.process_time()

    parts_enumerated(goal)

    assert time.process_time() - started < 3
