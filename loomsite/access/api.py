"""Keys over REST: list, make, revoke; and who is asking."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loomsite.access import selectors, services
from loomsite.access.rest.parsing import StrictSerializer, TextField
from loomsite.access.rest.views import ApiView


class KeyCreateSerializer(StrictSerializer):
    user = TextField(required=False, help_text="Whose key it is; default: yours.")
    name = TextField(required=False, default="", allow_blank=True)
    scopes = serializers.ListField(child=TextField(), allow_empty=False)
    expires_days = serializers.IntegerField(required=False, allow_null=True, default=None)


class KeyListView(ApiView):
    scopes: ClassVar = {"GET": "admin", "POST": "admin"}

    @extend_schema(operation_id="keys_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the workspace's keys, newest first, without their secrets."""
        return self.listed(selectors.apikey_list)

    @extend_schema(
        operation_id="keys_create",
        request=KeyCreateSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Make a key; `key` is shown this once."""
        body = self.valid(KeyCreateSerializer)
        principal = self.principal
        key = services.apikey_create(
            workspace_slug=principal.workspace_slug,
            user=body.get("user") or selectors.username_of(user_id=principal.user_id),
            scopes=body["scopes"],
            expires_days=body["expires_days"],
            name=body["name"],
            actor=principal.actor,
            door="rest",
        )
        row = selectors.apikey_detail(workspace_id=principal.workspace_id, key=key)
        return Response({**row, "key": key}, status=201)


class KeyView(ApiView):
    scopes: ClassVar = {"DELETE": "admin"}

    @extend_schema(operation_id="keys_revoke", responses={204: None})
    def delete(self, request: Request, key_id: str) -> Response:
        """Revoke a key: it opens nothing from now on."""
        services.apikey_revoke(**self.where, actor=self.principal.actor, door="rest")
        return Response(status=204)
