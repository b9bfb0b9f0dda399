"""Writes of tools, scenes and budgets."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction

from agents.core.errors import NotFound, SlugTaken
from agents.core.types import ToolSpec
from agents.models import Agent, Budget, Scene, Tool
from agents.services import rules
from agents.tools.policy import TAGS
from loomsite.access.core.errors import InputInvalid
from loomsite.access.ids import uuid_of


def tools_sync(*, workspace_id: str, specs: Iterable[ToolSpec]) -> None:
    """Bring the rows of the built-in tools in step with the code; what operators set is kept."""
    rows = [
        Tool(
            workspace_id=workspace_id,
            name=spec.name,
            description=spec.description,
            parameters=spec.parameters,
            tags=sorted(spec.tags),
            effect=spec.effect,
            idempotent=spec.idempotent,
            source=Tool.Source.BUILTIN,
            timeout_s=spec.timeout_s,
            enabled="exec" not in spec.tags,
        )
        for spec in specs
    ]
    Tool.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["workspace", "name"],
        update_fields=[
            "description", "parameters", "tags", "effect", "idempotent", "source", "updated_at",
        ],
    )  # fmt: skip


def tool_update(
    *,
    workspace_id: str,
    name: str,
    enabled: bool | None = None,
    timeout_s: float | None = None,
    options: dict[str, Any] | None = None,
) -> None:
    """Switch a tool on or off, change how long a call may take, or what it may reach.

    Args:
        workspace_id: Whose tool.
        name: Which one.
        enabled: Whether agents may be granted it.
        timeout_s: Of one call.
        options: For `http_fetch` `{"hosts": [...]}`, the hosts it may fetch from.

    Raises:
        InputInvalid: A value cannot be used.
        NotFound: No such tool in this workspace.
    """
    changes: dict[str, Any] = {}
    if enabled is not None:
        changes["enabled"] = enabled
    if timeout_s is not None:
        changes["timeout_s"] = timeout_s
    if options is not None:
        changes["options"] = options
    rules.validate(
        changes,
        {"enabled": rules.flag, "timeout_s": rules.number(0.1, 86_400), "options": _options},
    )
    rows = Tool.objects.filter(workspace_id=workspace_id, name=name)
    if not (rows.update(**changes) if changes else rows.exists()):
        raise NotFound(kind="tool", name=name)


def _options(value: object) -> str | None:
    if not isinstance(value, dict) or set(value) - {"hosts"}:
        return 'Must be {"hosts": [...]}.'
    hosts = value.get("hosts", [])
    return rules.words(hosts)


class SceneFields(TypedDict, total=False):
    """What a scene says; empty `allow_tags` and `allow_tools` leave all that is not denied."""

    name: str
    allow_tags: list[str]
    ask_tags: list[str]
    deny_tags: list[str]
    allow_tools: list[str]
    deny_tools: list[str]


def _tags(value: object) -> str | None:
    message = rules.words(value)
    if message or not isinstance(value, list | tuple):
        return message
    unknown = sorted(set(value) - TAGS)
    return f"{unknown[0]!r} is no tag; there are: {', '.join(sorted(TAGS))}." if unknown else None


_SCENE_CHECKS: dict[str, rules.Check] = {
    "slug": rules.slug,
    "name": rules.text(200),
    "allow_tags": _tags,
    "ask_tags": _tags,
    "deny_tags": _tags,
    "allow_tools": rules.words,
    "deny_tools": rules.words,
}


def scene_create(*, workspace_id: str, slug: str, **fields: Unpack[SceneFields]) -> str:
    """Create a scene and return its id.

    Raises:
        InputInvalid: A field cannot be used.
        SlugTaken: The workspace has one of that slug.
    """
    rules.validate({"slug": slug, **fields}, _SCENE_CHECKS)
    try:
        with transaction.atomic():
            row = Scene.objects.create(workspace_id=workspace_id, slug=slug, **fields)
    except IntegrityError as error:
        if not rules.violates(error, "agents_scene_slug_once_per_workspace"):
            raise
        raise SlugTaken(kind="scene", slug=slug) from None
    return str(row.pk)


def scene_update(*, workspace_id: str, slug: str, **changes: Unpack[SceneFields]) -> None:
    """Change a scene, for calls from now on.

    Raises:
        InputInvalid: A field cannot be used.
        NotFound: No such scene in this workspace.
    """
    rules.validate(changes, _SCENE_CHECKS)
    with transaction.atomic():
        rows = Scene.objects.select_for_update().filter(workspace_id=workspace_id, slug=slug)
        row = rows.first()
        if row is None:
            raise NotFound(kind="scene", name=slug)
        for field, value in changes.items():
            setattr(row, field, value)
        row.save()


def scene_delete(*, workspace_id: str, slug: str) -> None:
    """Remove a scene.

    Raises:
        NotFound: No such scene in this workspace.
        InputInvalid: An agent is narrowed by it: what it forbids must not become allowed.
    """
    with transaction.atomic():
        rows = Scene.objects.select_for_update().filter(workspace_id=workspace_id, slug=slug)
        if not rows:
            raise NotFound(kind="scene", name=slug)
        users = Agent.objects.filter(workspace_id=workspace_id, retired_at__isnull=True)
        user = users.filter(scenes__contains=[slug]).order_by("slug").first()
        if user is not None:
            message = f"The agent {user.slug!r} is narrowed by this scene: change it first."
            raise InputInvalid.of("slug", message, detail=message)
        rows.delete()


def budget_set(
    *,
    workspace_id: str,
    scope: str = "workspace",
    scope_id: str = "",
    period: str = "day",
    limit_usd: Decimal,
    enabled: bool = True,
) -> str:
    """Set what a workspace, user, agent or task tree may cost in a period; return the budget's id.

    Raises:
        InputInvalid: A value cannot be used.
        NotFound: The agent is not one of the workspace's.
    """
    rules.validate(
        {"scope": scope, "scope_id": scope_id, "period": period, "limit_usd": limit_usd},
        {
            "scope": rules.one_of(*Budget.Scope.values),
            "scope_id": rules.text(200),
            "period": rules.one_of(*Budget.Period.values),
            "limit_usd": rules.dollars(),
        },
    )
    if (scope == Budget.Scope.WORKSPACE) != (scope_id == ""):
        raise InputInvalid.of(
            "scope_id",
            "Empty for the scope workspace; the user, agent or root task for the others.",
        )
    if scope == Budget.Scope.AGENT:
        agents = Agent.objects.filter(workspace_id=workspace_id)
        if not agents.filter(pk=uuid_of(scope_id)).exists():
            raise NotFound(kind="agent", name=scope_id)
    row, _ = Budget.objects.update_or_create(
        workspace_id=workspace_id,
        scope=scope,
        scope_id=scope_id,
        period=period,
        defaults={"limit_usd": limit_usd, "enabled": enabled},
    )
    return str(row.pk)


def budget_delete(*, workspace_id: str, budget_id: str) -> None:
    """Remove a limit; calls in flight go on.

    Raises:
        NotFound: No such budget in this workspace.
    """
    rows = Budget.objects.filter(workspace_id=workspace_id)
    deleted, _ = rows.filter(pk=uuid_of(budget_id)).delete()
    if not deleted:
        raise NotFound(kind="budget", name=budget_id)
