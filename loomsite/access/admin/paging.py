"""Pages of tables that may hold millions of rows."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):
    """Counts to `MOST_COUNTED` and then says "more": what lies behind is found by filters.

    Counting a million rows, or skipping over them, would cost more than the page.
    """

    template_name = "loom/admin/pagination.html"
    object_list: Any

    @cached_property
    def count(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] -- cached, as Django's is
        return self.object_list.order_by()[: MOST_COUNTED + 1].count()

    @property
    def is_cut(self) -> bool:
        return self.count > MOST_COUNTED

    @property
    def most(self) -> int:
        return MOST_COUNTED


class BoundedChangeList(ChangeList):
    """A list whose total is never counted; unfiltered, what it shows is all there is."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        filtered = getattr(self, "has_active_filters", False)
        if not (self.query or filtered):
            self.full_result_count = self.result_count
