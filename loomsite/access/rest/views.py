"""The base of every REST view: one way in, one shape out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from drf_spectacular.openapi import AutoSchema
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from loomsite.access.core.types import Principal
from loomsite.access.permissions import HasScope, KeyAuthentication, PersonAuthentication
from loomsite.access.rest import parsing, problems, throttles
from loomsite.access.rest.pagination import page_of, page_response


class JsonAlways(DefaultContentNegotiation):
    """JSON whatever `Accept` says: a browser's address bar gets an answer and no 406."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 -- DRF's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002 -- DRF's signature
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class ApiView(APIView):
    """A view behind keys and sessions; `scopes` names the scope that each method needs.

    `self.principal` is the caller. Raise any error with `code` and `status`; it becomes a problem.
    """

    scopes: ClassVar[Mapping[str, str]] = {}
    max_body_bytes: ClassVar[int] = parsing.MAX_BODY_BYTES

    authentication_classes = [KeyAuthentication, PersonAuthentication]
    permission_classes = [HasScope]
    throttle_classes = [throttles.CallerThrottle]
    renderer_classes = [JSONRenderer]
    parser_classes = [parsing.JsonParser]
    content_negotiation_class = JsonAlways  # pyright: ignore[reportAssignmentType] -- the stubs say str
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    schema = AutoSchema()

    @property
    def principal(self) -> Principal:
        """The caller; only after authentication."""
        auth = self.request.auth
        assert isinstance(auth, Principal), "permission_classes let a stranger through"
        return auth

    @property
    def where(self) -> dict[str, Any]:
        """The caller's workspace and what the path names, as services and selectors take them."""
        named = {name: str(value) for name, value in self.kwargs.items()}
        return {"workspace_id": self.principal.workspace_id, **named}

    def listed(
        self, select: Callable[..., tuple[Sequence[Any], str | None]], **narrowed: object
    ) -> Response:
        """Return the page that is asked for of what `select` finds in the caller's workspace.

        Raises:
            InputInvalid: `limit` is no number from 1 to 100.
            CursorInvalid: `cursor` was not handed out here.
        """
        page = page_of(self.request)
        rows, following = select(**self.where, **narrowed, cursor=page.cursor, limit=page.limit)
        return page_response(self.request, rows, following)

    def get_exception_handler(self) -> Callable[[Exception, Mapping[str, Any]], Response]:
        return problems.exception_response

    def valid(self, serializer: type[Serializer]) -> dict[str, Any]:
        """Return the body as `serializer` understands it.

        Raises:
            ValidationError: It does not; the problem names each field.
        """
        data = self.request.data
        bound = serializer(data={} if data == "" or data is None else data)
        bound.is_valid(raise_exception=True)
        return dict(bound.validated_data)
