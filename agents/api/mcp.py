"""Connections to MCP servers over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import wiring
from agents.api.rendering import RowView
from agents.selectors import tools
from agents.services import mcp_connections, mcp_tools
from loomsite.access.rest.parsing import JsonObjectField, StrictSerializer, TextField
from loomsite.access.rest.views import ApiView


class McpConnectionChangesSerializer(StrictSerializer):
    name = TextField(required=False, allow_blank=True)
    url = TextField(required=False)
    command = TextField(required=False)
    arguments = serializers.ListField(child=TextField(allow_blank=True), required=False)
    environment = JsonObjectField(required=False, write_only=True)
    secret = TextField(required=False, allow_blank=True, write_only=True)
    trusted = serializers.BooleanField(required=False)
    enabled = serializers.BooleanField(required=False)


class McpConnectionSerializer(McpConnectionChangesSerializer):
    slug = TextField()


class ReviewSerializer(StrictSerializer):
    accepted = serializers.BooleanField(
        help_text="False switches the tools off whose changes are refused."
    )


class McpConnectionListView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "admin"}

    @extend_schema(operation_id="mcp_connections_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the MCP servers whose tools agents may use, by slug."""
        return self.listed(tools.mcp_connection_list)

    @extend_schema(
        operation_id="mcp_connections_create",
        request=McpConnectionSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Add an MCP server: the url of one, or a command of LOOM_MCP_COMMANDS that starts one."""
        body = self.valid(McpConnectionSerializer)
        connection_id = wiring.mcp_connection_create(**self.where, **body)
        return Response({"id": connection_id, "slug": body["slug"]}, status=201)


class McpConnectionView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="mcp_connections_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, connection_id: str) -> Response:
        """Return a connection; of its environment only the names, of its secret only that it is."""
        return self.shown(tools.mcp_connection_detail(**self.where))

    @extend_schema(
        operation_id="mcp_connections_update",
        request=McpConnectionChangesSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, connection_id: str) -> Response:
        """Change a connection, for calls from now on.

        With another address or command, its secret or environment has to be given again.
        """
        wiring.mcp_connection_update(
            **self.where,
            **self.valid(McpConnectionChangesSerializer),
        )
        return self.shown(tools.mcp_connection_detail(**self.where))

    @extend_schema(operation_id="mcp_connections_delete", responses={204: None})
    def delete(self, request: Request, connection_id: str) -> Response:
        """Forget an MCP server and its tools."""
        mcp_connections.mcp_connection_delete(**self.where)
        return Response(status=204)


class McpConnectionTestView(ApiView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(operation_id="mcp_connections_test", request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, connection_id: str) -> Response:
        """Ask the server what it offers and keep its tools; say what is new, changed or gone.

        Agents go on with what was reviewed of `changed` ones until they are reviewed again.
        """
        return Response(wiring.mcp_connection_test(**self.where))


class McpConnectionReviewView(ApiView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(
        operation_id="mcp_connections_review",
        request=ReviewSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """Accept or refuse all that is held of this server's tools."""
        names = mcp_tools.mcp_tools_review(
            **self.where,
            **self.valid(ReviewSerializer),
        )
        return Response({"reviewed": names})
