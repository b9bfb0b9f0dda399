"""Error codes are for programs: each error has its own, and none is ever renamed."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

MODULES = [
    "agents.core.errors",
    "cluster.core.errors",
    "knowledge.core.errors",
    "loomsite.access.core.errors",
    "loomsite.embedded.errors",
]
PINNED = Path(__file__).with_name("error_codes.txt")
CODE = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z0-9]+)*")


def errors(module: str) -> list[type[Exception]]:
    """Return the errors that a module defines, in the order of their names."""
    found = inspect.getmembers(importlib.import_module(module), inspect.isclass)
    return [each for _, each in found if issubclass(each, Exception) and each.__module__ == module]


EVERY = [each for module in MODULES for each in errors(module)]


def code_of(error: type[Exception]) -> str:
    return str(getattr(error, "code", ""))


def test_no_two_errors_share_a_code() -> None:
    owners: dict[str, list[str]] = {}
    for error in EVERY:
        owners.setdefault(code_of(error), []).append(error.__qualname__)

    assert {code: names for code, names in owners.items() if len(names) > 1} == {}


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__qualname__)
def test_an_error_has_a_code_of_its_app_and_says_whether_waiting_helps(
    error: type[Exception],
) -> None:
    app = error.__module__.removeprefix("loomsite.").split(".")[0]

    assert CODE.fullmatch(code_of(error))
    assert code_of(error).split(".")[0] == app
    assert isinstance(getattr(error, "retryable", None), bool)


@pytest.mark.parametrize("module", MODULES)
def test_the_tree_at_the_top_of_the_module_names_every_error(module: str) -> None:
    drawn = importlib.import_module(module).__doc__ or ""

    assert [e.__qualname__ for e in errors(module) if e.__qualname__ not in drawn] == []


def test_no_code_that_was_ever_given_out_is_gone() -> None:
    pinned = PINNED.read_text(encoding="utf-8").split()

    assert sorted(set(pinned) - {code_of(error) for error in EVERY}) == []
    assert pinned == sorted(pinned)
