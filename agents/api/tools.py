"""Tools, the scenes that narrow them, and skills over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import wiring
from agents.api.rendering import Words, paged
from agents.selectors import catalogue
from agents.services import catalogue as services
from agents.services import skills
from loomsite.access.rest.pagination import page_of
from loomsite.access.rest.parsing import JsonObjectField, StrictSerializer, TextField
from loomsite.access.rest.views import ApiView


class ToolChangesSerializer(StrictSerializer):
    enabled = serializers.BooleanField(required=False)
    timeout_s = serializers.FloatField(required=False)
    options = JsonObjectField(required=False)


class SceneChangesSerializer(StrictSerializer):
    name = TextField(required=False, allow_blank=True)
    allow_tags = Words(required=False)
    ask_tags = Words(required=False)
    deny_tags = Words(required=False)
    allow_tools = Words(required=False)
    deny_tools = Words(required=False)


class SceneSerializer(SceneChangesSerializer):
    slug = TextField()


class SkillSerializer(StrictSerializer):
    markdown = TextField(
        trim_whitespace=False, required=False, help_text="A whole SKILL.md; or give an archive."
    )
    archive = TextField(
        required=False, help_text="A zip of a folder with a SKILL.md in it, as base64."
    )
    state = serializers.ChoiceField(choices=["draft", "active"], required=False)


class SkillStateSerializer(StrictSerializer):
    state = TextField()


class ToolListView(ApiView):
    scopes: ClassVar = {"GET": "agents:read"}

    @extend_schema(operation_id="tools_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the tools agents may be granted, by name."""
        page = page_of(request)
        wiring.workspace_prepare(self.principal.workspace_id)
        found = catalogue.tool_list(
            workspace_id=self.principal.workspace_id, cursor=page.cursor, limit=page.limit
        )
        return paged(request, found)


class ToolView(ApiView):
    scopes: ClassVar = {"PATCH": "admin"}

    @extend_schema(
        operation_id="tools_update", request=ToolChangesSerializer, responses={204: None}
    )
    def patch(self, request: Request, name: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Switch a tool on or off, or change how long a call may take and what it may reach."""
        services.tool_update(
            workspace_id=self.principal.workspace_id,
            name=name,
            **self.valid(ToolChangesSerializer),
        )
        return Response(status=204)


class SceneListView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "admin"}

    @extend_schema(operation_id="scenes_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the scenes by slug."""
        page = page_of(request)
        found = catalogue.scene_list(
            workspace_id=self.principal.workspace_id, cursor=page.cursor, limit=page.limit
        )
        return paged(request, found)

    @extend_schema(
        operation_id="scenes_create", request=SceneSerializer, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        """Add a scene."""
        body = self.valid(SceneSerializer)
        scene_id = services.scene_create(workspace_id=self.principal.workspace_id, **body)
        return Response({"id": scene_id, "slug": body["slug"]}, status=201)


class SceneView(ApiView):
    scopes: ClassVar = {"PATCH": "admin"}

    @extend_schema(
        operation_id="scenes_update", request=SceneChangesSerializer, responses={204: None}
    )
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Change a scene, for calls from now on."""
        services.scene_update(
            workspace_id=self.principal.workspace_id,
            slug=slug,
            **self.valid(SceneChangesSerializer),
        )
        return Response(status=204)


class SkillListView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "agents:write"}

    @extend_schema(operation_id="skills_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the skills by name."""
        page = page_of(request)
        found = catalogue.skill_list(
            workspace_id=self.principal.workspace_id, cursor=page.cursor, limit=page.limit
        )
        return paged(request, found)

    @extend_schema(
        operation_id="skills_import", request=SkillSerializer, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        """Keep the skill of a SKILL.md or an archive, as a draft unless `state` says active."""
        body = self.valid(SkillSerializer)
        archive = skills.archive_decoded(body.pop("archive", ""))
        skill_id = skills.skill_import(
            workspace_id=self.principal.workspace_id, archive=archive, **body
        )
        return Response({"id": skill_id}, status=201)


class SkillView(ApiView):
    scopes: ClassVar = {"PATCH": "agents:write"}

    @extend_schema(
        operation_id="skills_update", request=SkillStateSerializer, responses={204: None}
    )
    def patch(self, request: Request, name: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """Activate a skill that was reviewed, or retire one."""
        skills.skill_set_state(
            workspace_id=self.principal.workspace_id,
            name=name,
            **self.valid(SkillStateSerializer),
        )
        return Response(status=204)
