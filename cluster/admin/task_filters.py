"""Filters of the list of tasks that stay fast among a million: each names its index's condition."""

from typing import Any

from django.contrib.admin.filters import ChoicesFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from cluster.core.types import FINAL, Outcome, Status


class StatusFilter(ChoicesFieldListFilter):
    """By status: what is live and what has ended have indexes of their own."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> Any:
        found = super().queryset(request, queryset)
        value = str(self.lookup_val[0] if isinstance(self.lookup_val, list) else self.lookup_val)
        if found is None or value not in set(Status):
            return found
        return found.filter(finished_at__isnull=value not in FINAL)


class PhaseFilter(ChoicesFieldListFilter):
    """By the phase that a task is in, which only those have that go on."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> Any:
        found = super().queryset(request, queryset)
        if found is None or not self.lookup_val:
            return found
        return found.filter(finished_at__isnull=True)


class OutcomeFilter(ChoicesFieldListFilter):
    """By how a task ended; success is the status of that name, the rest has its own index."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> Any:
        found = super().queryset(request, queryset)
        if found is None or not self.lookup_val:
            return found
        found = found.filter(finished_at__isnull=False)
        value = str(self.lookup_val[0] if isinstance(self.lookup_val, list) else self.lookup_val)
        if value == Outcome.SUCCEEDED:
            return found.filter(status=Status.SUCCEEDED.value)
        return found.exclude(outcome=Outcome.SUCCEEDED.value)
