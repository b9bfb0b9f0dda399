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
from loomsite.access.rest.pagination import page_of, page_response
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
    def who(self) -> dict[str, str]:
        return {
            "workspace_id": self.principal.workspace_id,
            "actor": self.principal.actor,
            "door": DOOR,
        }

    def which(self, webhook_id: UUID) -> dict[str, str]:
        return {"workspace_id": self.principal.workspace_id, "webhook_id": str(webhook_id)}

    def empty(self) -> None:
        fields_of(self.request.data or {}, StrictSerializer)


class WebhookListView(_WebhookView):
    scopes: ClassVar = {"GET": "tasks:read", "POST": "admin"}

    @extend_schema(
        operation_id="webhooks_list", parameters=[*LIST_PARAMETERS], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:
        """List the webhooks, newest first."""
        page = page_of(request)
        rows, following = selectors.webhook_list(
            workspace_id=self.principal.workspace_id, cursor=page.cursor, limit=page.limit
        )
        return page_response(request, rows, following)

    @extend_schema(
        operation_id="webhooks_create",
        request=WebhookCreateSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Add a webhook; its `secret`, with which messages are signed, is shown this once."""
        webhook_id, secret = wiring.webhook_create(
            **self.who(), **fields_of(request.data, WebhookCreateSerializer)
        )
        shown = selectors.webhook_detail(
            workspace_id=self.principal.workspace_id, webhook_id=webhook_id
        )
        return Response({**shown, "secret": secret}, status=201)


class WebhookView(_WebhookView):
    scopes: ClassVar = {"GET": "tasks:read", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="webhooks_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, webhook_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a webhook."""
        return Response(selectors.webhook_detail(**self.which(webhook_id)))

    @extend_schema(
        operation_id="webhooks_update", request=WebhookSerializer, responses=OpenApiTypes.OBJECT
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Change a webhook; what is not given stays."""
        wiring.webhook_update(
            **self.who(), webhook_id=str(webhook_id), **fields_of(request.data, WebhookSerializer)
        )
        return Response(selectors.webhook_detail(**self.which(webhook_id)))

    @extend_schema(operation_id="webhooks_delete", responses={204: None})
    def delete(self, request: Request, webhook_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Delete a webhook and what waits to be sent to it."""
        services.webhook_delete(**self.who(), webhook_id=str(webhook_id))
        return Response(status=204)


class WebhookRotateView(_WebhookView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(
        operation_id="webhooks_rotate", request=StrictSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Give a webhook a new `secret`, shown this once; the old one signs nothing more."""
        self.empty()
        secret = wiring.webhook_rotate(**self.who(), webhook_id=str(webhook_id))
        return Response({**selectors.webhook_detail(**self.which(webhook_id)), "secret": secret})


class WebhookTestView(_WebhookView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(
        operation_id="webhooks_test", request=StrictSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Send a `webhook.test` now, once, and answer with how that ended."""
        self.empty()
        return Response(wiring.webhook_test(**self.which(webhook_id)))


class DeliveryListView(_WebhookView):
    scopes: ClassVar = {"GET": "tasks:read"}

    @extend_schema(
        operation_id="webhooks_deliveries",
        parameters=[*LIST_PARAMETERS],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """List what was sent to a webhook and what waits, newest first."""
        page = page_of(request)
        rows, following = selectors.delivery_list(
            **self.which(webhook_id), cursor=page.cursor, limit=page.limit
        )
        return page_response(request, rows, following)


class DeliveryView(_WebhookView):
    scopes: ClassVar = {"GET": "tasks:read"}

    @extend_schema(operation_id="webhooks_delivery", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a delivery with its message."""
        return Response(self.shown(webhook_id, delivery_id))

    def shown(self, webhook_id: UUID, delivery_id: UUID) -> dict[str, Any]:
        return selectors.delivery_detail(**self.which(webhook_id), delivery_id=str(delivery_id))


class DeliveryRedeliverView(DeliveryView):
    scopes: ClassVar = {"POST": "admin"}
    http_method_names = ["post"]

    @extend_schema(
        operation_id="webhooks_redeliver", request=StrictSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Send a delivery once more, under the same message id."""
        self.empty()
        services.delivery_redeliver(
            **self.who(), webhook_id=str(webhook_id), delivery_id=str(delivery_id)
        )
        return Response(self.shown(webhook_id, delivery_id))
