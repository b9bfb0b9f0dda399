"""Filters of pages that draw beliefs and records."""

from collections.abc import Sequence

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loomsite.access.admin import display

register = template.Library()
_WIDTH, _HEIGHT = 96, 20


@register.filter
def hundredths(share: float) -> str:
    """Return how far along its scale a share lies, as CSS takes it."""
    return f"{min(max(share, 0.0), 1.0) * 100:.1f}"


@register.filter
def rest(share: float) -> str:
    """Return how far from its scale's end a share lies, as CSS takes it."""
    return hundredths(1 - share)


@register.filter
def shares(values: Sequence[float] | None) -> SafeString | str:
    """Return a line of shares on one scale from 0 to 1, so that two lines can be compared."""
    if not values or len(values) < 2:  # noqa: PLR2004 -- a line has two ends
        return display.EMPTY
    step = _WIDTH / (len(values) - 1)
    points = " ".join(
        f"{step * place:.1f},{_HEIGHT * (1 - min(max(value, 0.0), 1.0)):.1f}"
        for place, value in enumerate(values)
    )
    return format_html(
        '<svg class="lm-shares" viewBox="-2 -2 {} {}" width="{}" height="{}" role="img"'
        ' aria-label="{} scores, the last {}"><polyline points="{}"/></svg>',
        _WIDTH + 4, _HEIGHT + 4, _WIDTH + 4, _HEIGHT + 4, len(values), f"{values[-1]:.2f}", points,
    )  # fmt: skip
