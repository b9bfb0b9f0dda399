"""Tools, the scenes that narrow them, and skills over REST."""

from typing import Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from agents import wiring
from agents.api.mcp import ReviewSerializer
from agents.api.rendering import RowView, Words
from agents.selectors import catalogue
from agents.selectors import tools as tool_selectors
from agents.services import catalogue as services
from agents.services import mcp_tools, skills
from agents.skills.loader import MAX_TOTAL_BYTES
from loomsite.access.core.errors import BodyTooLarge
from loomsite.access.rest.parsing import JsonObjectField, JsonParser, StrictSerializer, TextField
from loomsite.access.rest.views import ApiView

_FORM_OVERHEAD = 100_000


class SkillForm(MultiPartParser):
    """A form with a skill in it, refused by its announced length before it is kept anywhere."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:  # noqa: ANN401 -- DRF's signature
        meta = (parser_context or {})["request"].META
        length = str(meta.get("CONTENT_LENGTH") or "")
        if length.isdigit() and int(length) > MAX_TOTAL_BYTES + _FORM_OVERHEAD:
            raise BodyTooLarge(limit_bytes=MAX_TOTAL_BYTES)
        return super().parse(stream, media_type, parser_context)


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


class ToolListView(RowView):
    scopes: ClassVar = {"GET": "agents:read"}

    @extend_schema(operation_id="tools_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the tools agents may be granted, by name."""
        wiring.workspace_prepare(self.principal.workspace_id)
        return self.listed(tool_selectors.tool_list)


class ToolView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "admin"}

    @extend_schema(operation_id="tools_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, name: str) -> Response:
        """Return a tool with its parameters; `pending` is what is held of it for review."""
        wiring.workspace_prepare(self.principal.workspace_id)
        return self.shown(tool_selectors.tool_detail(**self.where))

    @extend_schema(
        operation_id="tools_update", request=ToolChangesSerializer, responses={204: None}
    )
    def patch(self, request: Request, name: str) -> Response:
        """Switch a tool on or off, or change how long a call may take and what it may reach."""
        services.tool_update(
            **self.where,
            **self.valid(ToolChangesSerializer),
        )
        return Response(status=204)


class ToolReviewView(ApiView):
    scopes: ClassVar = {"POST": "admin"}

    @extend_schema(operation_id="tools_review", request=ReviewSerializer, responses={204: None})
    def post(self, request: Request, name: str) -> Response:
        """Let agents have what a server says of a tool now, or switch the tool off."""
        mcp_tools.mcp_tool_review(**self.where, **self.valid(ReviewSerializer))
        return Response(status=204)


class SceneListView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "admin"}

    @extend_schema(operation_id="scenes_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the scenes by slug."""
        return self.listed(catalogue.scene_list)

    @extend_schema(
        operation_id="scenes_create", request=SceneSerializer, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:
        """Add a scene."""
        body = self.valid(SceneSerializer)
        scene_id = services.scene_create(**self.where, **body)
        return Response({"id": scene_id, "slug": body["slug"]}, status=201)


class SceneView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="scenes_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str) -> Response:
        """Return a scene."""
        return self.shown(catalogue.scene_detail(**self.where))

    @extend_schema(operation_id="scenes_delete", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Remove a scene that no agent is narrowed by."""
        services.scene_delete(**self.where)
        return Response(status=204)

    @extend_schema(
        operation_id="scenes_update", request=SceneChangesSerializer, responses={204: None}
    )
    def patch(self, request: Request, slug: str) -> Response:
        """Change a scene, for calls from now on."""
        services.scene_update(
            **self.where,
            **self.valid(SceneChangesSerializer),
        )
        return Response(status=204)


class SkillUploadSerializer(StrictSerializer):
    file = serializers.FileField(allow_empty_file=True)
    state = serializers.ChoiceField(choices=["draft", "active"], required=False)


class SkillListView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "POST": "agents:write"}
    parser_classes: ClassVar = [JsonParser, SkillForm]
    max_body_bytes = 2 * MAX_TOTAL_BYTES

    @extend_schema(operation_id="skills_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the skills by name."""
        return self.listed(catalogue.skill_list)

    @extend_schema(
        operation_id="skills_import",
        request={
            "application/json": SkillSerializer,
            "multipart/form-data": SkillUploadSerializer,
        },
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Keep the skill of a SKILL.md or an archive, as a draft unless `state` says active.

        As JSON, or as an uploaded `file`: a SKILL.md, or a zip of a folder with one in it.
        """
        if isinstance(request.data, QueryDict):
            body = self.valid(SkillUploadSerializer)
            uploaded: UploadedFile = body.pop("file")
            body |= skills.upload_read(uploaded.read(MAX_TOTAL_BYTES + 1))
        else:
            body = self.valid(SkillSerializer)
            body["archive"] = skills.archive_decoded(body.pop("archive", ""))
        skill_id = skills.skill_import(**self.where, **body)
        return Response({"id": skill_id}, status=201)


class SkillView(RowView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "agents:write"}

    @extend_schema(operation_id="skills_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, name: str) -> Response:
        """Return a skill with its instructions and the texts that came with it."""
        return self.shown(catalogue.skill_detail(**self.where))

    @extend_schema(
        operation_id="skills_update", request=SkillStateSerializer, responses={204: None}
    )
    def patch(self, request: Request, name: str) -> Response:
        """Activate a skill that was reviewed, or retire one."""
        skills.skill_set_state(
            **self.where,
            **self.valid(SkillStateSerializer),
        )
        return Response(status=204)
