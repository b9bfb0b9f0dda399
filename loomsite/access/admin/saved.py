"""Filters of lists under a name: ready ones for everybody, and those that a person saved."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    QueryDict,
)
from django.urls import URLPattern, path, reverse

from loomsite.access.admin.buttons import Buttons
from loomsite.access.core.errors import InputInvalid
from loomsite.access.models import SavedFilter
from loomsite.access.services import filter_forget, filter_save

_NOT_KEPT = ("p", "all", "e", "_changelist_filters")


class SavedFilters(Buttons):
    """The part of `LoomAdmin` that keeps a person's filters of a list.

    Attributes:
        ready_filters: Names and queries that everybody has.
    """

    ready_filters: ClassVar[Sequence[tuple[str, str]]] = ()

    def get_urls(self) -> list[URLPattern]:
        stem = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("filters/save/", wrap(self.filter_save_view), name=f"{stem}_filter_save"),
            path(
                "filters/<int:filter_id>/forget/",
                wrap(self.filter_forget_view),
                name=f"{stem}_filter_forget",
            ),
            *super().get_urls(),
        ]

    def filter_save_view(self, request: HttpRequest) -> HttpResponse:
        """Keep the list's present filters under a name, for this person."""
        self._check(request)
        query = kept(request.POST.get("query", ""))
        try:
            filter_save(
                user_id=request.user.pk,
                page=self._list_name(),
                name=request.POST.get("name", ""),
                query=query,
            )
        except InputInvalid as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(f"{self._list_url()}?{query}")

    def filter_forget_view(self, request: HttpRequest, filter_id: int) -> HttpResponse:
        """Forget one of this person's filters; of another's nothing is said."""
        self._check(request)
        filter_forget(user_id=request.user.pk, filter_id=filter_id)
        return HttpResponseRedirect(self._list_url())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        if ERROR_FLAG in request.GET:
            messages.warning(request, "That filter cannot be read: this is the list without it.")
        context = {**self._filters(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def _filters(self, request: HttpRequest) -> dict[str, Any]:
        here = kept(request.GET.urlencode())
        url = self._list_url()
        own = SavedFilter.objects.filter(user_id=request.user.pk, page=self._list_name())
        return {
            "filters_here": here,
            "filters_url": url,
            "filters_ready": [
                {"name": name, "url": f"{url}?{query}", "here": kept(query) == here}
                for name, query in self.ready_filters
            ],
            "filters_own": [
                {"id": row.pk, "name": row.name, "url": f"{url}?{row.query}",
                 "here": row.query == here}
                for row in own[:SavedFilter.MOST]
            ],
        }  # fmt: skip

    def _check(self, request: HttpRequest) -> None:
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied

    def _list_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _list_url(self) -> str:
        return reverse(f"admin:{self._list_name()}_changelist")


def kept(query: str) -> str:
    """Return the part of a list's query that is worth a name, in one order."""
    given = QueryDict(query.replace("\x00", "").lstrip("?"), mutable=True)
    for name in _NOT_KEPT:
        given.pop(name, None)
    ordered = QueryDict(mutable=True)
    for name in sorted(given):
        ordered.setlist(name, given.getlist(name))
    return ordered.urlencode()
