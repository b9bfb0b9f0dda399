"""What no row could keep."""

import pytest

from loomsite.access.core.untrusted import DEEPEST, fault


def nested(depth):
    value = "leaf"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [None, True, 1, 1.5, "text", "Ω🙂", {"a": [1, {"b": "c"}]}, [], nested(DEEPEST)]
)
def test_what_json_and_postgres_can_keep_has_no_fault(value):
    assert fault(value) is None


@pytest.mark.parametrize(
    ("value", "word"),
    [("a\x00b", "null"), ({"k\x00": 1}, "null"), ([["\x00"]], "null"), ("\ud800", "surrogate"),
     (float("inf"), "large"), ({"a": [float("nan")]}, "large"), (nested(DEEPEST + 1), "deep")],
)  # fmt: skip
def test_what_they_cannot_is_named(value, word):
    assert word in (fault(value) or "")
