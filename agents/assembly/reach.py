"""Model clients that connect only to allowed addresses, checked at each connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agents.core.errors import EndpointUnusable
from agents.providers.clients import CONNECT_TIMEOUT_S, NO_KEY, ClientKey
from loomsite.access.core.egress import address_fault

if TYPE_CHECKING:
    import httpx2
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
    """Return a client whose connections, redirects included, go to addresses that were checked."""
    import httpx2  # noqa: PLC0415 -- the client is half of the runtime's memory: only when needed
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415 -- as above

    return AsyncOpenAI(
        base_url=key.base_url,
        api_key=key.api_key or NO_KEY,
        default_headers=dict(key.headers),
        max_retries=0,
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
        http_client=DefaultAsyncHttpxClient(transport=guarded_transport(listed=listed)),
    )


def guarded_transport(
    *, listed: Collection[str], max_bytes: int | None = None
) -> "httpx2.AsyncHTTPTransport":
    """Return a transport that connects only to addresses that were checked.

    The address that was checked is the one connected to, so that a name cannot change between.

    Args:
        listed: Hosts, addresses and networks that are reached although they are private.
        max_bytes: Of one reply; such replies are not compressed. None for any size.
    """
    import httpx2  # noqa: PLC0415 -- as above

    class Guarded(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            request.extensions = {**request.extensions, "sni_hostname": request.url.host}
            request.url = request.url.copy_with(host=await _checked(request, listed))
            if max_bytes is None:
                return await super().handle_async_request(request)
            request.headers["accept-encoding"] = "identity"
            return await _bounded(await super().handle_async_request(request), max_bytes)

    return Guarded()


async def _checked(request: "httpx2.Request", listed: Collection[str]) -> str:
    """Return the address to connect to."""
    import httpx2  # noqa: PLC0415 -- as above

    host = request.url.host
    port = request.url.port or (80 if request.url.scheme == "http" else 443)
    loop = asyncio.get_running_loop()
    addresses = await loop.run_in_executor(None, resolved, host, port)
    if not addresses:
        raise httpx2.ConnectError(f"Nobody knows the name {host!r}.", request=request)
    for address in addresses:
        fault = address_fault(host, address, listed=listed)
        if fault:
            raise httpx2.ConnectError(fault, request=request)
    return addresses[0]


async def _bounded(response: "httpx2.Response", most: int) -> "httpx2.Response":
    """Return the reply so that it breaks off where it is too large."""
    import httpx2  # noqa: PLC0415 -- as above

    stream = response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = most
            async for piece in stream:
                left -= len(piece)
                if left < 0:
                    raise httpx2.ReadError("The reply is too large.")
                yield piece

        async def aclose(self) -> None:
            await stream.aclose()

    if response.headers.get("content-encoding", "identity") != "identity":
        await response.aclose()
        raise httpx2.ReadError("The reply is compressed, which was not asked for.")
    response.stream = Bounded()
    return response
