"""Reads of what operators curate."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from agents.core.errors import EndpointUnusable, NotFound
from agents.models import (
    Agent,
    Budget,
    BudgetWindow,
    Endpoint,
    Scene,
    Skill,
)
from loomsite.access.ids import uuid_of
from loomsite.access.paging import Page, page_by_name

_SUMMARY_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLine:
    """An agent in a list."""

    id: str
    slug: str
    name: str
    description: str
    domains: list[str]
    published: bool
    enabled: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """An agent as it is now."""

    id: str
    slug: str
    name: str
    description: str
    instructions: str
    endpoint: str | None
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
    version: int
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """An endpoint as people may see it: whether it has a secret, never which."""

    id: str
    slug: str
    name: str
    base_url: str
    model: str
    profile: dict[str, Any]
    usd_per_million_prompt: Decimal | None
    usd_per_million_completion: Decimal | None
    fallback_id: str | None
    has_secret: bool
    is_default: bool
    read_only: bool
    enabled: bool


def agent_list(
    *,
    workspace_id: str,
    query: str = "",
    published: bool | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[AgentLine]:
    """Return a page of the agents in service, by slug.

    Args:
        workspace_id: Whose agents.
        query: Words that slug, name or description must contain, all of them.
        published: Only those that are (not) offered over MCP.
        cursor: Where the page before ended.
        limit: At most this many.

    Raises:
        CursorInvalid: It is not one of ours.
    """
    rows = Agent.objects.filter(workspace_id=workspace_id, retired_at__isnull=True)
    for word in query.replace("\x00", "").split():
        rows = rows.filter(
            Q(slug__icontains=word) | Q(name__icontains=word) | Q(description__icontains=word)
        )
    if published is not None:
        rows = rows.filter(published=published)
    return page_by_name(rows, "slug", _agent_line, cursor=cursor, limit=limit)


def agent_detail(*, workspace_id: str, agent: str) -> AgentView:
    """Return an agent by its id or slug; retired ones too.

    Raises:
        NotFound: No such agent in this workspace.
    """
    row = _agents(workspace_id, agent).select_related("endpoint").first()
    if row is None:
        raise NotFound(kind="agent", name=agent)
    return AgentView(
        id=str(row.pk),
        slug=row.slug,
        name=row.name,
        description=row.description,
        instructions=row.instructions,
        endpoint=None if row.endpoint is None else row.endpoint.slug,
        model=row.model,
        tools=row.tools,
        scenes=row.scenes,
        skills=row.skills,
        collections=row.collections,
        domains=row.domains,
        max_steps=row.max_steps,
        timeout_s=row.timeout_s,
        max_tokens=row.max_tokens,
        budget_usd=row.budget_usd,
        temperature=row.temperature,
        answer_language=row.answer_language,
        filter_patterns=row.filter_patterns,
        audit=row.audit,
        published=row.published,
        input_schema=row.input_schema,
        enabled=row.enabled,
        version=row.version_number,
        created_at=row.created_at,
        retired_at=row.retired_at,
    )


def endpoint_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> Page[EndpointView]:
    """Return a page of the workspace's endpoints, by slug."""
    rows = Endpoint.objects.filter(workspace_id=workspace_id)
    return page_by_name(rows, "slug", _endpoint, cursor=cursor, limit=limit)


def endpoint_detail(*, workspace_id: str, endpoint_id: str) -> EndpointView:
    """Return an endpoint.

    Raises:
        NotFound: No such endpoint in this workspace.
    """
    return _endpoint(endpoint_row(workspace_id=workspace_id, endpoint_id=endpoint_id))


def endpoint_row(*, workspace_id: str, endpoint_id: str) -> Endpoint:
    """Return an endpoint with what a call to it needs.

    Raises:
        NotFound: No such endpoint in this workspace.
    """
    rows = Endpoint.objects.filter(workspace_id=workspace_id)
    row = rows.filter(pk=uuid_of(endpoint_id)).first()
    if row is None:
        raise NotFound(kind="endpoint", name=endpoint_id)
    return row


def endpoint_chain(*, workspace_id: str, endpoint_id: str | None) -> list[Endpoint]:
    """Return the endpoint to call and those to fall back on, in order; disabled ones left out.

    Without an id, or when that endpoint is gone, it begins with the workspace's default. Empty: the
    environment decides.

    Raises:
        EndpointUnusable: All that could be called are switched off.
    """
    rows = {str(row.pk): row for row in Endpoint.objects.filter(workspace_id=workspace_id)}
    default = next((row for row in rows.values() if row.is_default), None)
    first = rows.get(endpoint_id or "") or default
    chain: list[Endpoint] = []
    while first is not None and first not in chain:
        chain.append(first)
        first = rows.get(str(getattr(first, "fallback_id")))  # noqa: B009 -- Django makes it, no stub knows it
    usable = [row for row in chain if row.enabled]
    if chain and not usable:
        raise EndpointUnusable(f"The endpoint {chain[0].slug!r} is switched off.")
    return usable


