"""Workspaces and keys for tests."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from rest_framework.test import APIClient

from loomsite.access import services
from loomsite.access.core.scopes import SCOPES

_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A workspace and a key that opens all of it."""

    workspace_id: str
    slug: str
    key: str

    def client(self) -> APIClient:
        return client_with(self.key)


def make_tenant(slug: str | None = None) -> Tenant:
    slug = slug or f"workspace-{next(_numbers)}"
    workspace_id = services.workspace_create(slug=slug)
    return Tenant(workspace_id=workspace_id, slug=slug, key=make_key(slug, ["admin"]))


def make_key(
    slug: str,
    scopes: Iterable[str] = SCOPES,
    *,
    user: str = "ada",
    expires_days: int | None = None,
) -> str:
    return services.apikey_create(
        workspace_slug=slug, user=user, scopes=scopes, expires_days=expires_days
    )


def client_with(key: str) -> APIClient:
    client = APIClient(raise_request_exception=True)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client
