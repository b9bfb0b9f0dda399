"""Tasks over REST: submit, follow, steer, judge."""

from typing import ClassVar
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from cluster import streams
from cluster.api.submitting import LIST_PARAMETERS, READ, WRITE, SubmissionSerializer
from cluster.selectors import tasks as selectors
from cluster.services import replies
from cluster.services import tasks as services
from loomsite.access.core.errors import InputInvalid
from loomsite.access.rest.actions import Action, action_views
from loomsite.access.rest.parsing import StrictSerializer, TextField, fields_of
from loomsite.access.rest.views import ApiView

DOOR = "rest"
EVENTS_MAX = 1000


class TaskSubmitSerializer(SubmissionSerializer):
    idempotency_key = TextField(required=False, allow_null=True, allow_blank=True)


class CancelSerializer(StrictSerializer):
    reason = TextField(required=False, allow_blank=True, default="")


class ReplySerializer(StrictSerializer):
    request_id = TextField()
    text = TextField(required=False, allow_null=True, default=None, trim_whitespace=False)
    decision = TextField(required=False, allow_null=True, default=None)
    arguments = serializers.JSONField(
        required=False,
        allow_null=True,
        default=None,
        help_text="With an approval: what the tool is called with in place of what was asked.",
    )


class FeedbackSerializer(StrictSerializer):
    score = serializers.FloatField(help_text="0 to 1")
    comment = TextField(required=False, allow_blank=True, default="")


class TaskListView(ApiView):
    scopes: ClassVar = READ | WRITE

    @extend_schema(
        operation_id="tasks_list",
        parameters=[OpenApiParameter("status"), *LIST_PARAMETERS],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List the workspace's tasks, newest first, in short."""
        return self.listed(selectors.task_list, status=request.query_params.get("status"))

    @extend_schema(
        operation_id="tasks_submit",
        request=TaskSubmitSerializer,
        parameters=[OpenApiParameter("Idempotency-Key", location=OpenApiParameter.HEADER)],
        responses={201: OpenApiTypes.OBJECT, 200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Submit a goal; the same idempotency key again returns the same task."""
        body = fields_of(request.data, TaskSubmitSerializer)
        field = body.pop("idempotency_key", None)
        task_id, created = services.task_submit(
            **self.where,
            actor=self.principal.actor,
            door=DOOR,
            idempotency_key=_one_key(request.headers.get("Idempotency-Key"), field),
            **body,
        )
        return Response(
            selectors.task_detail(**self.where, task_id=task_id),
            status=201 if created else 200,
            headers={"Location": request.build_absolute_uri(f"/api/v1/tasks/{task_id}")},
        )


class TaskView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="tasks_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, task_id: UUID) -> Response:
        """Return a task."""
        return Response(selectors.task_detail(**self.where))


ACTIONS = action_views(
    "tasks",
    {
        "cancel": Action(
            act=services.task_cancel,
            says="Ask a task, its parts and its running tools to stop.",
            body=CancelSerializer,
        ),
        "retry": Action(
            act=services.task_retry,
            says="Give a failed or cancelled task another cycle.",
        ),
        "reply": Action(
            act=replies.task_reply,
            says="Answer what a task asks of a person, with `text` or with a `decision`.",
            body=ReplySerializer,
        ),
        "feedback": Action(
            act=services.task_feedback,
            says="Judge a task's answer; the cluster learns from it.",
            body=FeedbackSerializer,
        ),
    },
    scope=WRITE["POST"],
    detail=selectors.task_detail,
)


class TaskTreeView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="tasks_tree", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, task_id: UUID) -> Response:
        """Return a task with its parts, their parts, and the edges between them."""
        return Response(selectors.task_tree(**self.where))


class TaskAuctionView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="tasks_auction", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, task_id: UUID) -> Response:
        """Return a task's auctions: who bid, with which terms, and who won."""
        return Response({"results": selectors.task_auction(**self.where), "next": None})


class TaskEventsView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(
        operation_id="tasks_events",
        parameters=[
            OpenApiParameter("after", int, description="Events behind this number."),
            OpenApiParameter("limit", int),
            OpenApiParameter("Last-Event-ID", int, location=OpenApiParameter.HEADER),
        ],
        responses={(200, "application/json"): OpenApiTypes.OBJECT, (200, "text/event-stream"): str},
    )
    def get(self, request: Request, task_id: UUID) -> Response | StreamingHttpResponse:
        """Return a task's events, or stream them until its end (`Accept: text/event-stream`)."""
        where = self.where
        if "text/event-stream" in request.headers.get("Accept", ""):
            selectors.task_state(**where)  # a task that is not there is a 404 and no empty stream
            resumed = request.headers.get("Last-Event-ID")
            after = _number("after", resumed or request.query_params.get("after", "0"))
            return StreamingHttpResponse(
                streams.task_stream(**where, after=after),
                content_type="text/event-stream; charset=utf-8",
                headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            )
        limit = _number("limit", request.query_params.get("limit", str(EVENTS_MAX)))
        if not 1 <= limit <= EVENTS_MAX:
            raise InputInvalid.of("limit", f"Use a number from 1 to {EVENTS_MAX}.")
        after = _number("after", request.query_params.get("after", "0"))
        rows = selectors.task_events(**where, after=after, limit=limit)
        following = None
        if len(rows) == limit:
            here = request.build_absolute_uri()
            following = replace_query_param(here, "after", rows[-1]["seq"])
        return Response({"results": rows, "next": following})


def _one_key(header: str | None, field: object) -> object:
    """Return the idempotency key, which may come as header or field but not as two."""
    if header and field and header != field:
        raise InputInvalid.of("idempotency_key", "The header Idempotency-Key says something else.")
    return header or field or None


def _number(name: str, raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) <= len("2147483647") - 1):
        raise InputInvalid.of(name, "Use a whole number from 0.")
    return int(raw)
