"""Tasks as a table that other programs read."""

import csv
from collections.abc import Iterable
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpResponse

EXPORT_MOST: Final = 10_000
_COLUMNS: Final = (
    "id", "workspace", "goal", "status", "outcome", "phase", "cycle", "agent", "score", "verified",
    "cost_usd", "prompt_tokens", "completion_tokens", "door", "actor", "parent_id", "created_at",
    "finished_at",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_response(rows: QuerySet) -> HttpResponse:
    """Return the first `EXPORT_MOST` of these tasks as a CSV file, without answers and contexts."""
    fields = [{"workspace": "workspace__slug", "agent": "worker_slug"}.get(c, c) for c in _COLUMNS]
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="tasks.csv"'
    writer = csv.writer(response)
    writer.writerow(_COLUMNS)
    writer.writerows(_cells(row) for row in rows.values_list(*fields)[:EXPORT_MOST])
    return response


def _cells(row: Iterable[Any]) -> list[str]:
    return [_cell(value) for value in row]


def _cell(value: Any) -> str:
    """Return a value as text that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
