"""Rewards over REST, and the answers of known worth that the judge is measured on."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.nodes import READ, WRITE
from cluster.api.submitting import LIST_PARAMETERS
from cluster.selectors import judging, lift, reliability, rewards, splits
from cluster.services import calibration
from loomsite.access.core.errors import InputInvalid
from loomsite.access.rest.parsing import StrictSerializer, TextField, fields_of
from loomsite.access.rest.views import ApiView


class CaseChangesSerializer(StrictSerializer):
    goal = TextField(required=False)
    answer = TextField(required=False, allow_blank=True, trim_whitespace=False)
    score = serializers.FloatField(required=False, help_text="0 to 1: what it is worth.")
    note = TextField(required=False, allow_blank=True)
    enabled = serializers.BooleanField(required=False)


class CaseSerializer(StrictSerializer):
    goal = TextField()
    answer = TextField(allow_blank=True, trim_whitespace=False)
    score = serializers.FloatField(help_text="0 to 1: what it is worth.")
    note = TextField(required=False, allow_blank=True)


class RewardListView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(
        operation_id="rewards_list",
        parameters=[
            OpenApiParameter("task_id"),
            OpenApiParameter("node_id"),
            OpenApiParameter("agent"),
            OpenApiParameter("source", description="check, judge, person or steps"),
            OpenApiParameter("verified", bool),
            *LIST_PARAMETERS,
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List evaluations with their components, weights and sources, newest first."""
        asked = request.query_params
        return self.listed(
            rewards.reward_list,
            task_id=asked.get("task_id"),
            node_id=asked.get("node_id"),
            agent=asked.get("agent"),
            source=asked.get("source"),
            verified=_flag("verified", asked.get("verified")),
        )


class JudgeView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="rewards_judge", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return how far the judge is believed, and on what."""
        return Response(judging.judge_report(**self.where))


class ReliabilityView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="rewards_reliability", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return how forecasts of success came true, by tenths and by domain."""
        return Response(reliability.reliability(**self.where))


class LiftView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="rewards_lift", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return whether skills and memories help, from runs that went without."""
        return Response(lift.lift_report(**self.where))


class SplitsView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="rewards_splits", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return how far working alone and splitting beat their forecasts, by domain and bin."""
        return Response({"results": splits.split_report(**self.where), "next": None})


class CaseListView(ApiView):
    scopes: ClassVar = READ | WRITE

    @extend_schema(
        operation_id="calibration_cases_list",
        parameters=[OpenApiParameter("enabled", bool), *LIST_PARAMETERS],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List the judge's calibration set, newest first."""
        enabled = _flag("enabled", request.query_params.get("enabled"))
        return self.listed(judging.case_list, enabled=enabled)

    @extend_schema(
        operation_id="calibration_cases_create",
        request=CaseSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Keep an answer of known worth."""
        given = fields_of(request.data, CaseSerializer)
        made = calibration.case_add(**self.where, actor=self.principal.actor, **given)
        return Response(judging.case_detail(**self.where, case_id=made), status=201)


class CaseView(ApiView):
    scopes: ClassVar = {"GET": "agents:read", "PATCH": "agents:write", "DELETE": "agents:write"}

    @extend_schema(operation_id="calibration_cases_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, case_id: UUID) -> Response:
        """Return a case with what the judge said of it in each audit."""
        return Response(judging.case_detail(**self.where))

    @extend_schema(
        operation_id="calibration_cases_update",
        request=CaseChangesSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, case_id: UUID) -> Response:
        """Change a case; what is not given stays."""
        calibration.case_update(**self.where, **fields_of(request.data, CaseChangesSerializer))
        return Response(judging.case_detail(**self.where))

    @extend_schema(operation_id="calibration_cases_delete", responses={204: None})
    def delete(self, request: Request, case_id: UUID) -> Response:
        """Remove a case, and what was said of it."""
        calibration.case_remove(**self.where)
        return Response(status=204)


class AuditListView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(
        operation_id="judge_audits_list",
        parameters=[*LIST_PARAMETERS],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List the judge's audits, newest first."""
        return self.listed(judging.audit_list)


class AuditView(ApiView):
    scopes: ClassVar = READ

    @extend_schema(operation_id="judge_audits_detail", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, audit_id: UUID) -> Response:
        """Return an audit with every grade."""
        return Response(judging.audit_detail(**self.where))


def _flag(name: str, said: str | None) -> bool | None:
    if said is None:
        return None
    if said not in ("true", "false"):
        raise InputInvalid.of(name, "Use true or false.")
    return said == "true"
