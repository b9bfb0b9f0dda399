"""Ids as callers write them."""

from collections.abc import Iterable
from uuid import UUID


def uuid_of(value: object) -> UUID | None:
    """Return the UUID that a value is or names; what is none is like an id that is missing."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def uuids_of(values: Iterable[object]) -> list[UUID]:
    """Return the UUIDs among these values, in their order."""
    return [found for value in values if (found := uuid_of(value))]
