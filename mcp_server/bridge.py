"""From a call to its caller: who is asking, whatever the transport."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from mcp.server.auth.middleware.auth_context import get_access_token

from loomsite.access import selectors, services
from loomsite.access.bridge import db
from loomsite.access.core.errors import NotAuthenticated
from loomsite.access.core.types import Principal
from mcp_server.errors import told_to_the_client, told_to_the_model

PRINCIPAL_CLAIM = "loom_principal"

Callers = Callable[[], Awaitable[Principal]]


async def http_caller() -> Principal:
    """Return who the request's key stands for; the transport has checked it already."""
    token = get_access_token()
    principal = (token.claims or {}).get(PRINCIPAL_CLAIM) if token else None
    if not isinstance(principal, Principal):
        raise NotAuthenticated
    return principal


def key_caller(api_key: str) -> Callers:
    """Return the callers of a process that speaks for one key, checked again at each call."""

    async def caller() -> Principal:
        principal = await db(services.apikey_authenticate, api_key)
        if principal is None:
            raise NotAuthenticated("LOOM_API_KEY opens nothing: it is wrong, expired or revoked.")
        return principal

    return caller


def local_caller() -> Callers:
    """Return the callers of a process that its machine's owner started: the default workspace."""

    async def caller() -> Principal:
        slug = selectors.DEFAULT_WORKSPACE
        return await db(selectors.principal_of_workspace, slug=slug, actor="local")

    return caller


class Visit:
    """One request, and who makes it: found out once, when something first needs to know."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._principal: Principal | None = None

    async def principal(self) -> Principal:
        """Return who is calling.

        Raises:
            NotAuthenticated: Nobody who may.
        """
        if self._principal is None:
            self._principal = await self._callers()
        return self._principal


_visit: ContextVar[Visit] = ContextVar("visit")


class Desk:
    """Where each tool, resource and task asks who is calling before it does anything."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    @contextmanager
    def visit(self) -> Generator[Visit]:
        """Give the request that is served inside."""
        visit = Visit(self._callers)
        token = _visit.set(visit)
        try:
            yield visit
        finally:
            _visit.reset(token)

    async def caller(self, scope: str | None) -> Principal:
        """Return the caller, who holds `scope`, where one is needed.

        Raises:
            NotAuthenticated: Nobody who may.
            ScopeMissing: They do not hold it.
        """
        visit = _visit.get(None) or Visit(self._callers)
        principal = await visit.principal()
        if scope is not None:
            principal.require(scope)
        return principal

    @asynccontextmanager
    async def serving(self, scope: str) -> AsyncGenerator[Principal]:
        """Give the caller when they hold `scope`; failures inside are told to the model."""
        async with told_to_the_model():
            yield await self.caller(scope)

    @asynccontextmanager
    async def reading(self, scope: str | None = None) -> AsyncGenerator[Principal]:
        """Give the caller when they hold `scope`; failures inside are the request's errors."""
        async with told_to_the_client():
            yield await self.caller(scope)
