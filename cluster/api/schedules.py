"""Schedules over REST: goals that are submitted by the clock."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.submitting import LIST_PARAMETERS, READ, WRITE, SubmissionSerializer
from cluster.selectors import schedules as schedule_reads
from cluster.selectors import tasks as selectors
from cluster.services import schedules
from loomsite.access.rest.parsing import StrictSerializer, TextField, fields_of
from loomsite.access.rest.views import ApiView


class ScheduleSerializer(StrictSerializer):
    """The fields of a schedule, for the schema; the service checks the values."""

    name = TextField(required=False, help_text="Default: the goal's first words.")
    kind = serializers.ChoiceField(choices=["cron", "interval", "once"], required=False)
    cron = TextField(required=False, allow_null=True, help_text="minute hour day month weekday")
    every_s = serializers.IntegerField(required=False, allow_null=True)
    at = serializers.DateTimeField(required=False, allow_null=True)
    timezone = TextField(required=False)
    enabled = serializers.BooleanField(required=False)
    submission = SubmissionSerializer(required=False)


class ScheduleListView(ApiView):
    scopes: ClassVar = READ | WRITE

    @extend_schema(
        operation_id="schedules_list", parameters=[*LIST_PARAMETERS], responses=OpenApiTypes.OBJECT
    )
    def get(self, request: Request) -> Response:
        """List the schedules, newest first."""
        return self.listed(schedule_reads.schedule_list)

    @extend_schema(
        operation_id="schedules_create",
        request=ScheduleSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Submit a goal by the clock: by `cron`, each `every_s` seconds, or once `at` a time."""
        given = fields_of(request.data, ScheduleSerializer)
        made = schedules.schedule_create(**self.where, actor=self.principal.actor, **given)
        shown = schedule_reads.schedule_detail(**self.where, schedule_id=made)
        return Response(shown, status=201)


class ScheduleView(ApiView):
    scopes: ClassVar = {"GET": "tasks:read", "PATCH": "tasks:write", "DELETE": "tasks:write"}

    @extend_schema(operation_id="schedules_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, schedule_id: UUID) -> Response:
        """Return a schedule and the tasks it submitted last."""
        return Response(schedule_reads.schedule_detail(**self.where))

    @extend_schema(
        operation_id="schedules_update", request=ScheduleSerializer, responses=OpenApiTypes.OBJECT
    )
    def patch(self, request: Request, schedule_id: UUID) -> Response:
        """Change a schedule; what is not given stays."""
        schedules.schedule_update(**self.where, **fields_of(request.data, ScheduleSerializer))
        return Response(schedule_reads.schedule_detail(**self.where))

    @extend_schema(operation_id="schedules_delete", responses={204: None})
    def delete(self, request: Request, schedule_id: UUID) -> Response:
        """Delete a schedule; the tasks it submitted stay."""
        schedules.schedule_delete(**self.where)
        return Response(status=204)


class ScheduleRunView(ApiView):
    scopes: ClassVar = WRITE

    @extend_schema(
        operation_id="schedules_run", request=StrictSerializer, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: Request, schedule_id: UUID) -> Response:
        """Submit a schedule's goal now, besides its times; answers with the task."""
        fields_of(request.data or {}, StrictSerializer)
        task_id = schedules.schedule_run(**self.where, actor=self.principal.actor)
        task = selectors.task_detail(workspace_id=self.principal.workspace_id, task_id=task_id)
        return Response(task, status=201)
