"""Conversations over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.rendering import paged, rendered
from agents.selectors import sessions
from agents.services import sessions as services
from loomsite.access.rest.pagination import page_of
from loomsite.access.rest.views import ApiView


class SessionListView(ApiView):
    scopes: ClassVar = {"GET": "memory:read"}

    @extend_schema(
        operation_id="sessions_list",
        parameters=[
            OpenApiParameter("agent", str, description="Only those with this agent, by slug."),
            OpenApiParameter("key", str, description="Only those that callers named so."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List the conversations, the latest first."""
        page = page_of(request)
        found = sessions.session_list(
            workspace_id=self.principal.workspace_id,
            agent=request.query_params.get("agent"),
            key=request.query_params.get("key"),
            cursor=page.cursor,
            limit=page.limit,
        )
        return paged(request, found)


class SessionView(ApiView):
    scopes: ClassVar = {"GET": "memory:read", "DELETE": "memory:write"}

    @extend_schema(operation_id="sessions_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, session_id: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a conversation with the summary of its older turns."""
        found = sessions.session_detail(
            workspace_id=self.principal.workspace_id, session_id=str(session_id)
        )
        return Response(rendered(found))

    @extend_schema(operation_id="sessions_delete", responses={204: None})
    def delete(self, request: Request, session_id: str) -> Response:  # noqa: ARG002 -- as above
        """Forget a conversation for good, and what was remembered of it."""
        services.session_delete(
            workspace_id=self.principal.workspace_id, session_id=str(session_id)
        )
        return Response(status=204)


class SessionMessagesView(ApiView):
    scopes: ClassVar = {"GET": "memory:read"}

    @extend_schema(operation_id="sessions_messages", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, session_id: str) -> Response:
        """List a conversation's messages, oldest first; `in_window` ones are sent to the model."""
        page = page_of(request)
        found = sessions.session_messages(
            workspace_id=self.principal.workspace_id,
            session_id=str(session_id),
            cursor=page.cursor,
            limit=page.limit,
        )
        return paged(request, found)
