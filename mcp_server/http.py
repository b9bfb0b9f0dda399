"""MCP over HTTP: keys as bearer tokens, and only callers that mean this server."""

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http.request import split_domain_port, validate_host
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
)
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from loomsite.access import selectors, services
from loomsite.access.bridge import db
from loomsite.access.core import scopes
from loomsite.access.core.errors import NotAuthenticated, RateLimited
from loomsite.access.core.types import Principal
from loomsite.access.rest import problems, throttles
from mcp_server.bridge import PRINCIPAL_CLAIM

PATH = "/mcp"
METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"


class KeyBackend(AuthenticationBackend):
    """Bearer keys; without one, the machine's own callers where `LOOM_MCP_NO_AUTH` says so."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        try:
            principal = await _principal(conn)
        except (OperationalError, InterfaceError):
            raise AuthenticationError from None  # answered by `_unavailable`
        return _credentials(principal) if principal else None


async def _principal(conn: HTTPConnection) -> Principal | None:
    scheme, _, raw = conn.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await db(services.apikey_authenticate, raw.strip())
    if not scheme and settings.LOOM_MCP_NO_AUTH and _is_local(conn):
        slug = selectors.DEFAULT_WORKSPACE
        return await db(selectors.principal_of_workspace, slug=slug, actor="local")
    return None


def _unavailable(_: HTTPConnection, __: Exception) -> JSONResponse:
    detail = "The database cannot be reached. Nothing was written; try again shortly."
    return _problem(503, code="unavailable", detail=detail, headers={"Retry-After": "2"})


def http_app(server: MCPServer, *, sessions: bool = False) -> Starlette:
    """Return the ASGI app of `server`; its session manager is the caller's to run."""
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=not sessions,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return Starlette(
        routes=[
            Route(METADATA_PATH, endpoint=metadata),
            *(Route(route.path, endpoint=OnlyCallers(route.app)) for route in _routes(inner)),
        ],
        middleware=[
            Middleware(OnlyOurHosts),
            Middleware(TrimmedHeaders),
            Middleware(AuthenticationMiddleware, backend=KeyBackend(), on_error=_unavailable),
            Middleware(AuthContextMiddleware),
        ],
    )


async def metadata(request: Request) -> JSONResponse:
    """Answer with the protected resource's metadata (RFC 9728)."""
    base = _base_url(request)
    return JSONResponse(
        {
            "resource": base + PATH,
            "resource_name": "Loom",
            "authorization_servers": [base],
            "bearer_methods_supported": ["header"],
            "scopes_supported": list(scopes.SCOPES),
            "resource_documentation": f"{base}/api/docs",
        },
        headers={"Access-Control-Allow-Origin": "*"},
    )


class TrimmedHeaders:
    """Take the blanks off the protocol's header values, which are no part of them (RFC 9110)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [
                (name, value.strip(b" \t") if name.startswith(b"mcp-") else value)
                for name, value in scope["headers"]
            ]
            scope = {**scope, "headers": headers}
        await self.app(scope, receive, send)


class OnlyOurHosts:
    """Refuse a Host that is not ours and an Origin that is another site's (DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)


class OnlyCallers:
    """Let through who has shown a key, as often as REST would."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        user = scope.get("user")
        if not isinstance(user, AuthenticatedUser):
            app: ASGIApp = _unauthenticated(HTTPConnection(scope))
        else:
            app = await _rate_refusal(user.access_token.client_id) or self.app
        await app(scope, receive, send)


async def _rate_refusal(caller: str) -> JSONResponse | None:
    per_minute: int = settings.LOOM_REQUESTS_PER_MINUTE
    try:
        await db(throttles.allowance_spend, caller=caller, per_minute=per_minute)
    except RateLimited as error:
        headers = {"Retry-After": str(error.retry_after_s)}
        return _problem(error.status, code=error.code, detail=str(error), headers=headers)
    return None


def _unauthenticated(conn: HTTPConnection) -> JSONResponse:
    where = _base_url(conn) + METADATA_PATH
    sent = "authorization" in conn.headers
    challenge = f'Bearer realm="loom", resource_metadata="{where}"'
    headers = {"WWW-Authenticate": challenge + (', error="invalid_token"' if sent else "")}
    error = NotAuthenticated()
    return _problem(error.status, code=error.code, detail=str(error), headers=headers)


def _base_url(conn: HTTPConnection) -> str:
    return settings.LOOM_PUBLIC_URL or str(conn.base_url).rstrip("/")


def _routes(app: Starlette) -> list[Route]:
    return [route for route in app.routes if isinstance(route, Route)]


def _credentials(principal: Principal) -> tuple[AuthCredentials, BaseUser]:
    token = AccessToken(
        token="",  # the key itself goes no further than this
        client_id=f"{principal.workspace_id}:{principal.actor}",
        scopes=sorted(principal.scopes),
        subject=str(principal.user_id),
        claims={PRINCIPAL_CLAIM: principal},
    )
    return AuthCredentials(token.scopes), AuthenticatedUser(token)


def _is_local(conn: HTTPConnection) -> bool:
    """Say whether the caller is this machine itself, and no proxy that speaks for somebody."""
    if conn.client is None or "x-forwarded-for" in conn.headers or "forwarded" in conn.headers:
        return False
    try:
        return ipaddress.ip_address(conn.client.host).is_loopback
    except ValueError:
        return False


def _refusal(headers: Headers) -> JSONResponse | None:
    host = headers.get("host", "")
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        detail = f"This server does not answer to the name {host[:100]!r}; see ALLOWED_HOSTS."
        return _problem(421, code="host_refused", detail=detail)
    origin = headers.get("origin")
    if origin is not None and not _is_our_origin(origin, host):
        detail = f"Pages of {origin[:100]!r} may not call this server; see CSRF_TRUSTED_ORIGINS."
        return _problem(403, code="origin_refused", detail=detail)
    return None


def _is_our_origin(origin: str, host: str) -> bool:
    if origin in {settings.LOOM_PUBLIC_URL, *settings.CSRF_TRUSTED_ORIGINS}:
        return True
    try:
        parts = urlsplit(origin)
        name = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"}:
        return False
    loopback = name in {"localhost", "127.0.0.1", "::1"}
    return parts.netloc == host or (loopback and validate_host(name, settings.ALLOWED_HOSTS))


def _problem(
    status: int, *, code: str, detail: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = problems.problem(status, code=code, detail=detail)
    return JSONResponse(body, status_code=status, headers=headers, media_type=problems.CONTENT_TYPE)
