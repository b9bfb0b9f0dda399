"""Writes of access: workspaces, members, keys, the audit."""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from loomsite.access import selectors
from loomsite.access.core import keys, scopes
from loomsite.access.core.errors import (
    FieldError,
    InputInvalid,
    KeyUnknown,
    WorkspaceTaken,
)
from loomsite.access.core.types import Principal
from loomsite.access.models import ApiKey, AuditEntry, Membership, SavedFilter, Workspace

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_USERNAME = re.compile(r"[\w.@+-]{1,150}", re.ASCII)
_LONGEST_LIFE_DAYS = 3650
_USE_NOTED_EVERY = timedelta(minutes=1)


def workspace_create(*, slug: str, name: str = "", actor: str = "cli", door: str = "cli") -> str:
    """Create a workspace and return its id.

    Raises:
        InputInvalid: The slug is no slug.
        WorkspaceTaken: Another one has it.
    """
    if not _SLUG.fullmatch(slug):
        detail = f"{slug[:80]!r} is no workspace slug: use 1 to 63 of a to z, 0 to 9 and hyphen."
        raise InputInvalid.of("slug", "Not a slug.", detail=detail)
    try:
        with transaction.atomic():
            row = Workspace.objects.create(slug=slug, name=name or slug)
            audit_write(
                workspace_id=row.id,
                actor=actor,
                door=door,
                action="workspace.create",
                target=slug,
            )
    except IntegrityError:
        raise WorkspaceTaken(slug=slug) from None
    return str(row.id)


def workspace_ensure(*, slug: str, name: str = "") -> str:
    """Return the id of the workspace called `slug`, making it when it is missing."""
    try:
        return workspace_create(slug=slug, name=name, actor="setup")
    except WorkspaceTaken:
        return selectors.workspace_id_of(slug=slug)


def apikey_create(
    *,
    workspace_slug: str,
    user: str,
    scopes: Iterable[str],
    expires_days: int | None = None,
    name: str = "",
    actor: str = "cli",
    door: str = "cli",
) -> str:
    """Create a key and return it in clear, the only time it can be seen.

    The user and their membership are made when they are missing; the user gets no password.

    Raises:
        WorkspaceUnknown: There is no such workspace.
        InputInvalid: The user name, a scope or the life time is not usable.
    """
    wanted = sorted(set(scopes))
    _check_key(user=user, wanted=wanted, expires_days=expires_days, name=name)
    workspace_id = selectors.workspace_id_of(slug=workspace_slug)
    prefix, secret = secrets.token_bytes(keys.PREFIX_BYTES), secrets.token_bytes(keys.SECRET_BYTES)
    with transaction.atomic():
        person = _user_ensure(user)
        Membership.objects.get_or_create(workspace_id=workspace_id, user=person)
        ApiKey.objects.create(
            workspace_id=workspace_id,
            user=person,
            name=name,
            prefix=prefix.hex(),
            secret_sha256=keys.digest(secret.hex()),
            scopes=wanted,
            expires_at=timezone.now() + timedelta(days=expires_days) if expires_days else None,
        )
        audit_write(
            workspace_id=workspace_id,
            actor=actor,
            door=door,
            action="apikey.create",
            target=f"key:{prefix.hex()}",
            detail={"scopes": wanted, "user": user},
        )
    return keys.write(prefix=prefix, secret=secret)


def apikey_revoke(
    *, workspace_id: str, key_id: str, actor: str, door: str, reason: str = ""
) -> None:
    """Make a key useless from now on; revoking it again changes nothing.

    Raises:
        KeyUnknown: No such key in this workspace.
    """
    with transaction.atomic():
        rows = ApiKey.objects.select_for_update().filter(workspace_id=workspace_id, id=key_id)
        row = rows.first()
        if row is None:
            raise KeyUnknown
        if row.revoked_at is not None:
            return
        rows.update(revoked_at=timezone.now())
        audit_write(
            workspace_id=workspace_id,
            actor=actor,
            door=door,
            action="apikey.revoke",
            target=f"key:{row.prefix}",
            reason=reason,
        )


def apikey_authenticate(raw: str) -> Principal | None:
    """Return whom a key stands for, or None when it opens nothing (any more)."""
    parts = keys.read(raw)
    if parts is None:
        return None
    row = ApiKey.objects.select_related("workspace", "user").filter(prefix=parts.prefix).first()
    if row is None:
        keys.proves(parts.secret, "")  # an unknown prefix takes as long as a wrong secret
        return None
    now = timezone.now()
    if not keys.proves(parts.secret, row.secret_sha256) or not _is_open(row, now):
        return None
    _note_use(row, now)
    return Principal(
        workspace_id=str(row.workspace.id),
        workspace_slug=row.workspace.slug,
        actor=f"key:{row.prefix}",
        scopes=frozenset(row.scopes),
        user_id=row.user.pk,
        key_id=str(row.id),
    )


