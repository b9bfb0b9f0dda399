"""Who is calling, and whether their scopes cover what they ask for."""

from typing import Any

from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from loomsite.access import selectors, services
from loomsite.access.core.errors import NotAuthenticated, ScopeMissing
from loomsite.access.core.types import Principal

WORKSPACE_HEADER = "X-Loom-Workspace"


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer lk_…`; `request.auth` is the `Principal`."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        scheme, _, raw = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        principal = services.apikey_authenticate(raw.strip().decode("latin-1"))
        if principal is None:
            raise NotAuthenticated
        return Caller(principal), principal

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 -- DRF's signature
        return 'Bearer realm="loom"'


class PersonAuthentication(SessionAuthentication):
    """An admin session, for the workspace that the person names or is the only member of."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        principal = selectors.principal_of_user(
            user_id=user.pk, workspace_slug=request.headers.get(WORKSPACE_HEADER)
        )
        return user, principal


class Caller:
    """What Django code that asks for `request.user` sees of a key's holder."""

    is_authenticated = True
    is_active = True
    is_anonymous = False
    is_staff = False

    def __init__(self, principal: Principal) -> None:
        self.pk = principal.user_id
        self.actor = principal.actor

    def __str__(self) -> str:
        return self.actor


class HasScope(BasePermission):
    """Pass when the caller holds the scope that `view.scopes` names for the method.

    A method that names none is refused, so that a forgotten line closes a door and opens none.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, Principal):
            raise NotAuthenticated
        method = "GET" if request.method == "HEAD" else request.method or ""
        if not hasattr(view, method.lower()):
            return True  # answered with 405
        scope: str | None = getattr(view, "scopes", {}).get(method)
        if scope is None:
            raise ScopeMissing("No key opens this.")
        request.auth.require(scope)
        return True
