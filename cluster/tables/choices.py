"""How the core's closed sets become the choices of a column."""

from enum import StrEnum


def choices(values: type[StrEnum]) -> list[tuple[str, str]]:
    """Return value and label of each member, in order."""
    return [(value.value, value.value.replace("_", " ")) for value in values]