def audit_write(
    *,
    workspace_id: UUID | str | None,
    actor: str,
    door: str,
    action: str,
    target: str = "",
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record that somebody did something; call it in the transaction that does it."""
    AuditEntry.objects.create(
        workspace_id=workspace_id,
        actor=actor[:200],
        door=door[:16],
        action=action[:100],
        target=target[:200],
        reason=reason,
        detail=dict(detail or {}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """That somebody did something, to be recorded with others."""

    workspace_id: str
    actor: str
    door: str
    action: str
    target: str
    detail: Mapping[str, Any]


def audit_write_many(*, rows: Sequence[AuditRow]) -> None:
    """Record what several callers did, in one statement."""
    AuditEntry.objects.bulk_create(
        AuditEntry(
            workspace_id=row.workspace_id,
            actor=row.actor[:200],
            door=row.door[:16],
            action=row.action[:100],
            target=row.target[:200],
            detail=dict(row.detail),
        )
        for row in rows
    )


def filter_save(*, user_id: object, page: str, name: str, query: str) -> None:
    """Keep a person's filter of a list; one of the same name is replaced.

    Raises:
        InputInvalid: It has no name or no filter, one is too long, or there are too many.
    """
    name = " ".join(name.replace("\x00", "").split())
    problem = ""
    if not 1 <= len(name) <= SavedFilter._meta.get_field("name").max_length:  # noqa: SLF001 -- Django's public hook
        problem = "Give the filter a name of 1 to 60 characters."
    elif not query:
        problem = "There is nothing to save: filter or search the list first."
    elif len(query) > SavedFilter._meta.get_field("query").max_length:  # noqa: SLF001 -- as above
        problem = "The filter is too long to be saved."
    rows = SavedFilter.objects.filter(user_id=user_id, page=page)
    if not problem and rows.exclude(name=name).count() >= SavedFilter.MOST:
        problem = f"There are {SavedFilter.MOST} saved filters: remove one first."
    if problem:
        raise InputInvalid.of("name", problem, detail=problem)
    SavedFilter.objects.update_or_create(
        user_id=user_id, page=page, name=name, defaults={"query": query}
    )


def filter_forget(*, user_id: object, filter_id: int) -> None:
    """Remove a person's own filter; another's, or one that is gone, changes nothing."""
    SavedFilter.objects.filter(user_id=user_id, pk=filter_id).delete()


def _check_key(*, user: str, wanted: list[str], expires_days: int | None, name: str) -> None:
    errors: list[FieldError] = []
    if not _USERNAME.fullmatch(user):
        errors.append(
            FieldError(field="user", message="Use 1 to 150 letters, digits and . @ + - _ only.")
        )
    if not wanted:
        errors.append(FieldError(field="scopes", message="Give at least one scope."))
    for scope in scopes.unknown(wanted):
        known = " ".join(scopes.SCOPES)
        errors.append(
            FieldError(field="scopes", message=f"{scope[:80]!r} is no scope; there are: {known}.")
        )
    if expires_days is not None and not 1 <= expires_days <= _LONGEST_LIFE_DAYS:
        errors.append(
            FieldError(field="expires_days", message=f"Use 1 to {_LONGEST_LIFE_DAYS} days.")
        )
    if len(name) > ApiKey._meta.get_field("name").max_length:  # noqa: SLF001 -- Django's public hook
        errors.append(FieldError(field="name", message="Use at most 100 characters."))
    if errors:
        sentences = " ".join(f"{error.field}: {error.message}" for error in errors)
        raise InputInvalid(sentences, errors=tuple(errors))


def _user_ensure(username: str):  # noqa: ANN202 -- the user model is a setting
    users = get_user_model()._default_manager  # noqa: SLF001 -- Django's public hook
    person, created = users.get_or_create(username=username)
    if created:
        person.set_unusable_password()
        person.save(update_fields=["password"])
    return person


def _is_open(row: ApiKey, now: datetime) -> bool:
    expired = row.expires_at is not None and row.expires_at <= now
    return row.revoked_at is None and not expired and row.user.is_active


def _note_use(row: ApiKey, now: datetime) -> None:
    """Keep the time of use to the minute, so that a busy key costs one write a minute."""
    stale = now - _USE_NOTED_EVERY
    if row.last_used_at is None or row.last_used_at < stale:
        ApiKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=stale), pk=row.pk).update(
            last_used_at=now
        )
