"""What the doors that submit tasks have in common."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from loomsite.access.rest.parsing import JsonObjectField, StrictSerializer, TextField

LIST_PARAMETERS = (OpenApiParameter("cursor"), OpenApiParameter("limit", int))
READ: dict[str, str] = {"GET": "tasks:read"}
WRITE: dict[str, str] = {"POST": "tasks:write"}


class SubmissionSerializer(StrictSerializer):
    """The body of a submission, for the schema; the service checks the values."""

    goal = TextField(trim_whitespace=False, allow_blank=True)
    agent = TextField(required=False, allow_null=True, help_text="Slug: ask this agent alone.")
    context = TextField(required=False, allow_blank=True)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType] -- DRF takes fields out of the class
    checks = serializers.ListField(child=JsonObjectField(), required=False)
    budget_usd = serializers.DecimalField(
        max_digits=14, decimal_places=6, required=False, allow_null=True
    )
    max_cycles = serializers.IntegerField(required=False, allow_null=True)
    min_score = serializers.FloatField(required=False, allow_null=True)
    deadline_s = serializers.FloatField(required=False, allow_null=True)
    priority = serializers.IntegerField(required=False)
    collections = serializers.ListField(child=TextField(), required=False)
    metadata = JsonObjectField(required=False, allow_null=True)
