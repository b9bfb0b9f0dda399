"""Filters of lists that show no other workspace's names."""

from typing import Any

from django.contrib.admin.filters import RelatedFieldListFilter
from django.http import HttpRequest

from loomsite.access.admin.reach import VIEWER, reach_of
from loomsite.access.models import Workspace

_MOST = 100


class WorkspaceFilter(RelatedFieldListFilter):
    """Filter by one of the person's own workspaces."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list:  # noqa: ARG002 -- Django's signature
        rows = Workspace.objects.order_by("slug")
        ids = reach_of(request).workspace_ids(VIEWER)
        rows = rows if ids is None else rows.filter(id__in=ids)
        return [(row.pk, row.slug) for row in rows[:_MOST]]
