"""How the store talks to Postgres: rows out, rows in by COPY, vectors as text."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from psycopg import Copy

from knowledge.core.analysis import TERM_SPACE


def rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


@contextmanager
def copying(target: str) -> Generator[Copy]:
    """Give a COPY into `table (columns)`; it is done when the block ends."""
    with connection.cursor() as cursor:
        psycopg_cursor: Any = cursor  # the stubs know Django's own methods only
        with psycopg_cursor.copy(f"COPY {target} FROM STDIN") as copy:
            yield copy


def sparse_text(weights: Mapping[int, float]) -> str:
    """Return a sparsevec literal."""
    return "{" + ",".join(f"{t}:{w:.6g}" for t, w in sorted(weights.items())) + f"}}/{TERM_SPACE}"


def dense_text(vector: Sequence[float]) -> str:
    """Return a vector or halfvec literal."""
    return "[" + ",".join(f"{x:.6g}" for x in vector) + "]"
