"""Parts of a row's page that are read when somebody looks at them, not when the page opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from loomsite.access.admin.buttons import Buttons


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a page with an address of its own.

    Attributes:
        run: The admin's method, called with request and row; it returns the template's values.
    """

    name: str
    template: str
    run: str


class Parts(Buttons):
    """The piece of `LoomAdmin` that answers for the parts of a page."""

    parts: ClassVar[Sequence[Part]] = ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_part"
        view = self.admin_site.admin_view(self.part_view)
        return [path("<path:object_id>/part/<slug:part>/", view, name=name), *super().get_urls()]

    def part_view(self, request: HttpRequest, object_id: str, part: str) -> HttpResponse:
        """Answer with one part of a row's page, for who may see the row."""
        row = self.row_or_404(request, object_id)
        chosen = next((each for each in self.parts if each.name == part), None)
        if chosen is None:
            raise Http404
        context = {"opts": self.opts, "original": row, **getattr(self, chosen.run)(request, row)}
        return TemplateResponse(request, chosen.template, context)
