"""What doors hand in: every bad value is refused with words that say what to change."""

import json
from decimal import Decimal
from typing import Any

import pytest

from cluster.core.errors import CheckInvalid, GoalInvalid, TaskInvalid, TaskUnknown
from cluster.core.submission import Submission, submission_read, task_id_read
from tests.requirements import requirement

HALF = "\ud83d"


def test_a_whole_submission_is_read_as_it_was_meant() -> None:
    read = submission_read(
        {
            "goal": "  Compare the two.  ",
            "agent": "ada",
            "context": "They are red.",
            "checks": [{"kind": "contains", "value": "red", "required": True}],
            "budget_usd": "0.50",
            "max_cycles": 3,
            "min_score": 1,
            "deadline_s": 60,
            "priority": -5,
            "collections": ["docs", "docs", "notes"],
            "metadata": {"user": {"name": "Ada", "日本": [1, None, True]}},
            "idempotency_key": "k-1",
        }
    )

    assert read == Submission(
        goal="Compare the two.",
        agent="ada",
        context="They are red.",
        checks=({"kind": "contains", "value": "red", "required": True},),
        budget_usd=Decimal("0.500000"),
        max_cycles=3,
        min_score=1.0,
        deadline_s=60.0,
        priority=-5,
        collections=("docs", "notes"),
        metadata={"user": {"name": "Ada", "日本": [1, None, True]}},
        idempotency_key="k-1",
    )


def test_a_goal_is_enough_and_null_is_as_good_as_not_given() -> None:
    fields = dict.fromkeys(set(Submission.__dataclass_fields__) - {"goal"})

    assert submission_read({"goal": "Go.", **fields}) == Submission(goal="Go.")


@requirement("bad_days.bad_input")
@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (None, "The goal is missing: send a text that says what is to be done."),
        ("", "The goal is empty: say what is to be done."),
        (" \n\t ", "The goal is empty: say what is to be done."),
        (b"\xff\xfe", "The goal is a bytes: send a text that says what is to be done."),
        (7, "The goal is a int: send a text that says what is to be done."),
        ({"text": "Go."}, "The goal is a dict: send a text that says what is to be done."),
        (["Go."], "The goal is a list: send a text that says what is to be done."),
        (True, "The goal is a bool: send a text that says what is to be done."),
        (
            "a" * 1_000_000,
            (
                "The goal has 1,000,000 characters, at most 100,000 are possible: put long "
                "material into `context` or a knowledge collection."
            ),
        ),
        ("a\0b", "The goal has the control character U+0000 at position 1: send plain text."),
        (
            "\x7fELF\x02\x01",
            "The goal has the control character U+0002 at position 4: send plain text.",
        ),
        (
            f"so {HALF} so",
            "The goal has half a character (U+D83D) at position 3: send valid Unicode.",
        ),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_goal_that_is_none_is_refused(goal: Any, said: str) -> None:
    with pytest.raises(GoalInvalid) as caught:
        submission_read({"goal": goal})

    assert (str(caught.value), caught.value.field) == (said, "goal")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("agent", 7),
        ("agent", "a" * 64),
        ("agent", "a\0"),
        ("context", ["long"]),
        ("context", "a" * 400_001),
        ("context", HALF),
        ("checks", "contains"),
        ("checks", {"kind": "contains"}),
        ("budget_usd", "much"),
        ("budget_usd", "NaN"),
        ("budget_usd", float("nan")),
        ("budget_usd", float("inf")),
        ("budget_usd", -0.01),
        ("budget_usd", 1_000_000.01),
        ("budget_usd", True),
        ("budget_usd", "1e999999999"),
        ("budget_usd", [1]),
        ("max_cycles", 0),
        ("max_cycles", 11),
        ("max_cycles", 1.5),
        ("max_cycles", "2"),
        ("max_cycles", True),
        ("min_score", -0.1),
        ("min_score", 1.1),
        ("min_score", float("nan")),
        ("min_score", "0.5"),
        ("min_score", False),
        ("deadline_s", 0),
        ("deadline_s", -5),
        ("deadline_s", 1e12),
        ("deadline_s", float("inf")),
        ("priority", 101),
        ("priority", -101),
        ("priority", 0.5),
        ("collections", "docs"),
        ("collections", [""]),
        ("collections", [7]),
        ("collections", ["docs\0"]),
        ("collections", [HALF]),
        ("collections", ["d" * 5_000]),
        ("collections", [f"c-{n}" for n in range(5_000)]),
        ("metadata", []),
        ("metadata", "a"),
        ("metadata", {"a": float("nan")}),
        ("metadata", {"a": float("-inf")}),
        ("metadata", {"a": {1, 2}}),
        ("metadata", {"a": "b\0"}),
        ("metadata", {"a\0": "b"}),
        ("metadata", {"a": HALF}),
        ("metadata", {HALF: 1}),
        ("metadata", {"a": "b" * 64_000}),
        ("idempotency_key", "k" * 201),
        ("idempotency_key", "k\0"),
        ("idempotency_key", 7),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_field_that_cannot_be_used_is_named(name: str, value: Any) -> None:
    with pytest.raises(TaskInvalid) as caught:
        submission_read({"goal": "Go.", name: value})

    assert caught.value.field == name
    assert str(caught.value).endswith((".", "50"))
    assert len(str(caught.value)) < 500


