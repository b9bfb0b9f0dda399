"""Which endpoints' circuits are open right now, for people who look."""

from redis import Redis
from redis.exceptions import RedisError

_PREFIX = "loom:breaker:"
_MOST = 500


def circuits_read(redis_url: str) -> dict[str, int] | None:
    """Return how often in a row each failing address has failed; None when Redis does not say.

    The breaker forgets an address with its first success, so what is missing here is well.
    """
    failing: dict[str, int] = {}
    try:
        with Redis.from_url(
            redis_url, socket_timeout=0.3, socket_connect_timeout=0.3, decode_responses=True
        ) as client:
            for key in client.scan_iter(match=f"{_PREFIX}*", count=_MOST):
                count = client.hget(key, "failures")
                address = str(key).removeprefix(_PREFIX).partition("#")[0]
                failing[address] = max(failing.get(address, 0), int(str(count or 0)))
                if len(failing) >= _MOST:
                    break
    except (RedisError, OSError, ValueError):
        return None
    return failing
