"""Webhooks over REST: who is told, what they were sent, and once more."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from cluster import wiring
from cluster.api.submitting import LIST_PARAMETERS
from cluster.core.webhooks import EVENTS
from cluster.selectors import webhooks as selectors
from cluster.services import webhooks as services
from loomsite.access.rest.parsing import StrictSerializer, TextField, fields_of
from loomsite.access.rest.views import ApiView

DOOR = "rest"


class WebhookSerializer(StrictSerializer):
    """The fields of a webhook, for the schema; the service checks the values."""

    url = TextField(required=False, help_text="Where the events are sent, by POST.")
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=EVENTS), required=False, min_length=1
    )
    name = TextField(required=False, allow_blank=True)
    enabled = serializers.BooleanField(required=False)


class WebhookCreateSerializer(WebhookSerializer):
    url = TextField(help_text="Where the events are sent, by POST.")


class _WebhookView(ApiView):
    @property
    def signed(self) -> dict[str, Any]:
        """What is asked about and who asks, for what goes into the audit."""
        return {**self.where, "actor": self.principal.actor, "door": DOOR}

    def empty(self) -> None:
        fields_of(self.request.data or {}, StrictSerializer)


class WebhookListView(_WebhookView):
    scopes: ClassVar = {"GET": "tasks:read", "POST": "admin"}

    @extend_schema(
        operation_id="webhooks_list", parameters=[*LIST_PARAMETERS], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:
        """List the webhooks, newest first."""
        return self.listed(selectors.webhook_list)

    @extend_schema(
        operation_id="webhooks_create",
        request=WebhookCreateSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Add a webhook; its `secret`, with which messages are signed, is shown this once."""
        given = fields_of(request.data, WebhookCreateSerializer)
        webhook_id, secret = wiring.webhook_create(**self.signed, **given)
        shown = selectors.webhook_detail(**self.where, webhook_id=webhook_id)
        return Response({**shown, "secret": secret}, status=201)


class WebhookView(_WebhookView):
    scopes: ClassVar = {"GET": "tasks:read", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="webhooks_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """Return a webhook."""
        return Response(selectors.webhook_detail(**self.where))

    @extend_schema(
        operation_id="webhooks_update", request=WebhookSerializer, responses=OpenApiTypes.OBJECT
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Change a webhook; what is not given stays."""
        wiring.webhook_update(**self.signed, **fields_of(request.data, WebhookSerializer))
        return Response(selectors.webhook_detail(**self.where))

    @extend_schema(operation_id="webhooks_delete", responses={204: None})
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """Delete a webhook and what waits to be sent to it."""
        services.webhook_delete(**self.signed)
        return Response(status=204)


class WebhookRotateView(_WebhookView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(
        operation_id="webhooks_rotate", request=StrictSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Give a webhook a new `secret`, shown this once; the old one signs nothing more."""
        self.empty()
        secret = wiring.webhook_rotate(**self.signed)
        return Response({**selectors.webhook_detail(**self.where), "secret": secret})


class WebhookTestView(_WebhookView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(
        operation_id="webhooks_test", request=StrictSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Send a `webhook.test` now, once, and answer with how that ended."""
        self.empty()
        return Response(wiring.webhook_test(**self.where))


class DeliveryListView(_WebhookView):
    scopes: ClassVar = {"GET": "tasks:read"}

    @extend_schema(
        operation_id="webhooks_deliveries",
        parameters=[*LIST_PARAMETERS],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """List what was sent to a webhook and what waits, newest first."""
        return self.listed(selectors.delivery_list)


class DeliveryView(_WebhookView):
    scopes: ClassVar = {"GET": "tasks:read"}

    @extend_schema(operation_id="webhooks_delivery", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
        """Return a delivery with its message."""
        return Response(selectors.delivery_detail(**self.where))


class DeliveryRedeliverView(_WebhookView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(
        operation_id="webhooks_redeliver", request=StrictSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
        """Send a delivery once more, under the same message id."""
        self.empty()
        services.delivery_redeliver(**self.signed)
        return Response(selectors.delivery_detail(**self.where))
