"""The real clock, chance and identities, for programs that bring none of their own."""

import asyncio
import random
import time
import uuid
from datetime import UTC, datetime
from functools import cache

from agents.core.ports import World


@cache
def system_world() -> World:
    """Return the world as it is."""
    return World(
        now=lambda: datetime.now(UTC),  # noqa: TID251 -- the one place where the clock is read
        monotonic=time.monotonic,
        sleep=asyncio.sleep,
        new_id=lambda: str(uuid.uuid4()),
        rng=random.SystemRandom(),
    )
