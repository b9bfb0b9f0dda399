"""Pages of tables that may hold millions of rows."""

from itertools import chain
from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList


class BoundedPaginator(Paginator):
    """Counts to `most` and then says "more": what lies behind is found by filters.

    Counting a million rows, or skipping over them, would cost more than the page.
    """

    template_name = "loom/admin/pagination.html"
    most: ClassVar[int] = 10_000
    object_list: Any

    @cached_property
    def count(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] -- cached, as Django's is
        return self.object_list.order_by().values("pk")[: self.most + 1].count()

    @property
    def is_cut(self) -> bool:
        return self.count > self.most


class BoundedChangeList(ChangeList):
    """A list whose total is never counted; unfiltered, what it shows is all there is."""

    def get_filters_params(self, params: Any = None) -> Any:
        """Return the filters that the address asks for; one that no row can match is refused."""
        found = super().get_filters_params(params)
        if any("\x00" in text for text in chain(found, *found.values())):
            raise IncorrectLookupParameters
        return found

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        filtered = getattr(self, "has_active_filters", False)
        if not (self.query or filtered):
            self.full_result_count = self.result_count
