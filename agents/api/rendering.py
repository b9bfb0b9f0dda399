"""What every list and detail door of the agents shares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from loomsite.access.rest.parsing import TextField
from loomsite.access.rest.views import ApiView


def rendered(value: Any) -> Any:  # noqa: ANN401 -- any view of a row
    """Return what a selector gave as JSON; money is text with six decimals."""
    if is_dataclass(value) and not isinstance(value, type):
        return rendered(asdict(value))
    if isinstance(value, Mapping):
        return {name: rendered(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(inner) for inner in value]
    return f"{value:.6f}" if isinstance(value, Decimal) else value


class RowView(ApiView):
    """A view over selectors that give frozen values, or pages of them."""

    def listed(
        self, select: Callable[..., tuple[Sequence[Any], str | None]], **narrowed: object
    ) -> Response:
        def rows(**asked: object) -> tuple[Sequence[Any], str | None]:
            found, following = select(**asked)
            return rendered(found), following

        return super().listed(rows, **narrowed)

    def shown(self, value: object, *, status: int = 200) -> Response:
        """Return a value of a selector, as JSON."""
        return Response(rendered(value), status=status)


class Words(serializers.ListField):
    """A list of short strings."""

    child = TextField(max_length=128)
