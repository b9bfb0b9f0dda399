"""Writes of agents; every change of what an agent is makes a new version."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents import live
from agents.core.errors import NotFound, SlugTaken
from agents.core.languages import KNOWN
from agents.core.patterns import linear_search
from agents.models import Agent, AgentVersion, Endpoint, Scene, Tool
from agents.services import rules
from agents.tools import (
    calculator,
    delegate,
    done,
    files,
    http_fetch,
    remember,
    search_knowledge,
)
from loomsite.access.core.errors import InputInvalid
from loomsite.access.ids import uuid_of

# What a version freezes; the rest of an agent's row says whether and where it is offered.
SPEC_FIELDS = (
    "slug", "name", "description", "instructions", "endpoint_id", "model", "tools", "scenes",
    "skills", "collections", "domains", "max_steps", "timeout_s", "max_tokens", "budget_usd",
    "temperature", "answer_language", "filter_patterns", "audit",
)  # fmt: skip

BUILTIN_TOOLS = frozenset(
    {
        calculator.NAME, delegate.NAME, done.NAME, files.LIST, files.READ, files.WRITE,
        http_fetch.NAME, remember.RECALL, remember.REMEMBER, search_knowledge.NAME,
    }
)  # fmt: skip

_MOST_PATTERNS = 50


def _language(value: object) -> str | None:
    if value == "" or value in KNOWN:
        return None
    return f"{value!r} is no language that can be told; there are: {', '.join(sorted(KNOWN))}."


def _patterns(value: object) -> str | None:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        return "Must be a list of patterns."
    if len(value) > _MOST_PATTERNS:
        return f"At most {_MOST_PATTERNS} patterns."
    if not all(text.strip() for text in value):
        return "A pattern is empty: it would match everything."
    try:
        linear_search(value)
    except ValueError as error:
        return str(error)
    return None


_CHECKS: dict[str, rules.Check] = {
    "slug": rules.slug,
    "name": rules.text(200, least=1),
    "description": rules.text(20_000),
    "instructions": rules.text(200_000),
    "model": rules.text(200),
    "tools": rules.words,
    "scenes": rules.words,
    "skills": rules.words,
    "collections": rules.words,
    "domains": rules.words,
    "max_steps": rules.whole(1, 1_000),
    "timeout_s": rules.whole(1, 7 * 24 * 3600),
    "max_tokens": rules.whole(1, 1_000_000_000, optional=True),
    "budget_usd": rules.dollars(optional=True),
    "temperature": rules.number(0, 2, optional=True),
    "answer_language": _language,
    "filter_patterns": _patterns,
    "audit": rules.flag,
    "published": rules.flag,
    "input_schema": rules.tool_schema,
    "enabled": rules.flag,
}


class AgentFields(TypedDict, total=False):
    """What can be said of an agent besides its slug and name."""

    description: str
    instructions: str
    endpoint_id: str | None
    model: str
    tools: list[str]
    scenes: list[str]
    skills: list[str]
    collections: list[str]
    domains: list[str]
    max_steps: int
    timeout_s: int
    max_tokens: int | None
    budget_usd: Decimal | None
    temperature: float | None
    answer_language: str
    filter_patterns: list[str]
    audit: bool
    published: bool
    input_schema: dict[str, Any]
    enabled: bool


class AgentChanges(AgentFields, total=False):
    """As `AgentFields`, with slug and name."""

    slug: str
    name: str


def agent_create(
    *, workspace_id: str, slug: str, name: str, by: str = "", **fields: Unpack[AgentFields]
) -> str:
    """Create an agent with its first version and return the agent's id.

    Raises:
        InputInvalid: A field cannot be used.
        SlugTaken: The workspace has one of that slug.
        NotFound: The endpoint or a scene is not one of the workspace's.
    """
    wanted = {"slug": slug, "name": name, **fields}
    rules.validate(wanted, _CHECKS)
    try:
        with transaction.atomic():
            _check_references(workspace_id, wanted)
            row = Agent.objects.create(workspace_id=workspace_id, **wanted)
            _version_add(row, by=by)
            live.agents_announce(workspace_id)
    except IntegrityError as error:
        if not rules.violates(error, "agents_agent_slug_once_per_workspace"):
            raise
        raise SlugTaken(kind="agent", slug=slug) from None
    return str(row.pk)


def agent_update(
    *, workspace_id: str, agent_id: str, by: str = "", **changes: Unpack[AgentChanges]
) -> int:
    """Change an agent and return the number of its version, a new one if what it is has changed.

    Runs that have begun keep the version they began with.

    Raises:
        InputInvalid: A field cannot be used.
        SlugTaken: Another agent of the workspace has that slug.
        NotFound: No such agent, endpoint or scene in this workspace.
    """
    rules.validate(changes, _CHECKS)
    try:
        with transaction.atomic():
            row = _own(workspace_id, agent_id)
            _check_references(workspace_id, changes)
            before = _spec(row)
            for field, value in changes.items():
                setattr(row, field, value)
            row.save()
            live.agents_announce(workspace_id)
            row.refresh_from_db()
            if _spec(row) != before:
                _version_add(row, by=by)
    except IntegrityError as error:
        if not rules.violates(error, "agents_agent_slug_once_per_workspace"):
            raise
        raise SlugTaken(kind="agent", slug=changes.get("slug", "")) from None
    return row.version_number


def agent_restore(
    *, workspace_id: str, agent_id: str, number: int, expected: int | None = None, by: str = ""
) -> int:
    """Make an agent what one of its versions was, as its next version, and return that number.

    Args:
        workspace_id: Whose agent.
        agent_id: Which one.
        number: The version to go back to.
        expected: The version that whoever asks believes to be the current one; None: any.
        by: Who asks.

    Raises:
        InputInvalid: The agent has changed meanwhile, or is that version already.
        NotFound: No such agent or version, or what the version refers to is gone.
    """
    with transaction.atomic():
        row = _own(workspace_id, agent_id)
        version = AgentVersion.objects.filter(agent=row, number=number).first()
        if version is None:
            raise NotFound(kind="version", name=str(number))
        if expected is not None and expected != row.version_number:
            message = f"The agent is at version {row.version_number} by now: look at it again."
            raise InputInvalid.of("number", message, detail=message)
        spec = {name: value for name, value in version.spec.items() if name in SPEC_FIELDS}
        if spec.get("budget_usd") is not None:
            spec["budget_usd"] = Decimal(spec["budget_usd"])
        before = row.version_number
        made = agent_update(workspace_id=workspace_id, agent_id=agent_id, by=by, **spec)
        if made == before:
            message = f"The agent is as version {number} was already."
            raise InputInvalid.of("number", message, detail=message)
    return made


def agent_retire(*, workspace_id: str, agent_id: str) -> None:
    """Take an agent out of service for good; its runs and versions stay. Again changes nothing.

    Raises:
        NotFound: No such agent in this workspace.
    """
    with transaction.atomic():
        row = _own(workspace_id, agent_id)
        if row.retired_at is None:
            row.retired_at = timezone.now()
            row.enabled = False
            row.published = False
            row.save(update_fields=["retired_at", "enabled", "published", "updated_at"])
            live.agents_announce(workspace_id)


def _own(workspace_id: str, agent_id: str) -> Agent:
    rows = Agent.objects.select_for_update().filter(workspace_id=workspace_id)
    row = rows.filter(pk=uuid_of(agent_id)).first()
    if row is None:
        raise NotFound(kind="agent", name=agent_id)
    return row


def _spec(row: Agent) -> dict[str, Any]:
    spec = {name: getattr(row, name) for name in SPEC_FIELDS}
    spec["endpoint_id"] = None if spec["endpoint_id"] is None else str(spec["endpoint_id"])
    spec["budget_usd"] = (
        None if spec["budget_usd"] is None else f"{spec['budget_usd'].normalize():f}"
    )
    return spec


def _version_add(row: Agent, *, by: str) -> None:
    row.refresh_from_db()  # what the database made of the values is what the version holds
    row.version_number += 1
    row.save(update_fields=["version_number"])
    AgentVersion.objects.create(
        workspace_id=row.workspace.pk,
        agent=row,
        number=row.version_number,
        spec=_spec(row),
        created_by=by[:200],
    )


def _check_references(workspace_id: str, fields: Any) -> None:  # noqa: ANN401 -- a TypedDict or its superset
    endpoint_id = fields.get("endpoint_id")
    endpoints = Endpoint.objects.filter(workspace_id=workspace_id, pk=uuid_of(endpoint_id))
    if endpoint_id is not None and not endpoints.exists():
        raise NotFound(kind="endpoint", name=str(endpoint_id))
    scenes = list(fields.get("scenes", ()))
    found = Scene.objects.filter(workspace_id=workspace_id, slug__in=scenes)
    _check_known("scenes", scenes, set(found.values_list("slug", flat=True)))
    tools = list(fields.get("tools", ()))
    own = Tool.objects.filter(workspace_id=workspace_id, name__in=tools)
    _check_known("tools", tools, BUILTIN_TOOLS | set(own.values_list("name", flat=True)))


def _check_known(field: str, wanted: Iterable[str], known: AbstractSet[str]) -> None:
    missing = sorted(set(wanted) - known)
    if missing:
        there_are = ", ".join(sorted(known)) or "none"
        raise InputInvalid.of(
            field, f"There is no {field.removesuffix('s')} {missing[0]!r}; there are: {there_are}."
        )
