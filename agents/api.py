"""Agents and what they are made of, over REST."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.selectors import catalogue
from agents.selectors.paging import Page
from agents.services import agents as services
from loomsite.access.rest.pagination import page_of, page_response
from loomsite.access.rest.parsing import StrictSerializer, TextField, fields_of
from loomsite.access.rest.views import ApiView

LIST_PARAMETERS = (OpenApiParameter("cursor"), OpenApiParameter("limit", int))


class AgentChangeSerializer(StrictSerializer):
    """The fields of an agent, for the schema; the service checks the values."""

    slug = TextField(required=False)
    name = TextField(required=False)
    description = TextField(required=False)
    instructions = TextField(required=False)
    endpoint_id = serializers.UUIDField(required=False, allow_null=True)
    model = TextField(required=False)
    tools = serializers.ListField(child=TextField(), required=False)
    scenes = serializers.ListField(child=TextField(), required=False)
    skills = serializers.ListField(child=TextField(), required=False)
    collections = serializers.ListField(child=TextField(), required=False)
    domains = serializers.ListField(child=TextField(), required=False)
    max_steps = serializers.IntegerField(required=False)
    timeout_s = serializers.IntegerField(required=False)
    max_tokens = serializers.IntegerField(required=False, allow_null=True)
    budget_usd = serializers.DecimalField(
        max_digits=14, decimal_places=6, required=False, allow_null=True
    )
    temperature = serializers.FloatField(required=False, allow_null=True)
    published = serializers.BooleanField(required=False)
    enabled = serializers.BooleanField(required=False)


class AgentCreateSerializer(AgentChangeSerializer):
    slug = TextField()
    name = TextField()


class AgentListView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "agents:write"}

    @extend_schema(
        operation_id="agents_list",
        parameters=[OpenApiParameter("query"), *LIST_PARAMETERS],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List the agents in service, by slug."""
        page = page_of(request)
        found = catalogue.agent_list(
            workspace_id=self.principal.workspace_id,
            query=request.query_params.get("query", ""),
            cursor=page.cursor,
            limit=page.limit,
        )
        return page_response(request, [asdict(line) for line in found.results], found.next_cursor)

    @extend_schema(
        operation_id="agents_create",
        request=AgentCreateSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Make an agent."""
        agent_id = services.agent_create(
            workspace_id=self.principal.workspace_id,
            by=self.principal.actor,
            **fields_of(request.data, AgentCreateSerializer),
        )
        return Response(_agent(self, agent_id), status=201)


class AgentView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "agents:write", "DELETE": "agents:write"}

    @extend_schema(operation_id="agents_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, agent: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return an agent, by its id or slug."""
        return Response(_agent(self, agent))

    @extend_schema(
        operation_id="agents_update", request=AgentChangeSerializer, responses=OpenApiTypes.OBJECT
    )
    def patch(self, request: Request, agent: str) -> Response:
        """Change an agent; what it is becomes a new version."""
        agent_id = _agent(self, agent)["id"]
        services.agent_update(
            workspace_id=self.principal.workspace_id,
            agent_id=agent_id,
            by=self.principal.actor,
            **fields_of(request.data, AgentChangeSerializer),
        )
        return Response(_agent(self, agent_id))

    @extend_schema(operation_id="agents_retire", responses={204: None})
    def delete(self, request: Request, agent: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Take an agent out of service for good; its history stays."""
        services.agent_retire(
            workspace_id=self.principal.workspace_id, agent_id=_agent(self, agent)["id"]
        )
        return Response(status=204)


class CatalogueView(ApiView):
    """A list of something that agents are made of."""

    scopes: ClassVar = {"GET": "agents:read"}
    select: Callable[..., Page[Any]] | None = None

    @extend_schema(parameters=[*LIST_PARAMETERS], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List them by name."""
        assert self.select is not None, "as_view() names the selector"
        page = page_of(request)
        found = self.select(
            workspace_id=self.principal.workspace_id, cursor=page.cursor, limit=page.limit
        )
        rows = [row if isinstance(row, dict) else asdict(row) for row in found.results]
        return page_response(request, rows, found.next_cursor)


def _agent(view: ApiView, agent: str) -> dict[str, Any]:
    workspace_id = view.principal.workspace_id
    return asdict(catalogue.agent_detail(workspace_id=workspace_id, agent=agent))
