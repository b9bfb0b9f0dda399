"""What every list and detail door of the agents shares."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.selectors.paging import Page
from loomsite.access.rest.pagination import page_response
from loomsite.access.rest.parsing import TextField


def rendered(value: Any) -> Any:  # noqa: ANN401 -- any view of a row
    """Return what a selector gave as JSON; money is text with six decimals."""
    if is_dataclass(value) and not isinstance(value, type):
        return rendered(asdict(value))
    if isinstance(value, Mapping):
        return {name: rendered(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(inner) for inner in value]
    return f"{value:.6f}" if isinstance(value, Decimal) else value


def paged(request: Request, page: Page[Any]) -> Response:
    return page_response(request, rendered(page.results), page.next_cursor)


class Words(serializers.ListField):
    """A list of short strings."""

    child = TextField(max_length=128)
