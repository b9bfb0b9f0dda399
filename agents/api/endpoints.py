"""Model endpoints over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import wiring
from agents.api.rendering import paged, rendered
from agents.selectors import catalogue
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
