"""Connections to MCP servers over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import wiring
from agents.api.rendering import paged, rendered
from agents.selectors import tools
from agents.services import mcp_connections, mcp_tools
from loomsite.access.rest.pagination import page_of
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


class McpConnectionListView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "admin"}

    @extend_schema(operation_id="mcp_connections_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the MCP servers whose tools agents may use, by slug."""
        page = page_of(request)
        found = tools.mcp_connection_list(
            workspace_id=self.principal.workspace_id, cursor=page.cursor, limit=page.limit
        )
        return paged(request, found)

    @extend_schema(
        operation_id="mcp_connections_create",
        request=McpConnectionSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        """Add an MCP server: the url of one, or a command of LOOM_MCP_COMMANDS that starts one."""
        body = self.valid(McpConnectionSerializer)
        connection_id = wiring.mcp_connection_create(
            workspace_id=self.principal.workspace_id, **body
        )
        return Response({"id": connection_id, "slug": body["slug"]}, status=201)


class McpConnectionView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="mcp_connections_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, connection_id: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a connection; of its environment only the names, of its secret only that it is."""
        return self._shown(str(connection_id))

    @extend_schema(
        operation_id="mcp_connections_update",
        request=McpConnectionChangesSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, connection_id: str) -> Response:  # noqa: ARG002 -- as above
        """Change a connection, for calls from now on.

        With another address or command, its secret or environment has to be given again.
        """
        wiring.mcp_connection_update(
            workspace_id=self.principal.workspace_id,
            connection_id=str(connection_id),
            **self.valid(McpConnectionChangesSerializer),
        )
        return self._shown(str(connection_id))

    @extend_schema(operation_id="mcp_connections_delete", responses={204: None})
    def delete(self, request: Request, connection_id: str) -> Response:  # noqa: ARG002 -- as above
        """Forget an MCP server and its tools."""
        mcp_connections.mcp_connection_delete(
            workspace_id=self.principal.workspace_id, connection_id=str(connection_id)
        )
        return Response(status=204)

    def _shown(self, connection_id: str) -> Response:
        found = tools.mcp_connection_detail(
            workspace_id=self.principal.workspace_id, connection_id=connection_id
        )
        return Response(rendered(found))


class McpConnectionTestView(ApiView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(operation_id="mcp_connections_test", request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, connection_id: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Ask the server what it offers and keep its tools; say what is new, changed or gone.

        Agents go on with what was reviewed of `changed` ones until they are reviewed again.
        """
        return Response(
            wiring.mcp_connection_test(
                workspace_id=self.principal.workspace_id, connection_id=str(connection_id)
            )
        )


class McpConnectionReviewView(ApiView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(
        operation_id="mcp_connections_review",
        request=ReviewSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def post(self, request: Request, connection_id: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Accept or refuse all that is held of this server's tools."""
        names = mcp_tools.mcp_tools_review(
            workspace_id=self.principal.workspace_id,
            connection_id=str(connection_id),
            **self.valid(ReviewSerializer),
        )
        return Response({"reviewed": names})
