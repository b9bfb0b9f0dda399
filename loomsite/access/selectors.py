"""Reads of access: workspaces, members, keys."""

from django.contrib.auth import get_user_model

from loomsite.access.core import keys, scopes
from loomsite.access.core.errors import KeyUnknown, WorkspaceAmbiguous, WorkspaceUnknown
from loomsite.access.core.types import Principal
from loomsite.access.models import ApiKey, Membership, Workspace
from loomsite.access.paging import page_by_time

DEFAULT_WORKSPACE = "default"


def workspace_id_of(*, slug: str) -> str:
    """Return the id of the workspace called `slug`.

    Raises:
        WorkspaceUnknown: There is none.
    """
    found = Workspace.objects.filter(slug=slug).values_list("id", flat=True).first()
    if found is None:
        raise WorkspaceUnknown(slug=slug)
    return str(found)


def workspace_list() -> list[dict[str, str]]:
    """Return every workspace, by slug."""
    return [
        {"id": str(row.id), "slug": row.slug, "name": row.name} for row in Workspace.objects.all()
    ]


def principal_of_workspace(*, slug: str, actor: str) -> Principal:
    """Return the principal of somebody who owns the machine and so may do everything in `slug`.

    Raises:
        WorkspaceUnknown: There is no such workspace.
    """
    return Principal(
        workspace_id=workspace_id_of(slug=slug),
        workspace_slug=slug,
        actor=actor,
        scopes=frozenset(scopes.SCOPES),
    )


def principal_of_user(*, user_id: int, workspace_slug: str | None = None) -> Principal:
    """Return what a person may do in the workspace they name, or in their only one.

    Raises:
        WorkspaceUnknown: It does not exist, or they are no member of it.
        WorkspaceAmbiguous: They named none and have several.
    """
    user = get_user_model()._default_manager.get(pk=user_id)  # noqa: SLF001 -- Django's public hook
    named = {} if workspace_slug is None else {"slug": workspace_slug}
    if user.is_superuser:
        rows = Workspace.objects.filter(**named)[:2]
        roles = {str(row.id): (row.slug, "owner") for row in rows}
    else:
        members = Membership.objects.filter(
            user_id=user_id, **{f"workspace__{name}": value for name, value in named.items()}
        )
        roles = {
            str(row.workspace_id): (row.workspace.slug, row.role)
            for row in members.select_related("workspace")[:2]
        }
    if not roles:
        raise WorkspaceUnknown(slug=workspace_slug or DEFAULT_WORKSPACE)
    if len(roles) > 1:
        raise WorkspaceAmbiguous
    (workspace_id, (slug, role)), *_ = roles.items()
    return Principal(
        workspace_id=workspace_id,
        workspace_slug=slug,
        actor=f"user:{user.get_username()}",
        scopes=scopes.ROLE_SCOPES[role],
        user_id=user_id,
    )


def apikey_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> tuple[list[dict[str, object]], str | None]:
    """Return a page of a workspace's keys, newest first, and the cursor of the next; no secrets."""
    rows = ApiKey.objects.filter(workspace_id=workspace_id).select_related("user")
    return page_by_time(rows, "created_at", apikey_summary, cursor=cursor, limit=limit)


def apikey_detail(*, workspace_id: str, key: str) -> dict[str, object]:
    """Return what may be shown of the key that `key` is, in clear.

    Raises:
        KeyUnknown: It is none of this workspace.
    """
    parts = keys.read(key)
    rows = ApiKey.objects.filter(workspace_id=workspace_id).select_related("user")
    row = rows.filter(prefix=parts.prefix).first() if parts else None
    if row is None:
        raise KeyUnknown
    return apikey_summary(row)


def username_of(*, user_id: int | None) -> str:
    """Return a person's name; empty for nobody."""
    users = get_user_model()._default_manager.filter(pk=user_id)  # noqa: SLF001 -- Django's public hook
    found = users.first()
    return found.get_username() if found else ""


def apikey_summary(row: ApiKey) -> dict[str, object]:
    """Return what may be shown of a key: everything but its secret."""
    return {
        "id": str(row.id),
        "name": row.name,
        "prefix": row.prefix,
        "user": row.user.get_username(),
        "scopes": sorted(row.scopes),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
    }
