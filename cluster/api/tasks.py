"""Tasks over REST: submit, follow, steer, judge."""

from collections.abc import Callable
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
from cluster.services import tasks as services
from loomsite.access.core.errors import FieldError, InputInvalid
from loomsite.access.rest.pagination import page_of, page_response
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
        page = page_of(request)
        rows, following = selectors.task_list(
            workspace_id=self.principal.workspace_id,
            status=request.query_params.get("status"),
            cursor=page.cursor,
            limit=page.limit,
        )
        return page_response(request, rows, following)

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
            workspace_id=self.principal.workspace_id,
            actor=self.principal.actor,
            door=DOOR,
            idempotency_key=_one_key(request.headers.get("Idempotency-Key"), field),
            **body,
        )
        task = selectors.task_detail(workspace_id=self.principal.workspace_id, task_id=task_id)
        return Response(
            task,
            status=201 if created else 200,
            headers={"Location": request.build_absolute_uri(f"/api/v1/tasks/{task_id}")},
        )


class TaskView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="tasks_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, task_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a task."""
        return Response(
            selectors.task_detail(workspace_id=self.principal.workspace_id, task_id=str(task_id))
        )


class TaskActionView(ApiView):
    """One thing done to a task; answers with the task as it then is."""

    scopes: ClassVar = WRITE

    def acted(
        self, task_id: UUID, act: Callable[..., object], serializer: type[StrictSerializer]
    ) -> Response:
        """Call `act` with the body's fields for the caller, and return the task."""
        arguments = fields_of(self.request.data or {}, serializer)
        where = {"workspace_id": self.principal.workspace_id, "task_id": str(task_id)}
        act(**where, actor=self.principal.actor, **arguments)
        return Response(selectors.task_detail(**where))


class TaskCancelView(TaskActionView):
    @extend_schema(
        operation_id="tasks_cancel", request=CancelSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, task_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Ask a task, its parts and its running tools to stop."""
        return self.acted(task_id, services.task_cancel, CancelSerializer)


class TaskRetryView(TaskActionView):
    @extend_schema(
        operation_id="tasks_retry", request=StrictSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, task_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Give a failed or cancelled task another cycle."""
        return self.acted(task_id, services.task_retry, StrictSerializer)


class TaskReplyView(TaskActionView):
    @extend_schema(
        operation_id="tasks_reply", request=ReplySerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, task_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Answer what a task asks of a person, with `text` or with a `decision`."""
        return self.acted(task_id, services.task_reply, ReplySerializer)


class TaskFeedbackView(TaskActionView):
    @extend_schema(
        operation_id="tasks_feedback", request=FeedbackSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, task_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Judge a task's answer; the cluster learns from it."""
        return self.acted(task_id, services.task_feedback, FeedbackSerializer)


class TaskTreeView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="tasks_tree", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, task_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a task with its parts, their parts, and the edges between them."""
        return Response(
            selectors.task_tree(workspace_id=self.principal.workspace_id, task_id=str(task_id))
        )


class TaskAuctionView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="tasks_auction", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, task_id: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Return a task's auctions: who bid, with which terms, and who won."""
        where = {"workspace_id": self.principal.workspace_id, "task_id": str(task_id)}
        return Response({"results": selectors.task_auction(**where), "next": None})


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
        where = {"workspace_id": self.principal.workspace_id, "task_id": str(task_id)}
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
            raise _invalid("limit", f"Use a number from 1 to {EVENTS_MAX}.")
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
        raise _invalid("idempotency_key", "The header Idempotency-Key says something else.")
    return header or field or None


def _number(name: str, raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) <= len("2147483647") - 1):
        raise _invalid(name, "Use a whole number from 0.")
    return int(raw)


def _invalid(name: str, message: str) -> InputInvalid:
    return InputInvalid(f"{name}: {message}", errors=(FieldError(field=name, message=message),))
