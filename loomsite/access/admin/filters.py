"""Filters of lists: they show no other workspace's names, and read no big table for theirs."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib.admin.filters import AllValuesFieldListFilter, RelatedFieldListFilter
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


class _KnownValuesFilter(AllValuesFieldListFilter):
    """Filter by values that are known beforehand: asking a big table for its own reads it all."""

    values: ClassVar[Sequence[str]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lookup_choices = self.values  # pyright: ignore[reportAttributeAccessIssue] -- any sequence will do


def filter_of(values: Sequence[str]) -> type[AllValuesFieldListFilter]:
    """Return a filter of a column that holds these values."""
    return type("KnownValuesFilter", (_KnownValuesFilter,), {"values": tuple(values)})
