"""Pages of tables that may hold millions of rows."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):
    """Counts to `MOST_COUNTED` and then says "more": what lies behind is found by filters.

    Counting a million rows, or skipping over them, would cost more than the page.
    """

    template_name = "loom/admin/pagination.html"
    object_list: Any

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[: MOST_COUNTED + 1].count()

    @property
    def is_cut(self) -> bool:
        return self.count > MOST_COUNTED

    @property
    def most(self) -> int:
        return MOST_COUNTED
