"""Core values to JSON and back, for the rows that keep them."""

from dataclasses import is_dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from cluster.core.types import Json

T = TypeVar("T")


@cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def value_dump(value: object) -> Json:
    """Return a core value as JSON; money as a string, so that nothing is rounded."""
    assert is_dataclass(value)
    return _adapter(type(value)).dump_python(value, mode="json")


def value_load(cls: type[T], dumped: Json) -> T:
    """Return the core value that `value_dump` dumped.

    Raises:
        pydantic.ValidationError: It was not dumped from one.
    """
    return _adapter(cls).validate_python(dumped)
