"""The population over REST: who is in it, what happened to them, and what operators do about it."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.submitting import LIST_PARAMETERS
from cluster.selectors import nodes as reads
from cluster.services import lifecycle
from loomsite.access.rest.actions import Action, action_views
from loomsite.access.rest.parsing import StrictSerializer, TextField
from loomsite.access.rest.views import ApiView

READ: dict[str, str] = {"GET": "agents:read"}
CURATE = "agents:write"
WRITE: dict[str, str] = {"POST": CURATE}


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
        asked = request.query_params
        return self.listed(reads.node_list, state=asked.get("state"), agent=asked.get("agent"))


class NodeView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="nodes_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, node_id: UUID) -> Response:
        """Return a node with its evidence and its latest history."""
        return Response(reads.node_detail(**self.where))


class NodeLifecycleView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="nodes_lifecycle", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, node_id: UUID) -> Response:
        """Return what happened to a node, each with its reason, the latest first."""
        return Response({"results": reads.node_history(**self.where), "next": None})


ACTIONS = action_views(
    "nodes",
    {
        "quarantine": Action(
            act=lifecycle.node_quarantine,
            says="Take a node off the market until probes, or you, say otherwise.",
            body=ReasonSerializer,
        ),
        "release": Action(
            act=lifecycle.node_release,
            says="Let a node out of quarantine, with a clean record.",
            body=ReasonSerializer,
        ),
        "retire": Action(
            act=lifecycle.node_retire,
            says="Take a node out of service; `undo` brings it back.",
            body=ReasonSerializer,
        ),
        "undo": Action(
            act=lifecycle.node_undo,
            says="Take back the last quarantine, retirement or merge.",
            body=ReasonSerializer,
        ),
        "merge": Action(
            act=lifecycle.node_merge,
            says="Retire a node in favour of another, which takes over its evidence and key facts.",
            body=MergeSerializer,
        ),
    },
    scope=CURATE,
    detail=reads.node_detail,
)