def scene_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> Page[dict[str, Any]]:
    """Return a page of the workspace's scenes, by slug."""
    rows = Scene.objects.filter(workspace_id=workspace_id)
    return page_by_name(rows, "slug", _scene, cursor=cursor, limit=limit)


def scene_detail(*, workspace_id: str, slug: str) -> dict[str, Any]:
    """Return a scene.

    Raises:
        NotFound: No such scene in this workspace.
    """
    row = Scene.objects.filter(workspace_id=workspace_id, slug=slug.replace("\x00", "")).first()
    if row is None:
        raise NotFound(kind="scene", name=slug)
    return _scene(row)


def scene_rules(*, workspace_id: str, slugs: list[str]) -> list[Scene]:
    """Return the named scenes, in that order.

    Raises:
        NotFound: One of them is not here: what it forbade must not become allowed.
    """
    rows = {
        row.slug: row for row in Scene.objects.filter(workspace_id=workspace_id, slug__in=slugs)
    }
    missing = [slug for slug in slugs if slug not in rows]
    if missing:
        raise NotFound(kind="scene", name=missing[0])
    return [rows[slug] for slug in slugs]


def skills_active(*, workspace_id: str, names: list[str]) -> list[Skill]:
    """Return the active skills of these names, or all active ones where none is named, by name."""
    rows = Skill.objects.filter(workspace_id=workspace_id, state=Skill.State.ACTIVE)
    if names:
        rows = rows.filter(name__in=names)
    return list(rows.order_by("name"))


def skill_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> Page[dict[str, Any]]:
    """Return a page of the workspace's skills, by name."""
    rows = Skill.objects.filter(workspace_id=workspace_id)
    return page_by_name(rows, "name", _skill, cursor=cursor, limit=limit)


def skill_detail(*, workspace_id: str, name: str) -> dict[str, Any]:
    """Return a skill with its instructions, patterns, files and evidence.

    Raises:
        NotFound: No such skill in this workspace.
    """
    row = Skill.objects.filter(workspace_id=workspace_id, name=name.replace("\x00", "")).first()
    if row is None:
        raise NotFound(kind="skill", name=name)
    return {
        **_skill(row),
        "description": row.description,
        "instructions": row.instructions,
        "patterns": row.patterns,
        "files": row.files,
        "evidence": row.evidence,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def budget_list(*, workspace_id: str) -> list[dict[str, Any]]:
    """Return the limits that people set, each with what its latest period has spent."""
    rows = Budget.objects.filter(workspace_id=workspace_id).exclude(scope=Budget.Scope.TASK)
    latest = {
        window.budget.pk: window
        for window in BudgetWindow.objects.filter(budget__in=rows)
        .select_related("budget")
        .order_by("budget__id", "-starts_on")
        .distinct("budget__id")
    }
    listed: list[dict[str, Any]] = []
    for row in rows.order_by("scope", "scope_id", "period"):
        window = latest.get(row.pk)
        listed.append(
            {
                "id": str(row.pk),
                "scope": row.scope,
                "scope_id": row.scope_id,
                "period": row.period,
                "limit_usd": row.limit_usd,
                "enabled": row.enabled,
                "starts_on": None if window is None else window.starts_on,
                "spent_usd": Decimal(0) if window is None else window.spent_usd,
                "reserved_usd": Decimal(0) if window is None else window.reserved_usd,
            }
        )
    return listed


def _agents(workspace_id: str, agent: str) -> "QuerySet[Agent]":
    rows = Agent.objects.filter(workspace_id=workspace_id)
    agent_id = uuid_of(agent)
    return rows.filter(pk=agent_id) if agent_id else rows.filter(slug=agent.replace("\x00", ""))


def _agent_line(row: Agent) -> AgentLine:
    return AgentLine(
        id=str(row.pk),
        slug=row.slug,
        name=row.name,
        description=row.description[:_SUMMARY_CHARS],
        domains=row.domains,
        published=row.published,
        enabled=row.enabled,
        version=row.version_number,
    )


def _endpoint(row: Endpoint) -> EndpointView:
    fallback_id: Any = getattr(row, "fallback_id")  # noqa: B009 -- Django makes it, no stub knows it
    return EndpointView(
        id=str(row.pk),
        slug=row.slug,
        name=row.name,
        base_url=row.base_url,
        model=row.model,
        profile=row.profile,
        usd_per_million_prompt=row.usd_per_million_prompt,
        usd_per_million_completion=row.usd_per_million_completion,
        fallback_id=None if fallback_id is None else str(fallback_id),
        has_secret=row.has_secret,
        is_default=row.is_default,
        read_only=row.read_only,
        enabled=row.enabled,
    )


def _scene(row: Scene) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "slug": row.slug,
        "name": row.name,
        "allow_tags": row.allow_tags,
        "ask_tags": row.ask_tags,
        "deny_tags": row.deny_tags,
        "allow_tools": row.allow_tools,
        "deny_tools": row.deny_tools,
    }


def _skill(row: Skill) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description[:_SUMMARY_CHARS],
        "keywords": row.keywords,
        "patterns": row.patterns,
        "state": row.state,
        "origin": row.origin,
    }
