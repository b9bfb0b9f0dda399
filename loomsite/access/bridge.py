"""The one way from async code to the database."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

# As many threads as a process may hold pooled connections (settings.DATABASES … max_size), so a
# caller waits here, cheaply, and not inside the pool until it times out.
_THREADS = 16
_executor = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="db")


def _call(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return fn(*args, **kwargs)
    finally:
        connections.close_all()  # gives the connection back to the pool


async def db(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a sync service or selector on the process's database threads and return its result.

    The caller's event loop stays free; the connection goes back to the pool when `fn` returns.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_executor, partial(_call, fn, *args, **kwargs))
