"""What runs ask and leave behind, over REST."""

from typing import ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.rendering import RowView
from agents.selectors import runs
from loomsite.access.core.errors import InputInvalid
from loomsite.access.rest.views import ApiView


class ApprovalListView(RowView):
    scopes: ClassVar = {"GET": "tasks:read"}

    @extend_schema(operation_id="approvals_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the open questions to people, newest first; `?status=all` for every one."""
        status = request.query_params.get("status", "open")
        if status not in {"open", "answered", "withdrawn", "all"}:
            raise InputInvalid.of("status", "Use one of: open, answered, withdrawn, all.")
        return self.listed(runs.approval_list, status=None if status == "all" else status)


class ArtifactListView(RowView):
    scopes: ClassVar = {"GET": "tasks:read"}

    @extend_schema(operation_id="artifacts_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List what runs kept, newest first."""
        return self.listed(runs.artifact_list)


class ArtifactView(ApiView):
    scopes: ClassVar = {"GET": "tasks:read"}

    @extend_schema(operation_id="artifacts_content", responses=OpenApiTypes.BINARY)
    def get(self, request: Request, artifact_id: str) -> HttpResponse:
        """Return an artifact's content, to be saved and not shown: it is what a tool gave."""
        name, media_type, content = runs.artifact_content(**self.where)
        response = HttpResponse(content, content_type=media_type)
        safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name if c.isascii())
        response["Content-Disposition"] = f'attachment; filename="{safe or "artifact"}"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
