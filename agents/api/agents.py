"""Agents over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.rendering import RowView, Words
from agents.selectors import catalogue
from agents.services import agents
from loomsite.access.rest.parsing import StrictSerializer, TextField


class AgentChangesSerializer(StrictSerializer):
    slug = TextField(required=False)
    name = TextField(required=False)
    description = TextField(required=False, allow_blank=True)
    instructions = TextField(required=False, allow_blank=True, trim_whitespace=False)
    endpoint_id = TextField(required=False, allow_null=True)
    model = TextField(required=False, allow_blank=True)
    tools = Words(required=False)
    scenes = Words(required=False)
    skills = Words(required=False)
    collections = Words(required=False)
    domains = Words(required=False)
    max_steps = serializers.IntegerField(required=False)
    timeout_s = serializers.IntegerField(required=False)
    max_tokens = serializers.IntegerField(required=False, allow_null=True)
    budget_usd = serializers.DecimalField(18, 10, required=False, allow_null=True)
    temperature = serializers.FloatField(required=False, allow_null=True)
    answer_language = TextField(required=False, allow_blank=True)
    filter_patterns = serializers.ListField(child=TextField(trim_whitespace=False), required=False)
    audit = serializers.BooleanField(required=False)
    published = serializers.BooleanField(required=False)
    input_schema = serializers.DictField(required=False)
    enabled = serializers.BooleanField(required=False)


class AgentSerializer(AgentChangesSerializer):
    slug = TextField()
    name = TextField()


class AgentListView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "agents:write"}

    @extend_schema(operation_id="agents_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the agents in service by slug; `?query=` narrows by words."""
        return self.listed(catalogue.agent_list, query=request.query_params.get("query", ""))

    @extend_schema(
        operation_id="agents_create", request=AgentSerializer, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:
        """Make an agent."""
        workspace_id = self.principal.workspace_id
        agent_id = agents.agent_create(
            workspace_id=workspace_id, by=self.principal.actor, **self.valid(AgentSerializer)
        )
        row = catalogue.agent_detail(workspace_id=workspace_id, agent=agent_id)
        return self.shown(row, status=201)


class AgentView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "agents:write", "DELETE": "agents:write"}

    @extend_schema(operation_id="agents_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, agent: str) -> Response:
        """Return an agent by id or slug."""
        return self.shown(catalogue.agent_detail(**self.where))

    @extend_schema(
        operation_id="agents_update",
        request=AgentChangesSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, agent: str) -> Response:
        """Change an agent; a change of what it is makes a new version."""
        workspace_id = self.principal.workspace_id
        row = catalogue.agent_detail(**self.where)
        agents.agent_update(
            workspace_id=workspace_id,
            agent_id=row.id,
            by=self.principal.actor,
            **self.valid(AgentChangesSerializer),
        )
        return self.shown(catalogue.agent_detail(workspace_id=workspace_id, agent=row.id))

    @extend_schema(operation_id="agents_retire", responses={204: None})
    def delete(self, request: Request, agent: str) -> Response:
        """Take an agent out of service; its runs stay."""
        workspace_id = self.principal.workspace_id
        row = catalogue.agent_detail(**self.where)
        agents.agent_retire(workspace_id=workspace_id, agent_id=row.id)
        return Response(status=204)
