"""Blueprints over REST: versions, what differs, import and export, races and their ends."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.nodes import READ, WRITE, ReasonSerializer
from cluster.api.submitting import LIST_PARAMETERS
from cluster.selectors import blueprints as reads
from cluster.services import blueprints
from loomsite.access.rest.pagination import page_of, page_response
from loomsite.access.rest.parsing import JsonObjectField, StrictSerializer, TextField, fields_of
from loomsite.access.rest.views import ApiView


class ImportSerializer(StrictSerializer):
    document = JsonObjectField(help_text="What an export gave: format, slug, spec.")
    reason = TextField(required=False, default="imported")


class ReviseSerializer(ReasonSerializer):
    changes = JsonObjectField(help_text="Fields of the spec; the others stay.")


class BlueprintListView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(
        operation_id="blueprints_list",
        parameters=[OpenApiParameter("state"), OpenApiParameter("slug"), *LIST_PARAMETERS],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List the versions of all lines, newest first; `?state=` and `?slug=` narrow."""
        page = page_of(request)
        rows, following = reads.blueprint_list(
            workspace_id=self.principal.workspace_id,
            state=request.query_params.get("state"),
            slug=request.query_params.get("slug"),
            cursor=page.cursor,
            limit=page.limit,
        )
        return page_response(request, rows, following)


class BlueprintImportView(ApiView):
    scopes: ClassVar = WRITE

    @extend_schema(
        operation_id="blueprints_import",
        request=ImportSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Make a blueprint of an exported document; a draft where blueprints are reviewed."""
        where = {"workspace_id": self.principal.workspace_id}
        given = fields_of(request.data, ImportSerializer)
        made = blueprints.blueprint_import(**where, actor=self.principal.actor, **given)
        return Response(reads.blueprint_detail(**where, blueprint_id=made), status=201)


class BlueprintLineageView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="blueprints_lineage", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return who comes from whom: versions by parent, nodes by blueprint and parent."""
        return Response(reads.blueprint_lineage(workspace_id=self.principal.workspace_id))


class BlueprintView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="blueprints_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, blueprint_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a version with its spec, results, nodes and history."""
        return Response(reads.blueprint_detail(**self.where(blueprint_id)))

    def where(self, blueprint_id: UUID) -> dict[str, str]:
        return {"workspace_id": self.principal.workspace_id, "blueprint_id": str(blueprint_id)}


class BlueprintVersionsView(BlueprintView):
    @extend_schema(operation_id="blueprints_versions", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, blueprint_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return all versions of a version's line, the latest first."""
        where = self.where(blueprint_id)
        slug = reads.blueprint_detail(**where)["slug"]
        versions = reads.blueprint_versions(workspace_id=where["workspace_id"], slug=slug)
        return Response({"results": versions, "next": None})


class BlueprintDiffView(BlueprintView):
    @extend_schema(
        operation_id="blueprints_diff",
        parameters=[OpenApiParameter("against", description="Id; default: its parent.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, blueprint_id: UUID) -> Response:
        """Return what a version changed against its parent, or against another."""
        against = request.query_params.get("against")
        return Response(reads.blueprint_diff(**self.where(blueprint_id), against_id=against))


class BlueprintExportView(BlueprintView):
    @extend_schema(operation_id="blueprints_export", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, blueprint_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return the document that an import makes the same blueprint of."""
        return Response(reads.blueprint_export(**self.where(blueprint_id)))


class BlueprintActionView(BlueprintView):
    """One thing done to a version, with a reason; answers with the version as it then is."""

    scopes: ClassVar = WRITE
    http_method_names = ["post"]

    def acted(self, blueprint_id: UUID, act: Callable[..., object]) -> Response:
        where = self.where(blueprint_id)
        given = fields_of(self.request.data or {}, ReasonSerializer)
        act(**where, actor=self.principal.actor, **given)
        return Response(reads.blueprint_detail(**where))


class BlueprintReviseView(BlueprintActionView):
    @extend_schema(
        operation_id="blueprints_revise",
        request=ReviseSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, blueprint_id: UUID) -> Response:
        """Make the next version, which challenges the one that leads."""
        where = self.where(blueprint_id)
        given: dict[str, Any] = fields_of(request.data, ReviseSerializer)
        made = blueprints.blueprint_revise(**where, actor=self.principal.actor, **given)
        shown = reads.blueprint_detail(workspace_id=where["workspace_id"], blueprint_id=made)
        return Response(shown, status=201)


class BlueprintApproveView(BlueprintActionView):
    @extend_schema(
        operation_id="blueprints_approve", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, blueprint_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Let a draft work."""
        return self.acted(blueprint_id, blueprints.blueprint_approve)


class BlueprintRefuseView(BlueprintActionView):
    @extend_schema(
        operation_id="blueprints_refuse", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, blueprint_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Turn a draft down."""
        return self.acted(blueprint_id, blueprints.blueprint_refuse)


class BlueprintPromoteView(BlueprintActionView):
    @extend_schema(
        operation_id="blueprints_promote", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, blueprint_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Make a version lead its line."""
        return self.acted(blueprint_id, blueprints.blueprint_promote)


class BlueprintRollbackView(BlueprintActionView):
    @extend_schema(
        operation_id="blueprints_rollback", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, blueprint_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Take a challenger out of its race, or a leader back to its parent."""
        return self.acted(blueprint_id, blueprints.blueprint_rollback)


class BlueprintRetireView(BlueprintActionView):
    @extend_schema(
        operation_id="blueprints_retire", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, blueprint_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Take a version out of service, and its agents as soon as they are idle."""
        return self.acted(blueprint_id, blueprints.blueprint_retire)
