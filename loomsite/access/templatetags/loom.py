"""Filters that the admin's templates use."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone

from loomsite.access.admin import display

register = template.Library()


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
