"""Model endpoints over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import wiring
from agents.api.rendering import RowView
from agents.selectors import catalogue
from agents.services import endpoints
from loomsite.access.rest.parsing import JsonObjectField, StrictSerializer, TextField


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


class EndpointListView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "admin"}

    @extend_schema(operation_id="endpoints_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the model endpoints by slug; secrets are never shown."""
        wiring.workspace_prepare(self.principal.workspace_id)
        return self.listed(catalogue.endpoint_list)

    @extend_schema(
        operation_id="endpoints_create",
        request=EndpointSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Add an endpoint."""
        made = wiring.endpoint_create(**self.where, **self.valid(EndpointSerializer))
        row = catalogue.endpoint_detail(**self.where, endpoint_id=made)
        return self.shown(row, status=201)


class EndpointView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="endpoints_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, endpoint_id: str) -> Response:
        """Return an endpoint."""
        return self.shown(catalogue.endpoint_detail(**self.where))

    @extend_schema(
        operation_id="endpoints_update",
        request=EndpointChangesSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, endpoint_id: str) -> Response:
        """Change an endpoint."""
        wiring.endpoint_update(**self.where, **self.valid(EndpointChangesSerializer))
        return self.shown(catalogue.endpoint_detail(**self.where))

    @extend_schema(operation_id="endpoints_delete", responses={204: None})
    def delete(self, request: Request, endpoint_id: str) -> Response:
        """Remove an endpoint."""
        endpoints.endpoint_delete(**self.where)
        return Response(status=204)
