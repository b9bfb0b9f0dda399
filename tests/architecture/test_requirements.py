"""The ledger of promises: each is held by a test or stands among the gaps; no mark is unknown."""

import ast
from pathlib import Path

from tests.requirements import GAPS, PROMISES

TESTS = Path(__file__).parents[1]


def marks() -> dict[str, list[str]]:
    """Return by promise the tests that carry its mark, read from the source."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "requirement":
                    for id_ in mark.args:
                        name = f"{path.relative_to(TESTS)}::{node.name}"
                        found.setdefault(ast.literal_eval(id_), []).append(name)
    return found


def test_every_promise_is_held_by_a_test_or_stands_among_the_gaps() -> None:
    assert sorted(set(PROMISES) - set(marks()) - set(GAPS)) == []


def test_no_test_holds_a_promise_that_nobody_made() -> None:
    assert sorted(set(marks()) - set(PROMISES)) == []


def test_a_gap_is_a_promise_that_no_test_holds_and_says_why() -> None:
    assert sorted(set(GAPS) - set(PROMISES)) == []
    assert sorted(set(GAPS) & set(marks())) == []
    assert [id_ for id_, why in GAPS.items() if not why.strip()] == []


def test_only_functions_named_test_carry_marks() -> None:
    carriers = [name for names in marks().values() for name in names]

    assert [name for name in carriers if "::test_" not in name] == []
