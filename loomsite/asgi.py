"""The one ASGI application: admin, REST and health by Django, MCP beside it."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")

from django.core.asgi import get_asgi_application

django_app = get_asgi_application()

from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loomsite.access.core.errors import BodyTooLarge
from loomsite.access.rest import problems
from mcp_server import bridge, http, server

MAX_BODY_BYTES = 32_000_000


def build_application(mcp: MCPServer | None = None, *, sessions: bool = False) -> Starlette:
    """Return a new application; each has its own MCP session manager, which runs only once.

    Args:
        mcp: In place of the product's own server.
        sessions: Keep MCP sessions in this process. The product does not: the next request may
            reach another process.
    """
    mcp = mcp or server.build_server(bridge.http_caller)
    mcp_app = http.http_app(mcp, sessions=sessions)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with mcp.session_manager.run():
            yield

    return Starlette(
        routes=[
            Route(http.PATH, endpoint=mcp_app),
            Route(http.PATH + "/", endpoint=_WithoutSlash(mcp_app)),
            Route(http.METADATA_PATH, endpoint=mcp_app),
            Mount("/", app=BodyLimit(django_app, limit_bytes=MAX_BODY_BYTES)),
        ],
        lifespan=lifespan,
    )


class BodyLimit:
    """Refuse a request body above the limit while it arrives, before it fills the disk."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int) -> None:
        self.app = app
        self.limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared[:18]) > self.limit_bytes:
            await self._refuse(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            # Django reads the whole body before it answers anything, and of a client that left it
            # clears away what came so far.
            return {"type": "http.disconnect"} if received > self.limit_bytes else message

        await self.app(scope, counted, send)
        if received > self.limit_bytes:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = BodyTooLarge(limit_bytes=self.limit_bytes)
        body = problems.problem(error.status, code=error.code, detail=str(error))
        response = JSONResponse(body, status_code=error.status, media_type=problems.CONTENT_TYPE)
        await response(scope, receive, send)


class _WithoutSlash:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        await self.app({**scope, "path": path, "raw_path": path.encode()}, receive, send)


application = build_application()