def test_metadata_as_deep_as_python_goes_is_refused_and_not_a_crash() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}

    with pytest.raises(TaskInvalid):
        submission_read({"goal": "Go.", "metadata": deep})


def test_text_that_only_looks_like_an_escape_is_text() -> None:
    given = {"pattern": r"\u0000 and \ud83d", "smile": "😀"}

    assert submission_read({"goal": "Go.", "metadata": given}).metadata == given


def test_what_is_read_can_be_stored_as_json() -> None:
    read = submission_read({"goal": "😀", "metadata": {"smile": "😀"}})

    assert json.loads(json.dumps(read.metadata, ensure_ascii=False).encode()) == {"smile": "😀"}


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(TaskInvalid) as caught:
        submission_read({"goal": "Go.", "bugdet_usd": 1})

    assert caught.value.field == "bugdet_usd"
    assert "budget_usd" in str(caught.value)


@pytest.mark.parametrize(
    ("checks", "field"),
    [
        ([{"kind": "magic"}], "checks[0]"),
        ([{"kind": "contains", "value": "a"}, "contains"], "checks[1]"),
        ([{"kind": "contains", "value": "a"}] * 21, "checks"),
        ([{"kind": "equals", "value": HALF}], "checks"),
        ([{"kind": "equals", "value": "\0"}], "checks"),
        ([{"kind": "equals", "value": ["a" * 40_000, "b" * 40_000]}], "checks"),
    ],
    ids=["unknown kind", "no object", "too many", "half a character", "null", "too long"],
)
def test_a_check_that_cannot_run_is_refused_before_anything_is_paid_for(
    checks: Any, field: str
) -> None:
    with pytest.raises(TaskInvalid) as caught:
        submission_read({"goal": "Go.", "checks": checks})

    assert caught.value.field == field
    assert isinstance(caught.value, CheckInvalid | TaskInvalid)


@pytest.mark.parametrize("value", ["", "7", None, 7, "not-a-uuid", "a" * 10_000, "\0", HALF])
def test_an_id_that_is_none_is_an_unknown_task(value: Any) -> None:
    with pytest.raises(TaskUnknown) as caught:
        task_id_read(value)

    assert len(str(caught.value)) < 300


def test_an_id_is_read_in_any_usual_spelling() -> None:
    assert (
        task_id_read("0F8FAD5BD9CB469FA165-70867728950E") == "0f8fad5b-d9cb-469f-a165-70867728950e"
    )
