"""The whole application, called in this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from loomsite.asgi import build_application

BASE_URL = "http://127.0.0.1:8000"


@asynccontextmanager
async def serving(key: str | None = None, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Run an application and give an HTTP client for it that sends `key`."""
    application = build_application()
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    async with (
        application.router.lifespan_context(application),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=application, raise_app_exceptions=False),
            base_url=BASE_URL,
            headers=headers,
        ) as client,
    ):
        yield client


@pytest.fixture
def http() -> Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]:
    """Return what opens an HTTP client on a running application."""
    return serving


@asynccontextmanager
async def _connected(key: str, mode: str, **options: Any) -> AsyncIterator[Client]:
    async with serving(key) as client:
        transport = streamable_http_client(f"{BASE_URL}/mcp", http_client=client)
        async with Client(transport, mode=mode, **options) as assistant:
            yield assistant


@pytest.fixture(params=["legacy", "auto"])
def assistant(
    request: pytest.FixtureRequest,
) -> Callable[..., AbstractAsyncContextManager[Client]]:
    """Return what opens an MCP client, of both eras of the protocol."""
    return lambda key, **options: _connected(key, request.param, **options)


@pytest.fixture
def modern() -> Callable[..., AbstractAsyncContextManager[Client]]:
    """Return what opens an MCP client of the present era."""
    return lambda key, **options: _connected(key, "auto", **options)
