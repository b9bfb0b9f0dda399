"""Conversations over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.rendering import RowView
from agents.selectors import sessions
from agents.services import sessions as services


class SessionListView(RowView):
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
        asked = request.query_params
        return self.listed(sessions.session_list, agent=asked.get("agent"), key=asked.get("key"))


class SessionView(RowView):
    scopes: ClassVar = {"GET": "memory:read", "DELETE": "memory:write"}

    @extend_schema(operation_id="sessions_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, session_id: str) -> Response:
        """Return a conversation with the summary of its older turns."""
        return self.shown(sessions.session_detail(**self.where))

    @extend_schema(operation_id="sessions_delete", responses={204: None})
    def delete(self, request: Request, session_id: str) -> Response:
        """Forget a conversation for good, and what was remembered of it."""
        services.session_delete(**self.where)
        return Response(status=204)


class SessionMessagesView(RowView):
    scopes: ClassVar = {"GET": "memory:read"}

    @extend_schema(operation_id="sessions_messages", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, session_id: str) -> Response:
        """List a conversation's messages, oldest first; `in_window` ones are sent to the model."""
        return self.listed(sessions.session_messages)
