"""Which programs may be started as MCP servers: those the instance's owner listed, no others."""

import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*=", re.ASCII)
_ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedCommand:
    """A command line that may be started; `open_ended` lets more arguments follow."""

    words: tuple[str, ...]
    variables: frozenset[str]
    open_ended: bool


def command_parsed(entry: str) -> AllowedCommand:
    """Return what an entry of LOOM_MCP_COMMANDS allows.

    `TOKEN= /usr/bin/server --root /data` is this command line with a variable TOKEN that a
    connection may set; a last word `*` lets any arguments follow.

    Raises:
        ValueError: There is no command in it, or a quotation does not end.
    """
    words = shlex.split(entry)
    variables: set[str] = set()
    while words and _VARIABLE.fullmatch(words[0]):
        variables.add(words.pop(0)[:-1])
    open_ended = words[-1:] == [_ANY]
    if open_ended:
        words.pop()
    if not words:
        raise ValueError("there is no command in it")
    return AllowedCommand(words=tuple(words), variables=frozenset(variables), open_ended=open_ended)


def command_fault(
    command: Sequence[str], variables: Collection[str], *, allowed: Sequence[str]
) -> str | None:
    """Say why a server may not be started with these words and variables; None if it may."""
    given = tuple(command)
    for entry in allowed:
        try:
            rule = command_parsed(entry)
        except ValueError:
            continue  # the start-up checks name it
        fits = given[: len(rule.words)] == rule.words if rule.open_ended else given == rule.words
        if fits and rule.variables.issuperset(variables):
            return None
    return (
        f"The command {shlex.join(given)[:200]!r} is not on the list of MCP servers that may be "
        "started here: the owner of this Loom lists it, and the variables it may be given, in "
        "LOOM_MCP_COMMANDS."
    )
