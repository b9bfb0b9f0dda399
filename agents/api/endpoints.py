"""Model endpoints and MCP servers over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import wiring
from agents.api.rendering import paged, rendered
from agents.selectors import catalogue
from agents.services import catalogue as services
from agents.services import endpoints
from loomsite.access.rest.pagination import page_of
from loomsite.access.rest.parsing import JsonObjectField, StrictSerializer, TextField
from loomsite.access.rest.views import ApiView


class EndpointChangesSerializer(StrictSerializer):
    name = TextField(required=False, allow_blank=True)
    base_url = TextField(required=False)
    secret = TextField(required=False, allow_blank=True, write_only=True)
    model = TextField(required=False, allow_blank=True)
    profile = JsonObjectField(required=False)
    usd_per_million_prompt = serializers.DecimalField(18, 10, required=False, allow_null=True)
    usd_per_million_completion = serializers.DecimalField(18, 10, required=False, allow_null=True)
    fallback_id = TextField(required=False, allow_null=True)
    is_default = serializers.BooleanField(required=False)
    enabled = serializers.BooleanField(required=False)


class EndpointSerializer(EndpointChangesSerializer):
    slug = TextField()
    base_url = TextField()


class EndpointListView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "admin"}

    @extend_schema(operation_id="endpoints_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the model endpoints by slug; secrets are never shown."""
        page = page_of(request)
        wiring.workspace_prepare(self.principal.workspace_id)
        found = catalogue.endpoint_list(
            workspace_id=self.principal.workspace_id, cursor=page.cursor, limit=page.limit
        )
        return paged(request, found)

    @extend_schema(
        operation_id="endpoints_create",
        request=EndpointSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        """Add an endpoint."""
        workspace_id = self.principal.workspace_id
        endpoint_id = wiring.endpoint_create(
            workspace_id=workspace_id, **self.valid(EndpointSerializer)
        )
        row = catalogue.endpoint_detail(workspace_id=workspace_id, endpoint_id=endpoint_id)
        return Response(rendered(row), status=201)


class EndpointView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="endpoints_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, endpoint_id: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return an endpoint."""
        row = catalogue.endpoint_detail(
            workspace_id=self.principal.workspace_id, endpoint_id=str(endpoint_id)
        )
        return Response(rendered(row))

    @extend_schema(
        operation_id="endpoints_update",
        request=EndpointChangesSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, endpoint_id: str) -> Response:  # noqa: ARG002 -- as above
        """Change an endpoint."""
        workspace_id, endpoint_id = self.principal.workspace_id, str(endpoint_id)
        wiring.endpoint_update(
            workspace_id=workspace_id,
            endpoint_id=endpoint_id,
            **self.valid(EndpointChangesSerializer),
        )
        row = catalogue.endpoint_detail(workspace_id=workspace_id, endpoint_id=endpoint_id)
        return Response(rendered(row))

    @extend_schema(operation_id="endpoints_delete", responses={204: None})
    def delete(self, request: Request, endpoint_id: str) -> Response:  # noqa: ARG002 -- as above
        """Remove an endpoint."""
        endpoints.endpoint_delete(
            workspace_id=self.principal.workspace_id, endpoint_id=str(endpoint_id)
        )
        return Response(status=204)


class McpConnectionSerializer(StrictSerializer):
    slug = TextField()
    url = TextField(required=False)
    command = TextField(required=False)
    arguments = serializers.ListField(child=TextField(allow_blank=True), required=False)
    environment = JsonObjectField(required=False, write_only=True)
    name = TextField(required=False, allow_blank=True)
    secret = TextField(required=False, allow_blank=True, write_only=True)
    trusted = serializers.BooleanField(required=False)


class McpConnectionListView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "admin"}

    @extend_schema(operation_id="mcp_connections_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the MCP servers whose tools agents may use, by slug."""
        page = page_of(request)
        found = catalogue.mcp_connection_list(
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
    scopes: ClassVar = {"DELETE": "admin"}

    @extend_schema(operation_id="mcp_connections_delete", responses={204: None})
    def delete(self, request: Request, connection_id: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Forget an MCP server and its tools."""
        services.mcp_connection_delete(
            workspace_id=self.principal.workspace_id, connection_id=str(connection_id)
        )
        return Response(status=204)


class McpConnectionTestView(ApiView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(operation_id="mcp_connections_test", request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, connection_id: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Ask the server what it offers and keep its tools; say what is new, changed or gone."""
        return Response(
            wiring.mcp_connection_test(
                workspace_id=self.principal.workspace_id, connection_id=str(connection_id)
            )
        )
