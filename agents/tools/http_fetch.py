"""Fetching pages from listed hosts, through the egress guard."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urljoin, urlsplit

from pydantic import Field

from agents.core.errors import ToolFailed, ToolRetry
from agents.tools.registry import FunctionTool, define_tool
from loomsite.access.core.egress import address_fault, url_fault

if TYPE_CHECKING:
    import httpx

NAME = "http_fetch"
MAX_BYTES, MAX_REDIRECTS, TIMEOUT_S = 2_000_000, 5, 30.0
ACCEPT = "text/*, application/json, */*;q=0.1"
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


def http_fetch_tool(
    allowed: Collection[str],
    *,
    listed: Collection[str] = (),
    resolve: Resolve | None = None,
) -> FunctionTool:
    """Return the tool.

    Args:
        allowed: Hosts that may be fetched from; `*.example.org` covers all below it.
        listed: Private addresses, networks or hosts that an operator allows all the same.
        resolve: Returns the addresses of a host; the system's resolver when left out.
    """
    guard = _Guard(allowed=allowed, listed=listed, resolve=resolve or _resolve)

    async def http_fetch(url: Annotated[str, Field(min_length=1, max_length=500)]) -> str:
        return await _fetch(url, guard)

    hosts = ", ".join(sorted(allowed)) or "none"
    return define_tool(
        http_fetch,
        name=NAME,
        description=f"GET a page as text. Hosts: {hosts}.",
        tags=("network", "read"),
        timeout_s=TIMEOUT_S + 5,
    )


class _Guard:
    def __init__(
        self, *, allowed: Collection[str], listed: Collection[str], resolve: Resolve
    ) -> None:
        self._allowed, self._listed, self._resolve = allowed, listed, resolve

    async def address(self, url: str) -> str:
        """Return the checked address to connect to for a URL.

        Raises:
            ToolRetry, ToolFailed: It may not be fetched, or does not exist.
        """
        fault = url_fault(url)
        if fault is not None:
            raise ToolRetry(fault)
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if not any(_covers(entry.lower(), host) for entry in self._allowed):
            raise ToolRetry(f"{host!r} is not on the list of hosts that may be fetched from.")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = await self._resolve(host, port)
        if not addresses:
            raise ToolFailed(f"There is no host {host!r}.")
        for address in addresses:
            fault = address_fault(host, address, listed=self._listed)
            if fault is not None:
                raise ToolFailed(fault)
        return addresses[0]


async def _fetch(url: str, guard: _Guard) -> str:
    import httpx  # noqa: PLC0415 -- only for those who fetch

    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            for _ in range(MAX_REDIRECTS + 1):
                address = await guard.address(url)
                async with client.stream(
                    "GET",
                    _pinned(url, address),
                    headers={"Host": urlsplit(url).netloc, "Accept": ACCEPT},
                    extensions={"sni_hostname": urlsplit(url).hostname},
                ) as response:
                    if not response.is_redirect:
                        return await _text(url, response)
                    url = urljoin(url, response.headers["location"])
    except httpx.HTTPError as error:
        raise ToolFailed(f"{url} cannot be fetched: {type(error).__name__} {error}") from error
    raise ToolFailed(f"{url} was redirected more than {MAX_REDIRECTS} times.")


def _pinned(url: str, address: str) -> str:
    """Return the URL with the checked address for its host: a second look-up could differ."""
    parts = urlsplit(url)
    literal = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=literal + port).geturl()


async def _text(url: str, response: "httpx.Response") -> str:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise ToolFailed(f"{url} is larger than {MAX_BYTES} bytes.")
    if response.is_error:
        raise ToolFailed(f"{url} answered {response.status_code}.")
    if b"\x00" in body[:8192]:
        raise ToolFailed(f"{url} is not text ({response.headers.get('content-type', 'unknown')}).")
    return body.decode(response.charset_encoding or "utf-8", "replace")


def _covers(entry: str, host: str) -> bool:
    return host == entry or (entry.startswith("*.") and host.endswith(entry[1:]))


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]) for entry in found]
