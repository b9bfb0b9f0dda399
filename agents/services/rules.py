"""What every write of the catalogue checks before anything is written."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import IntegrityError
from jsonschema import Draft202012Validator, SchemaError

from agents.tools import foreign_schema
from loomsite.access.core import untrusted
from loomsite.access.core.errors import FieldError, InputInvalid

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
_MOST_WORDS = 100
_LONGEST_WORD = 128
_LONGEST_SCHEMA = 8_000  # each assistant reads it in each session
_MOST_MONEY = Decimal(10_000_000)

Check = Callable[[object], str | None]


def validate(fields: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Pass when each field is what its check wants and can be stored.

    Raises:
        InputInvalid: It names every field that is not.
    """
    errors = [
        FieldError(field=name, message=message)
        for name, value in fields.items()
        if (message := untrusted.fault(_plain(value)) or checks.get(name, _anything)(value))
    ]
    if errors:
        raise InputInvalid(
            " ".join(f"{error.field}: {error.message}" for error in errors), errors=tuple(errors)
        )


def slug(value: object) -> str | None:
    if isinstance(value, str) and _SLUG.fullmatch(value):
        return None
    return "Use 1 to 63 of a to z, 0 to 9, hyphen and underscore."


def text(longest: int, *, least: int = 0) -> Check:
    """Return a check for text of a length; blanks do not count."""

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return "Must be text."
        if len(value.strip()) < least:
            return "Must not be empty."
        return f"Must be at most {longest:,} characters." if len(value) > longest else None

    return check


def words(value: object) -> str | None:
    """Accept a list of distinct short strings."""
    if not isinstance(value, list | tuple):
        return "Must be a list of strings."
    if len(value) > _MOST_WORDS:
        return f"Must have at most {_MOST_WORDS} entries."
    for item in value:
        if not isinstance(item, str) or not 0 < len(item.strip()) <= _LONGEST_WORD:
            return f"Each entry must be text of 1 to {_LONGEST_WORD} characters."
    return "Holds an entry twice." if len(set(value)) < len(value) else None


def whole(least: int, most: int, *, optional: bool = False) -> Check:
    """Return a check for a whole number in a range."""

    def check(value: object) -> str | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            return f"Must be a whole number from {least:,} to {most:,}."
        return None

    return check


def number(least: float, most: float, *, optional: bool = False) -> Check:
    """Return a check for a number in a range."""

    def check(value: object) -> str | None:
        if value is None and optional:
            return None
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and least <= value <= most
        ):
            return None
        return f"Must be a number from {least:g} to {most:g}."

    return check


def dollars(*, optional: bool = False) -> Check:
    """Return a check for an amount of money, zero or more."""

    def check(value: object) -> str | None:
        if value is None and optional:
            return None
        try:
            amount = value if isinstance(value, Decimal) else Decimal(str(value))
        except InvalidOperation:
            return "Must be an amount of US dollars."
        if isinstance(value, bool) or not amount.is_finite() or not 0 <= amount <= _MOST_MONEY:
            return f"Must be an amount of US dollars from 0 to {_MOST_MONEY:,}."
        return None

    return check


def flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "Must be true or false."


def tool_schema(value: object) -> str | None:
    """Accept the JSON Schema of a tool's arguments, or nothing at all."""
    if not isinstance(value, dict):
        return "Must be a JSON object: a JSON Schema, or {} for a plain message."
    if not value:
        return None
    if len(json.dumps(value, default=str)) > _LONGEST_SCHEMA:
        return f"Must be at most {_LONGEST_SCHEMA:,} characters long."
    try:
        foreign_schema.tamed(value)
        Draft202012Validator.check_schema(value)
    except foreign_schema.SchemaUnusable as error:
        return f"Must be the JSON Schema of an object, but {error}."
    except SchemaError as error:
        return f"Must be a JSON Schema, but {error.message[:200]}."
    return None


def one_of(*allowed: str) -> Check:
    """Return a check for one of a few words."""
    choice = ", ".join(allowed)

    def check(value: object) -> str | None:
        return None if isinstance(value, str) and value in allowed else f"Use one of: {choice}."

    return check


def violates(error: IntegrityError, constraint: str) -> bool:
    """Say whether it was this constraint that refused a row."""
    return constraint in str(error)


def _anything(_value: object) -> None:
    return None


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
