"""Blueprints over REST: versions, what differs, import and export, races and their ends."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.nodes import CURATE, READ, WRITE, ReasonSerializer
from cluster.api.submitting import LIST_PARAMETERS
from cluster.selectors import blueprints as reads
from cluster.services import blueprints
from loomsite.access.rest.actions import Action, action_views
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
        asked = request.query_params
        return self.listed(reads.blueprint_list, state=asked.get("state"), slug=asked.get("slug"))


class BlueprintImportView(ApiView):
    scopes: ClassVar = WRITE

    @extend_schema(
        operation_id="blueprints_import",
        request=ImportSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Make a blueprint of an exported document; a draft where blueprints are reviewed."""
        given = fields_of(request.data, ImportSerializer)
        made = blueprints.blueprint_import(**self.where, actor=self.principal.actor, **given)
        return Response(reads.blueprint_detail(**self.where, blueprint_id=made), status=201)


class BlueprintLineageView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="blueprints_lineage", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return who comes from whom: versions by parent, nodes by blueprint and parent."""
        return Response(reads.blueprint_lineage(**self.where))


class BlueprintView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="blueprints_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, blueprint_id: UUID) -> Response:
        """Return a version with its spec, results, nodes and history."""
        return Response(reads.blueprint_detail(**self.where))


class BlueprintVersionsView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="blueprints_versions", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, blueprint_id: UUID) -> Response:
        """Return all versions of a version's line, the latest first."""
        slug = reads.blueprint_detail(**self.where)["slug"]
        versions = reads.blueprint_versions(workspace_id=self.principal.workspace_id, slug=slug)
        return Response({"results": versions, "next": None})


class BlueprintDiffView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(
        operation_id="blueprints_diff",
        parameters=[OpenApiParameter("against", description="Id; default: its parent.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, blueprint_id: UUID) -> Response:
        """Return what a version changed against its parent, or against another."""
        against = request.query_params.get("against")
        return Response(reads.blueprint_diff(**self.where, against_id=against))


class BlueprintExportView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="blueprints_export", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, blueprint_id: UUID) -> Response:
        """Return the document that an import makes the same blueprint of."""
        return Response(reads.blueprint_export(**self.where))


class BlueprintReviseView(ApiView):
    scopes: ClassVar = WRITE

    @extend_schema(
        operation_id="blueprints_revise",
        request=ReviseSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, blueprint_id: UUID) -> Response:
        """Make the next version, which challenges the one that leads."""
        given = fields_of(request.data, ReviseSerializer)
        made = blueprints.blueprint_revise(**self.where, actor=self.principal.actor, **given)
        return Response(reads.blueprint_detail(**self.where | {"blueprint_id": made}), status=201)


ACTIONS = action_views(
    "blueprints",
    {
        "approve": Action(
            act=blueprints.blueprint_approve,
            says="Let a draft work.",
            body=ReasonSerializer,
        ),
        "refuse": Action(
            act=blueprints.blueprint_refuse,
            says="Turn a draft down.",
            body=ReasonSerializer,
        ),
        "promote": Action(
            act=blueprints.blueprint_promote,
            says="Make a version lead its line.",
            body=ReasonSerializer,
        ),
        "rollback": Action(
            act=blueprints.blueprint_rollback,
            says="Take a challenger out of its race, or a leader back to its parent.",
            body=ReasonSerializer,
        ),
        "retire": Action(
            act=blueprints.blueprint_retire,
            says="Take a version out of service, and its agents as soon as they are idle.",
            body=ReasonSerializer,
        ),
    },
    scope=CURATE,
    detail=reads.blueprint_detail,
)
