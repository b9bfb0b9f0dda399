"""Actions on several rows: asked about first, with a reason, and bounded."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.http import HttpRequest
from django.template.response import TemplateResponse

from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.buttons import RowAction, reason_of
from loomsite.access.admin.display import cut

BULK_MOST: Final = 500
_NAMED_MOST = 20
_ERRORS_SHOWN = 5


def bulk(
    page: LoomAdmin, request: HttpRequest, rows: Any, *, name: str, do: Callable[[Any], object]
) -> TemplateResponse | None:
    """Do to each row what the button of that name does; those that it does not fit stay.

    The first call returns a page that asks, for a reason where the button asks for one; what that
    page sends is done, each row in a transaction of its own.
    """
    action = next(each for each in page.row_actions if each.name == name)
    chosen = list(rows[: BULK_MOST + 1])
    if len(chosen) > BULK_MOST:
        messages.error(request, f"At most {BULK_MOST} at once: narrow the list first.")
        return None
    if "confirmed" not in request.POST or (action.reason and not reason_of(request)):
        return _question(page, request, chosen, action)
    done, troubles = 0, []
    for row in chosen:
        if not (page.may(request, action.role, row) and action.when(row)):
            continue
        try:
            with transaction.atomic():
                do(row)
                if action.audited:
                    page.audit(request, row, name, reason=reason_of(request), bulk=len(chosen))
            done += 1
        except page.refusals as error:
            troubles.append(f"{cut(row, 40)}: {error}")
    for trouble in troubles[:_ERRORS_SHOWN]:
        messages.error(request, trouble)
    messages.success(
        request, f"{action.label}: {done} done, {len(chosen) - done} left as they were."
    )
    return None


def _question(
    page: LoomAdmin, request: HttpRequest, chosen: list[Any], action: RowAction
) -> TemplateResponse:
    fitting = [row for row in chosen if page.may(request, action.role, row) and action.when(row)]
    context = {
        **page.admin_site.each_context(request),
        "title": f"{action.label} {len(fitting)} of {len(chosen)} selected",
        "opts": page.opts,
        "action": action,
        "action_name": request.POST.get("action", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
        "keys": [str(row.pk) for row in chosen],
        "named": [cut(row, 120) for row in fitting[:_NAMED_MOST]],
        "more": max(len(fitting) - _NAMED_MOST, 0),
        "left": len(chosen) - len(fitting),
    }
    return TemplateResponse(request, "loom/admin/bulk.html", context)
