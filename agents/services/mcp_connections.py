"""Writes of connections to MCP servers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction

from agents.core.errors import NotFound, SlugTaken
from agents.models import McpConnection
from agents.services import rules
from agents.services.mcp_commands import command_fault
from loomsite.access.core.egress import url_fault
from loomsite.access.core.errors import InputInvalid
from loomsite.access.ids import uuid_of

_MOST_VARIABLES = 20
_LONGEST_COMMAND = 4_000

Seal = Callable[[str], str]


class McpConnectionFields(TypedDict, total=False):
    """What a connection to an MCP server is made of; `environment` holds secrets or references."""

    name: str
    url: str
    command: str
    arguments: list[str]
    environment: dict[str, str]
    secret: str
    trusted: bool
    enabled: bool


def _texts(value: object) -> str | None:
    entries = list(value.items()) if isinstance(value, dict) else None
    if entries is None or not all(isinstance(text, str) for pair in entries for text in pair):
        return "Must be an object of names and texts."
    return None if len(entries) <= _MOST_VARIABLES else f"At most {_MOST_VARIABLES} entries."


def _arguments(value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return "Must be a list of texts."
    return None if sum(map(len, value)) <= _LONGEST_COMMAND else "Is too long."


_CHECKS: dict[str, rules.Check] = {
    "slug": rules.slug,
    "url": rules.text(500),
    "command": rules.text(500),
    "arguments": _arguments,
    "environment": _texts,
    "name": rules.text(200),
    "secret": rules.text(8_000),
    "trusted": rules.flag,
    "enabled": rules.flag,
}


def mcp_connection_create(
    *,
    workspace_id: str,
    slug: str,
    seal: Seal,
    commands: Sequence[str],
    **fields: Unpack[McpConnectionFields],
) -> str:
    """Register an MCP server and return its id: one at a URL, or one that is started here.

    Args:
        workspace_id: Whose connection.
        slug: Its name, and the first part of its tools' names.
        seal: Makes of a secret what may be stored.
        commands: The command lines that may be started.
        **fields: `url`, else `command`; what it is given as secrets, and whether it is trusted.

    Raises:
        InputInvalid: A field cannot be used.
        SlugTaken: The workspace has one of that slug.
    """
    rules.validate({"slug": slug, **fields}, _CHECKS)
    row = McpConnection(workspace_id=workspace_id, slug=slug)
    _apply(row, fields, seal)
    _check(row, fields, commands)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if not rules.violates(error, "agents_mcp_slug_once_per_workspace"):
            raise
        raise SlugTaken(kind="MCP connection", slug=slug) from None
    return str(row.pk)


def mcp_connection_update(
    *,
    workspace_id: str,
    connection_id: str,
    seal: Seal,
    commands: Sequence[str],
    **changes: Unpack[McpConnectionFields],
) -> None:
    """Change a connection; calls from now on go where it leads then.

    A `url` in place of a command forgets the command, and the other way round. What was given to
    one place as a secret is not handed to another: with a new address or command line, `secret` or
    `environment` has to be given again; empty, they are forgotten.

    Raises:
        InputInvalid: A field cannot be used.
        NotFound: No such connection in this workspace.
    """
    rules.validate(changes, _CHECKS)
    with transaction.atomic():
        row = connection_locked(workspace_id, connection_id)
        place, kept = _place(row), (bool(row.secret), bool(row.environment))
        _apply(row, changes, seal)
        _check(row, changes, commands)
        if _place(row) != place:
            if kept[0] and row.url and "secret" not in changes:
                raise InputInvalid.of("secret", "The address changes: give the secret again.")
            if kept[1] and row.command and "environment" not in changes:
                raise InputInvalid.of(
                    "environment", "The command changes: give the environment again."
                )
        row.save()


def mcp_connection_delete(*, workspace_id: str, connection_id: str) -> None:
    """Forget an MCP server and its tools.

    Raises:
        NotFound: No such connection in this workspace.
    """
    rows = McpConnection.objects.filter(workspace_id=workspace_id)
    deleted, _ = rows.filter(pk=uuid_of(connection_id)).delete()
    if not deleted:
        raise NotFound(kind="MCP connection", name=connection_id)


def connection_locked(workspace_id: str, connection_id: str) -> McpConnection:
    """Return a connection for a change, in a transaction.

    Raises:
        NotFound: No such connection in this workspace.
    """
    rows = McpConnection.objects.select_for_update().filter(workspace_id=workspace_id)
    row = rows.filter(pk=uuid_of(connection_id)).first()
    if row is None:
        raise NotFound(kind="MCP connection", name=connection_id)
    return row


def _apply(row: McpConnection, fields: Mapping[str, Any], seal: Seal) -> None:
    """Write the fields into a row that is not saved yet."""
    if fields.get("url") and not fields.get("command"):
        row.command, row.arguments, row.environment = "", [], {}
    if fields.get("command") and not fields.get("url"):
        row.url, row.secret = "", ""
    for name in ("name", "url", "command", "arguments", "trusted", "enabled"):
        if name in fields:
            setattr(row, name, fields[name])
    if "environment" in fields:
        row.environment = {name: seal(value) for name, value in fields["environment"].items()}
    if "secret" in fields:
        row.secret = seal(fields["secret"]) if fields["secret"] else ""
    transports = McpConnection.Transport
    row.transport = transports.HTTP if row.url else transports.STDIO


def _check(row: McpConnection, given: Mapping[str, Any], commands: Sequence[str]) -> None:
    """Pass when a row leads to one server that may be asked.

    Raises:
        InputInvalid: It does not; says what to change.
    """
    if bool(row.url) == bool(row.command):
        raise InputInvalid.of(
            "url", "Give either the url of a server or the command that starts one."
        )
    if row.url and (row.arguments or row.environment):
        raise InputInvalid.of("url", "Arguments and environment are for a command.")
    if row.command and given.get("secret"):
        raise InputInvalid.of("secret", "For a url; a command is given secrets in its environment.")
    fault = url_fault(row.url) if row.url else None
    if fault:
        raise InputInvalid.of("url", fault)
    if row.command:
        line = [row.command, *row.arguments]
        fault = command_fault(line, list(row.environment), allowed=commands)
        if fault:
            raise InputInvalid.of("command", fault)


def _place(row: McpConnection) -> tuple[str, ...]:
    return (row.url, row.command, *row.arguments)
