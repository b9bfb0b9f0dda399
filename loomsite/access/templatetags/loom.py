"""Filters that the admin's templates use."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import template
from django.contrib import admin
from django.db.models import Model
from django.template.defaultfilters import capfirst
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loomsite.access.admin import display
from loomsite.access.admin import once as sending
from loomsite.access.admin import prose as writing

register = template.Library()
_SPARK_WIDTH, _SPARK_HEIGHT = 96, 20


@register.filter
def usd(amount: object) -> str:
    """Return an amount of money."""
    return display.money(amount)


@register.filter
def ago(at: datetime | str | None) -> Any:  # noqa: ANN401 -- text or safe markup
    """Return how long ago something was; also of a time in ISO 8601."""
    return display.when(datetime.fromisoformat(at) if isinstance(at, str) else at)


@register.filter
def span(seconds: float | None) -> str:
    """Return a length of time."""
    return display.EMPTY if seconds is None else display.span(float(seconds))


@register.filter
def until(at: datetime | None) -> str:
    """Return how far off a time is."""
    return display.age(at, timezone.now())


@register.filter
def spaced(name: str) -> str:
    """Return a name of the code as words."""
    return name.replace("_", " ")


@register.filter
def prose(text: str, cited: Sequence[Mapping[str, Any]] = ()) -> SafeString:
    """Return Markdown as safe markup; its markers lead to what is cited."""
    return writing.prose(text, [str(each["title"] or each.get("quote", "")) for each in cited])


@register.simple_tag
def once() -> SafeString:
    """Return a form's token: sent twice, the form does its work once."""
    return format_html('<input type="hidden" name="{}" value="{}">', sending.FIELD, uuid.uuid4())


@register.filter
def named(what: Any) -> str:  # noqa: ANN401 -- a row, or the name of a kind of rows
    """Return what the way to a page calls a row or a kind of rows."""
    page: Any = admin.site._registry.get(type(what))  # noqa: SLF001 -- get_model_admin raises instead
    if hasattr(page, "page_title"):  # the class cannot be named: the theme is loaded after this
        return page.page_title(what)
    return display.cut(what) if isinstance(what, Model) else capfirst(str(what))


@register.filter
def spark(values: Sequence[float | None] | None) -> SafeString | str:
    """Return a line as small as a word; gaps where a value is None."""
    known = [value for value in values or () if value is not None]
    if len(known) < 2:  # noqa: PLR2004 -- a line has two ends
        return ""
    low, high = min(known), max(known)
    step = _SPARK_WIDTH / (len(values or ()) - 1)
    points = [
        f"{step * index:.1f},{_spark_height(value, low, high):.1f}"
        for index, value in enumerate(values or ())
        if value is not None
    ]
    return format_html(
        '<svg class="lm-spark" viewBox="-2 -2 {} {}" width="{}" height="{}" role="img"'
        ' aria-label="from {} to {}"><polyline points="{}"/></svg>',
        _SPARK_WIDTH + 4, _SPARK_HEIGHT + 4, _SPARK_WIDTH + 4, _SPARK_HEIGHT + 4,
        f"{known[0]:g}", f"{known[-1]:g}", " ".join(points),
    )  # fmt: skip


def _spark_height(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return _SPARK_HEIGHT * (1 - share)


@register.filter
def counted(count: int | None, most: int = 0) -> str:
    """Return a count for people; one that was bounded says that there is more."""
    if count is None:
        return display.EMPTY
    return f"{most:,}+" if most and count > most else f"{count:,}"


@register.filter
def percent(share: float | None) -> str:
    """Return a share of one in percent; a dash where there is none."""
    return display.EMPTY if share in (None, "") else f"{share * 100:.0f}\N{NO-BREAK SPACE}%"


@register.filter
def happening(name: str) -> str:
    """Return an event's name as words."""
    return name.replace(".", " ").replace("_", " ")


@register.filter
def millis(milliseconds: float | None) -> str:
    """Return a length of time that is kept in milliseconds."""
    return display.EMPTY if milliseconds is None else display.span(milliseconds / 1000)


@register.filter
def cycled(number: int, among: int) -> int:
    """Return a number that begins again after so many."""
    return number % among
