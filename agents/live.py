"""Hints between processes, through Redis: who is offered as a tool has changed.

Nothing depends on a hint arriving, so errors of Redis end here.
"""

import logging
from functools import cache

import redis
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)


def agents_channel(workspace_id: str) -> str:
    """Return where changes of a workspace's agents are told."""
    return f"loom:agents:{workspace_id}"


def agents_announce(workspace_id: str) -> None:
    """Tell that a workspace's agents have changed, once this transaction is committed."""
    transaction.on_commit(lambda: _publish(agents_channel(workspace_id)))


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.5)


def _publish(channel: str) -> None:
    try:
        _client().publish(channel, "changed")
    except redis.RedisError as error:
        logger.debug("%s: not announced: %s", channel, error)
