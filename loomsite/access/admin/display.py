"""Columns of lists: short, escaped, and without a query a row."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

Column = Callable[[Any], Any]
EMPTY = "-"
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def cut(text: object, chars: int = 80) -> str:
    """Return a text's first characters on one line."""
    line = " ".join(str(text if text is not None else "").split())
    return line if len(line) <= chars else line[: chars - 1] + "…"


def age(at: datetime | None, now: datetime) -> str:
    """Return how long ago something was, in its largest unit."""
    if at is None:
        return EMPTY
    seconds = (now - at).total_seconds()
    if seconds < 0:
        return f"in {span(-seconds)}"
    return "just now" if seconds < 1 else f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """Return a length of time for people; it does not break between number and unit."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}\N{NO-BREAK SPACE}ms"
    if seconds < 10:  # noqa: PLR2004 -- below it, tenths are worth reading
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    if seconds < _MINUTE:
        return f"{seconds:.0f}\N{NO-BREAK SPACE}s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f}\N{NO-BREAK SPACE}min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f}\N{NO-BREAK SPACE}h"
    return f"{seconds / _DAY:.0f}\N{NO-BREAK SPACE}days"


def money(amount: object) -> str:
    """Return US dollars: cents, or as many digits as a small sum needs."""
    if amount is None:
        return EMPTY
    value = float(str(amount))
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if abs(value) >= 1 else f"${value:.6f}".rstrip("0").rstrip(".")


def when(at: datetime | None) -> SafeString | str:
    """Return an age with the exact time as its tooltip."""
    if at is None:
        return EMPTY
    exact = timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, age(at, timezone.now())
    )


def row_url(model: str, pk: object) -> str:
    """Return where the page of a row is: `row_url("cluster_task", task_id)`; empty for none."""
    try:
        return reverse(f"admin:{model}_change", args=[str(pk)])
    except NoReverseMatch:
        return ""


def row_link(row: Model | None, text: object = None) -> SafeString | str:
    """Return a link to a row's page."""
    if row is None:
        return EMPTY
    meta = row._meta  # noqa: SLF001 -- Django's public hook
    url = row_url(f"{meta.app_label}_{meta.model_name}", row.pk)
    return format_html('<a class="lm-link" href="{}">{}</a>', url, cut(text or row, 60))


def task_link(task_id: object) -> SafeString | str:
    """Return a link to a task's page by its id alone."""
    if task_id is None:
        return EMPTY
    url = row_url("cluster_task", task_id)
    return format_html('<a class="lm-link lm-mono" href="{}">{}</a>', url, str(task_id)[:8])


def short(name: str, title: str = "", *, chars: int = 80) -> Column:
    """Return a column with the beginning of a text."""

    @display(description=title or _title(name))
    def column(row: Any) -> str:
        return cut(getattr(row, name), chars) or EMPTY

    return column


def ago(name: str, title: str = "") -> Column:
    """Return a column with the age of a time; it sorts by it."""

    @display(description=title or _title(name), ordering=name)
    def column(row: Any) -> SafeString | str:
        return when(getattr(row, name))

    return column


def usd(name: str, title: str = "") -> Column:
    """Return a column with an amount of money."""

    @display(description=title or _title(name.removesuffix("_usd")), ordering=name)
    def column(row: Any) -> str:
        return money(getattr(row, name))

    return column


def badge(name: str, colors: Mapping[str, str], title: str = "") -> Column:
    """Return a column with a coloured word; `colors` maps values to unfold's variants."""

    @display(description=title or _title(name), ordering=name, label=dict(colors) or True)
    def column(row: Any) -> Any:
        value = getattr(row, name)
        if value in (None, ""):
            return None
        said = str(getattr(row, f"get_{name}_display", lambda: value)()).replace("_", " ")
        return (value, said) if colors else said

    return column


def row(name: str, title: str = "") -> Column:
    """Return a column that links to a related row; name it in `list_select_related`."""

    @display(description=title or _title(name))
    def column(instance: Any) -> SafeString | str:
        found = instance
        for part in name.split("__"):
            found = getattr(found, part, None)
        return row_link(found)

    return column


def task(name: str = "task_id") -> Column:
    """Return a column that links to a task by its id."""

    @display(description="task")
    def column(instance: Any) -> SafeString | str:
        return task_link(getattr(instance, name))

    return column


def words(name: str, title: str = "") -> Column:
    """Return a column with a list of words."""

    @display(description=title or _title(name))
    def column(instance: Any) -> str:
        return cut(", ".join(str(word) for word in getattr(instance, name) or ()), 60) or EMPTY

    return column


def number(name: str, title: str = "", *, digits: int = 2) -> Column:
    """Return a column with a number of a few digits."""

    @display(description=title or _title(name), ordering=name)
    def column(instance: Any) -> str:
        value = getattr(instance, name)
        return EMPTY if value is None else f"{value:,.{digits}f}"

    return column


def json_text(value: object) -> str:
    """Return a value as JSON that people can read."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _title(name: str) -> str:
    return name.removesuffix("_at").replace("__", " ").replace("_", " ")
