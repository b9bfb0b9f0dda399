"""Pages besides a model's list and form: of all its rows, or of one, as tabs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from loomsite.access.admin.buttons import Buttons
from loomsite.access.admin.display import cut
from loomsite.access.admin.reach import VIEWER


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraPage:
    """A page of its own, linked from where its rows are.

    Attributes:
        name: Its address below the model's or the row's, and the end of its name.
        view: The admin's method; called with the request, and with the row on a row's page.
        role: The role from which on it is seen.
        tab: Whether the list's or the row's page links to it.
    """

    name: str
    label: str
    icon: str
    view: str
    role: str = VIEWER
    tab: bool = True


class ExtraPages(Buttons):
    """The part of `LoomAdmin` that serves such pages.

    Attributes:
        list_pages: Pages about all rows that a person sees.
        row_pages: Pages about one row.
        called: What a row's page is called where the row's own name says little, as a format of
            `row`: "{row.phase} of {row.task.goal}".
    """

    called: ClassVar[str] = ""
    list_pages: ClassVar[Sequence[ExtraPage]] = ()
    row_pages: ClassVar[Sequence[ExtraPage]] = ()

    def get_urls(self) -> list[URLPattern]:
        stem = f"{self.opts.app_label}_{self.opts.model_name}"
        lists = [
            path(
                f"{page.name}/",
                self.admin_site.admin_view(self._list_view(page)),
                name=f"{stem}_{page.name}",
            )
            for page in self.list_pages
        ]
        rows = [
            path(
                f"<path:object_id>/{page.name}/",
                self.admin_site.admin_view(self._row_view(page)),
                name=f"{stem}_{page.name}",
            )
            for page in self.row_pages
        ]
        return [*lists, *rows, *super().get_urls()]

    def _list_view(self, page: ExtraPage) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest) -> HttpResponse:
            if not self.may(request, page.role, None):
                raise PermissionDenied
            return getattr(self, page.view)(request)

        return view

    def _row_view(self, page: ExtraPage) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            row = self.row_or_404(request, object_id)
            if not self.may(request, page.role, row):
                raise PermissionDenied
            return getattr(self, page.view)(request, row)

        return view

    def extra_url(self, name: str, row: Any = None) -> str:
        """Return where a page of `list_pages`, or of `row_pages` for a row, is."""
        args = [] if row is None else [row.pk]
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=args)

    def list_links(self, request: HttpRequest) -> list[dict[str, str]]:
        """Return the links above a list."""
        return [
            {"label": page.label, "icon": page.icon, "url": self.extra_url(page.name)}
            for page in self.list_pages
            if page.tab and self.may(request, page.role, None)
        ]

    def tabs(self, request: HttpRequest, row: Any, here: str = "") -> list[dict[str, Any]]:
        """Return the tabs of a row's pages; none where it has but one."""
        pages = [p for p in self.row_pages if p.tab and self.may(request, p.role, row)]
        if not pages:
            return []
        first = {"label": "Overview", "icon": "edit_note", "url": self.page_url(row)}
        found = [{**first, "here": not here}]
        for page in pages:
            url = self.extra_url(page.name, row)
            link = {"label": page.label, "icon": page.icon, "url": url}
            found.append({**link, "here": page.name == here})
        return found

    def page(
        self,
        request: HttpRequest,
        template: str,
        title: str,
        *,
        row: Any = None,
        here: str = "",
        **context: Any,
    ) -> HttpResponse:
        """Return such a page; `loom/admin/page.html` is what its template extends."""
        shown = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": cut(title, 100),
            "original": row,
            "tabs": [] if row is None else self.tabs(request, row, here),
            "has_view_permission": True,
            **context,
        }
        return TemplateResponse(request, f"loom/admin/{template}.html", shown)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        links = self.list_links(request) if self.has_view_permission(request) else []
        context: Any = {"list_links": links, **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(
        self, request: HttpRequest, context: dict, *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        if obj is not None:
            named = {"title": self.page_title(obj), "subtitle": None}
            context = {**context, "tabs": self.tabs(request, obj), **named}
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def page_title(self, row: Any) -> str:
        """Return what a row's page is called: in its head, its heading and its way there."""
        try:
            return cut(self.called.format(row=row) if self.called else row, 90)
        except AttributeError:  # what it is named after is gone
            return cut(row, 90)

    def member_or_404(self, rows: Any, pk: object) -> Any:
        """Return one of these rows by a key that came from outside."""
        try:
            found = rows.filter(pk=pk).first()
        except (ValueError, TypeError, OverflowError, ValidationError):
            found = None
        if found is None:
            raise Http404
        return found
