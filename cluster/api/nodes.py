"""The population over REST: who is in it, what happened to them, and what operators do about it."""

from collections.abc import Callable
from typing import ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.submitting import LIST_PARAMETERS
from cluster.selectors import nodes as reads
from cluster.services import lifecycle
from loomsite.access.rest.pagination import page_of, page_response
from loomsite.access.rest.parsing import StrictSerializer, TextField, fields_of
from loomsite.access.rest.views import ApiView

READ: dict[str, str] = {"GET": "agents:read"}
WRITE: dict[str, str] = {"POST": "agents:write"}


class ReasonSerializer(StrictSerializer):
    reason = TextField(help_text="Others will read it.")


class MergeSerializer(ReasonSerializer):
    into_id = TextField(help_text="The node that takes over.")


class NodeListView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(
        operation_id="nodes_list",
        parameters=[OpenApiParameter("state"), OpenApiParameter("agent"), *LIST_PARAMETERS],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List the nodes, newest first; `?state=` and `?agent=` narrow."""
        page = page_of(request)
        rows, following = reads.node_list(
            workspace_id=self.principal.workspace_id,
            state=request.query_params.get("state"),
            agent=request.query_params.get("agent"),
            cursor=page.cursor,
            limit=page.limit,
        )
        return page_response(request, rows, following)


class NodeView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="nodes_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, node_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a node with its evidence and its latest history."""
        where = {"workspace_id": self.principal.workspace_id, "node_id": str(node_id)}
        return Response(reads.node_detail(**where))


class NodeLifecycleView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="nodes_lifecycle", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, node_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return what happened to a node, each with its reason, the latest first."""
        rows = reads.node_history(workspace_id=self.principal.workspace_id, node_id=str(node_id))
        return Response({"results": rows, "next": None})


class NodeActionView(ApiView):
    """One thing done to a node, with a reason; answers with the node as it then is."""

    scopes: ClassVar = WRITE

    def acted(
        self,
        node_id: UUID,
        act: Callable[..., object],
        serializer: type[StrictSerializer] = ReasonSerializer,
    ) -> Response:
        where = {"workspace_id": self.principal.workspace_id, "node_id": str(node_id)}
        given = fields_of(self.request.data or {}, serializer)
        act(**where, actor=self.principal.actor, **given)
        return Response(reads.node_detail(**where))


class NodeQuarantineView(NodeActionView):
    @extend_schema(
        operation_id="nodes_quarantine", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, node_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Take a node off the market until probes, or you, say otherwise."""
        return self.acted(node_id, lifecycle.node_quarantine)


class NodeReleaseView(NodeActionView):
    @extend_schema(
        operation_id="nodes_release", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, node_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Let a node out of quarantine, with a clean record."""
        return self.acted(node_id, lifecycle.node_release)


class NodeRetireView(NodeActionView):
    @extend_schema(
        operation_id="nodes_retire", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, node_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Take a node out of service; `undo` brings it back."""
        return self.acted(node_id, lifecycle.node_retire)


class NodeUndoView(NodeActionView):
    @extend_schema(
        operation_id="nodes_undo", request=ReasonSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, node_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Take back the last quarantine, retirement or merge."""
        return self.acted(node_id, lifecycle.node_undo)


class NodeMergeView(NodeActionView):
    @extend_schema(
        operation_id="nodes_merge", request=MergeSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, node_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Retire a node in favour of another, which takes over its evidence and key facts."""
        return self.acted(node_id, lifecycle.node_merge, MergeSerializer)
