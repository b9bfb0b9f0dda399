"""A flood stop per caller, counted in Redis so that all processes share it."""

import logging
from functools import cache

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from loomsite.access.core.errors import RateLimited
from loomsite.access.core.types import Principal

logger = logging.getLogger(__name__)
_WINDOW_S = 60


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)


def allowance_spend(*, caller: str, per_minute: int) -> None:
    """Count one request of `caller`; without Redis nobody is counted, and everybody served.

    Raises:
        RateLimited: It is one too many in this minute.
    """
    key = f"loom:rate:{caller}"
    try:
        with _client(settings.REDIS_URL).pipeline(transaction=True) as pipe:
            pipe.set(key, 0, ex=_WINDOW_S, nx=True)
            pipe.incr(key)
            pipe.ttl(key)
            _, count, left_s = pipe.execute()
    except redis.RedisError as error:
        logger.warning("Requests are not counted: %s", error)
        return
    if count > per_minute:
        raise RateLimited(retry_after_s=max(1, left_s))


def key_allowance_spend(principal: Principal) -> None:
    """Count one request of a key or person.

    Raises:
        RateLimited: It is one too many in this minute.
    """
    caller = f"{principal.workspace_id}:{principal.actor}"
    allowance_spend(caller=caller, per_minute=settings.LOOM_REQUESTS_PER_MINUTE)


class CallerThrottle(BaseThrottle):
    """At most `settings.LOOM_REQUESTS_PER_MINUTE` requests a minute by one key or person."""

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 -- DRF's signature
        if isinstance(request.auth, Principal):
            key_allowance_spend(request.auth)
        return True
