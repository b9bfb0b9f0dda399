"""Model clients: one per endpoint and event loop, reused by all providers and closed explicitly."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_TIMEOUT_S = 10.0
NO_KEY = "not-needed"  # local servers want none, the client wants something


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """What makes two clients the same."""

    base_url: str | None
    api_key: str | None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Shared:
    client: "AsyncOpenAI"
    users: set[int] = field(default_factory=set[int])


class Clients:
    """A pool without a limit of its own: an endpoint has one client, a client limits connections.

    A client is held until its last user lets go: one that is collected unclosed in a living event
    loop makes later requests of others hang.

    Args:
        build: Makes the client of an endpoint; left out, one that goes wherever its address leads.
    """

    def __init__(self, build: "Callable[[ClientKey], AsyncOpenAI] | None" = None) -> None:
        self._build = build or _build
        self._shared: dict[tuple[asyncio.AbstractEventLoop, ClientKey], _Shared] = {}

    def get(self, key: ClientKey, user: int) -> "AsyncOpenAI":
        """Return the running loop's client of an endpoint.

        Raises:
            openai.OpenAIError: No key was given and the environment has none.
        """
        place = (asyncio.get_running_loop(), key)
        shared = self._shared.get(place)
        if shared is None:
            shared = self._shared[place] = _Shared(self._build(key))
        shared.users.add(user)
        return shared.client

    async def release(self, user: int) -> None:
        """Close the running loop's clients of a user that nobody else uses."""
        loop = asyncio.get_running_loop()
        mine = [
            (place, shared)
            for place, shared in self._shared.items()
            if place[0] is loop and user in shared.users
        ]
        for place, shared in mine:
            shared.users.discard(user)
            if not shared.users:
                self._shared.pop(place, None)
                await shared.client.close()


def headers_key(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((headers or {}).items()))


def _build(key: ClientKey) -> "AsyncOpenAI":
    import httpx2  # noqa: PLC0415 -- the client is half of the runtime's memory: only when needed
    from openai import AsyncOpenAI  # noqa: PLC0415 -- as above

    api_key = key.api_key
    if api_key is None and key.base_url is not None:
        api_key = NO_KEY  # the environment's key belongs to the environment's endpoint
    return AsyncOpenAI(
        base_url=key.base_url,
        api_key=api_key,
        default_headers=dict(key.headers),
        max_retries=0,  # retries are the provider's: they have to see breaker and deadline
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
    )


shared_clients = Clients()
