"""Model clients that connect only to allowed addresses, checked at each connection."""

import asyncio
import socket
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agents.core.errors import EndpointUnusable
from agents.providers.clients import CONNECT_TIMEOUT_S, NO_KEY, ClientKey
from loomsite.access.core.egress import address_fault

if TYPE_CHECKING:
    from openai import AsyncOpenAI


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as text; none when the name is unknown."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_reach(base_url: str, *, listed: Collection[str]) -> None:
    """Pass when an endpoint's host may be reached; blocks while its name is looked up.

    A name nobody knows passes: calling it says so, and it may be known later.

    Raises:
        EndpointUnusable: It is at a private or reserved address that is not listed.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    for address in resolved(host, parts.port or 443):
        fault = address_fault(host, address, listed=listed)
        if fault:
            raise EndpointUnusable(fault)


def guarded_client(key: ClientKey, *, listed: Collection[str]) -> "AsyncOpenAI":
    """Return a client whose connections, redirects included, go to addresses that were checked.

    The address that was checked is the one connected to, so that a name cannot change between.
    """
    import httpx2  # noqa: PLC0415 -- the client is half of the runtime's memory: only when needed
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415 -- as above

    class Guarded(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            host, port = request.url.host, request.url.port or 443
            loop = asyncio.get_running_loop()
            addresses = await loop.run_in_executor(None, resolved, host, port)
            if not addresses:
                raise httpx2.ConnectError(f"Nobody knows the name {host!r}.", request=request)
            for address in addresses:
                fault = address_fault(host, address, listed=listed)
                if fault:
                    raise httpx2.ConnectError(fault, request=request)
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=addresses[0])
            return await super().handle_async_request(request)

    return AsyncOpenAI(
        base_url=key.base_url,
        api_key=key.api_key or NO_KEY,
        default_headers=dict(key.headers),
        max_retries=0,
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
        http_client=DefaultAsyncHttpxClient(transport=Guarded()),
    )
