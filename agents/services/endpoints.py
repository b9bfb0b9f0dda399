"""Writes of endpoints."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction

from agents.core.errors import NotFound, ReadOnly, SlugTaken
from agents.models import Endpoint
from agents.services import rules
from loomsite.access.core.egress import url_fault
from loomsite.access.core.errors import InputInvalid
from loomsite.access.ids import uuid_of

ENVIRONMENT_SLUG = "environment"

_PROFILE_CHECKS: dict[str, rules.Check] = {
    "tools": rules.flag,
    "json_schema": rules.flag,
    "reasoning": rules.flag,
    "judging": rules.flag,
    "streaming": rules.flag,
    "context_tokens": rules.whole(256, 100_000_000),
}


def _profile(value: object) -> str | None:
    if not isinstance(value, dict):
        return "Must be a JSON object."
    for name, part in value.items():
        check = _PROFILE_CHECKS.get(name)
        if check is None:
            return f"Knows no {name[:40]!r}; there are: {', '.join(_PROFILE_CHECKS)}."
        message = check(part)
        if message:
            return f"{name}: {message}"
    return None


def _address(value: object) -> str | None:
    return url_fault(value) if isinstance(value, str) else "Must be text."


_CHECKS: dict[str, rules.Check] = {
    "slug": rules.slug,
    "name": rules.text(200),
    "base_url": _address,
    "model": rules.text(200),
    "profile": _profile,
    "usd_per_million_prompt": rules.dollars(optional=True),
    "usd_per_million_completion": rules.dollars(optional=True),
    "is_default": rules.flag,
    "enabled": rules.flag,
}


class EndpointFields(TypedDict, total=False):
    """What can be said of an endpoint besides its slug, address and secret."""

    name: str
    model: str
    profile: dict[str, Any]
    usd_per_million_prompt: Decimal | None
    usd_per_million_completion: Decimal | None
    fallback_id: str | None
    is_default: bool
    enabled: bool


class EndpointChanges(EndpointFields, total=False):
    """As `EndpointFields`, with the address."""

    base_url: str


def endpoint_create(
    *,
    workspace_id: str,
    slug: str,
    base_url: str,
    secret: str = "",
    seal: Callable[[str], str],
    **fields: Unpack[EndpointFields],
) -> str:
    """Create an endpoint and return its id.

    Args:
        workspace_id: Whose it is.
        slug: Its name in the workspace.
        base_url: Up to and with `/v1`.
        secret: The key in clear, or a reference `env:LOOM_SECRET_…`; empty for none.
        seal: Turns the secret into what may be stored.
        fields: See `EndpointFields`.

    Raises:
        InputInvalid: A field cannot be used.
        SlugTaken: The workspace has one of that slug.
        NotFound: The fallback is not one of the workspace's endpoints.
    """
    wanted = {"slug": slug, "base_url": base_url, **fields}
    rules.validate(wanted, _CHECKS)
    if slug == ENVIRONMENT_SLUG:
        raise InputInvalid.of("slug", "This name belongs to the endpoint of the environment.")
    stored = seal(secret) if secret else ""
    try:
        with transaction.atomic():
            _check_fallback(workspace_id, None, fields)
            _clear_default(workspace_id, fields)
            row = Endpoint.objects.create(
                workspace_id=workspace_id,
                secret=stored,
                **wanted | {"base_url": base_url.rstrip("/")},
            )
    except IntegrityError as error:
        if not rules.violates(error, "agents_endpoint_slug_once_per_workspace"):
            raise
        raise SlugTaken(kind="endpoint", slug=slug) from None
    return str(row.pk)


def endpoint_update(
    *,
    workspace_id: str,
    endpoint_id: str,
    secret: str | None = None,
    seal: Callable[[str], str],
    **changes: Unpack[EndpointChanges],
) -> None:
    """Change an endpoint; `secret` None keeps the stored one, empty forgets it.

    A new address does not inherit the old one's secret: it has to be given again, so that whoever
    may edit an address cannot have a key sent to a place of their own.

    Raises:
        InputInvalid: A field cannot be used.
        NotFound: No such endpoint, or no such fallback, in this workspace.
        ReadOnly: It comes from the environment.
    """
    rules.validate(changes, _CHECKS)
    stored = {} if secret is None else {"secret": seal(secret) if secret else ""}
    with transaction.atomic():
        row = _own(workspace_id, endpoint_id)
        wanted: dict[str, Any] = {**changes, **stored}
        if "base_url" in changes:
            wanted["base_url"] = changes["base_url"].rstrip("/")
            if wanted["base_url"] != row.base_url and secret is None and row.secret:
                raise InputInvalid.of("secret", "The address changes: give the secret again.")
        _check_fallback(workspace_id, str(row.pk), changes)
        _clear_default(workspace_id, changes)
        for name, value in wanted.items():
            setattr(row, name, value)
        row.save(update_fields=[*wanted, "updated_at"])


def endpoint_delete(*, workspace_id: str, endpoint_id: str) -> None:
    """Remove an endpoint; its agents fall back to the workspace's default.

    Raises:
        NotFound: No such endpoint in this workspace.
        ReadOnly: It comes from the environment.
    """
    with transaction.atomic():
        _own(workspace_id, endpoint_id).delete()


def endpoint_sync_environment(*, workspace_id: str, base_url: str, model: str) -> None:
    """Show the environment's endpoint as a read-only row, or disable that row when there is none.

    Its key stays in the environment: the row never holds one.
    """
    if not base_url:
        Endpoint.objects.filter(
            workspace_id=workspace_id, source=Endpoint.Source.ENVIRONMENT
        ).update(enabled=False)
        return
    Endpoint.objects.update_or_create(
        workspace_id=workspace_id,
        slug=ENVIRONMENT_SLUG,
        defaults={
            "name": "From the environment",
            "source": Endpoint.Source.ENVIRONMENT,
            "base_url": base_url,
            "model": model,
            "enabled": True,
        },
    )


def _own(workspace_id: str, endpoint_id: str) -> Endpoint:
    rows = Endpoint.objects.select_for_update().filter(workspace_id=workspace_id)
    row = rows.filter(pk=uuid_of(endpoint_id)).first()
    if row is None:
        raise NotFound(kind="endpoint", name=endpoint_id)
    if row.read_only:
        raise ReadOnly(
            "This endpoint comes from the environment: change OPENAI_BASE_URL, OPENAI_API_KEY or"
            " LOOM_MODEL and restart."
        )
    return row


def _check_fallback(workspace_id: str, own_id: str | None, fields: Mapping[str, Any]) -> None:
    """Pass when the fallback is the workspace's and does not lead back here."""
    following = fields.get("fallback_id")
    seen: set[str] = set()
    while following is not None:
        following = str(following)
        if following == own_id or following in seen:
            raise InputInvalid.of("fallback_id", "Leads back to this endpoint.")
        seen.add(following)
        rows = Endpoint.objects.filter(workspace_id=workspace_id)
        first = rows.filter(pk=uuid_of(following)).values_list("fallback_id").first()
        if first is None:
            raise NotFound(kind="endpoint", name=following)
        following = first[0]


def _clear_default(workspace_id: str, fields: Mapping[str, Any]) -> None:
    if fields.get("is_default"):
        Endpoint.objects.filter(workspace_id=workspace_id, is_default=True).update(is_default=False)
