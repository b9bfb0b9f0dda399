"""A circuit breaker that all processes share through Redis, and each on its own without it."""

import asyncio
import logging
from collections.abc import Callable
from weakref import WeakKeyDictionary

from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.core.ports import Breaker

logger = logging.getLogger(__name__)

_THRESHOLD, _OPEN_MS, _MAX_OPEN_MS = 5, 5_000, 120_000
_FORGET_MS = 10 * 60 * 1000
_ALONE_S = 5.0  # how long a process goes on alone before it asks Redis again

# By the server's clock, so that processes agree. The one that finds the pause over probes; the
# others wait for it, but not longer than the longest pause: it may have died.
_ALLOW = """
local failures = tonumber(redis.call('HGET', KEYS[1], 'failures') or '0')
if failures < tonumber(ARGV[1]) then return {failures, 0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local open_until = tonumber(redis.call('HGET', KEYS[1], 'open_until') or '0')
if now < open_until then return {failures, open_until - now} end
redis.call('HSET', KEYS[1], 'open_until', now + tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {failures, 0}
"""
_FAILED = """
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
local beyond = failures - tonumber(ARGV[1])
if beyond >= 0 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local pause = math.min(tonumber(ARGV[4]) * 2 ^ math.min(beyond, 16), tonumber(ARGV[2]))
  redis.call('HSET', KEYS[1], 'open_until', now + pause)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return failures
"""


class SharedBreaker:
    """`Breaker` in Redis, keyed by endpoint.

    It opens after five failures in a row, over all processes; then one probe at a time goes
    through, each failed one doubling the pause.

    Args:
        url: Of the Redis.
        alone: What a process uses while Redis does not answer.
        monotonic: A clock in seconds.
    """

    def __init__(self, url: str, *, alone: Breaker, monotonic: Callable[[], float]) -> None:
        self._url = url
        self._alone = alone
        self._monotonic = monotonic
        self._alone_until = 0.0
        self._failing: set[str] = set()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()

    async def allow(self, endpoint: str) -> float:
        answer = await self._ask(_ALLOW, endpoint)
        if answer is None:
            return await self._alone.allow(endpoint)
        failures, wait_ms = answer
        if failures:
            self._failing.add(endpoint)
        return wait_ms / 1000

    async def succeeded(self, endpoint: str) -> None:
        await self._alone.succeeded(endpoint)
        if endpoint not in self._failing:
            return  # nobody had counted a failure: nothing to take back
        self._failing.discard(endpoint)
        if self._shared():
            try:
                await self._client().delete(_key(endpoint))
            except (RedisError, OSError) as error:
                self._lost(error)

    async def failed(self, endpoint: str) -> None:
        self._failing.add(endpoint)
        await self._alone.failed(endpoint)
        await self._ask(_FAILED, endpoint)

    async def close(self) -> None:
        """Close the running loop's connection."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _ask(self, script: str, endpoint: str):  # noqa: ANN202 -- what the script returns
        if not self._shared():
            return None
        numbers = (_THRESHOLD, _MAX_OPEN_MS, _FORGET_MS, _OPEN_MS)
        try:
            return await self._client().eval(script, 1, _key(endpoint), *map(str, numbers))
        except (RedisError, OSError) as error:
            self._lost(error)
            return None

    def _shared(self) -> bool:
        return self._monotonic() >= self._alone_until

    def _lost(self, error: Exception) -> None:
        if self._shared():
            logger.warning("The circuit breaker goes on without Redis: %s", error)
        self._alone_until = self._monotonic() + _ALONE_S

    def _client(self) -> Redis:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = Redis.from_url(self._url, socket_timeout=1.0, socket_connect_timeout=0.5)
            self._clients[loop] = client
        return client


def _key(endpoint: str) -> str:
    return f"loom:breaker:{endpoint}"
