"""Things done to one row, by POST: a table of them is a table of views."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from loomsite.access.rest.parsing import StrictSerializer, fields_of
from loomsite.access.rest.views import ApiView


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that can be done to a row.

    Attributes:
        act: The service; it gets the workspace, the row's id, the `actor` and the body's fields.
        says: What the schema says of it.
        body: The fields it takes, and which of them it needs.
    """

    act: Callable[..., object]
    says: str
    body: type[StrictSerializer] = StrictSerializer


def action_views(
    resource: str, actions: Mapping[str, Action], *, scope: str, detail: Callable[..., Any]
) -> dict[str, type[ApiView]]:
    """Return a view for each action, which answers with the row as `detail` shows it then.

    Args:
        resource: Its operations are called `<resource>_<name>`.
        actions: By the last part of their path.
        scope: What a key needs for any of them.
        detail: The selector; it gets the workspace and the row's id.
    """
    return {
        name: _action_view(f"{resource}_{name}", action, scope, detail)
        for name, action in actions.items()
    }


def _action_view(
    operation_id: str, action: Action, scope: str, detail: Callable[..., Any]
) -> type[ApiView]:
    class ActionView(ApiView):
        scopes: ClassVar = {"POST": scope}

        @extend_schema(
            operation_id=operation_id,
            description=action.says,
            request=action.body,
            responses=OpenApiTypes.OBJECT,
        )
        def post(self, request: Request, **_: object) -> Response:
            given = fields_of(request.data or {}, action.body)
            action.act(**self.where, actor=self.principal.actor, **given)
            return Response(detail(**self.where))

    return ActionView
