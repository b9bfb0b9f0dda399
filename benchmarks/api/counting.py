"""Loom's settings in a process that counts its statements, by their text, into a file.

The file is the one that LOOM_BENCH_STATEMENTS names; it is written anew each second.
"""

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created

from loomsite.settings import *  # noqa: F403 -- a settings module is its names

EACH_S = 1.0
_NUMBER = re.compile(r"s\d+_x\d+|\b\d+\b")
_counts: Counter[str] = Counter()


def _count(execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any) -> Any:  # noqa: ANN401 -- Django's hook
    _counts[_NUMBER.sub("0", str(sql))[:300]] += 1
    return execute(sql, params, many, context)


def _watch(connection: Any, **_: object) -> None:  # noqa: ANN401 -- Django's signal
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


def _write(path: Path) -> None:
    fresh = path.with_suffix(".new")
    while not threading.Event().wait(EACH_S):
        fresh.write_text(json.dumps(dict(_counts)))
        fresh.replace(path)


if wanted := os.environ.get("LOOM_BENCH_STATEMENTS"):
    connection_created.connect(_watch)
    threading.Thread(target=_write, args=(Path(wanted),), daemon=True).start()
