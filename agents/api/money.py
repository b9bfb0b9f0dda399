"""Budgets and usage over REST."""

from datetime import timedelta
from typing import ClassVar

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.rendering import rendered
from agents.selectors import catalogue, runs
from agents.services import catalogue as services
from loomsite.access.rest.pagination import page_response
from loomsite.access.rest.parsing import StrictSerializer, TextField
from loomsite.access.rest.views import ApiView

_USAGE_DAYS = 30


class BudgetSerializer(StrictSerializer):
    scope = TextField(required=False)
    scope_id = TextField(required=False, allow_blank=True)
    period = TextField(required=False)
    limit_usd = serializers.DecimalField(18, 10)
    enabled = serializers.BooleanField(required=False)


class BudgetListView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "admin"}

    @extend_schema(operation_id="budgets_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the limits on spending, each with what its current period spent."""
        rows = catalogue.budget_list(**self.where)
        return page_response(request, rendered(rows), None)

    @extend_schema(
        operation_id="budgets_set", request=BudgetSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request) -> Response:
        """Set the limit of a scope and period."""
        budget_id = services.budget_set(**self.where, **self.valid(BudgetSerializer))
        return Response({"id": budget_id})


class BudgetView(ApiView):
    scopes: ClassVar = {"DELETE": "admin"}

    @extend_schema(operation_id="budgets_delete", responses={204: None})
    def delete(self, request: Request, budget_id: str) -> Response:
        """Remove a limit."""
        services.budget_delete(**self.where)
        return Response(status=204)


class UsageView(ApiView):
    scopes: ClassVar = {"GET": "tasks:read"}

    @extend_schema(operation_id="usage_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return what each model and purpose used in the last 30 days."""
        rows = runs.usage_by_model(
            **self.where,
            since=timezone.now() - timedelta(days=_USAGE_DAYS),
        )
        return page_response(request, rendered(rows), None)
