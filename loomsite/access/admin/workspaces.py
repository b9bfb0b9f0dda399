"""Which workspace a page is about that shows one at a time."""

from django.db.models import QuerySet
from django.http import HttpRequest

from loomsite.access.admin.reach import VIEWER, reach_of
from loomsite.access.models import Workspace

_MOST = 100


def workspaces_of(request: HttpRequest, role: str = VIEWER) -> list[Workspace]:
    """Return the workspaces that a person may choose, by slug."""
    return list(_own(request, role)[:_MOST])


def chosen_workspace(request: HttpRequest, role: str = VIEWER) -> Workspace | None:
    """Return the workspace that the address names, else the person's first.

    Another's is like one that does not exist.
    """
    rows = _own(request, role)
    named = request.GET.get("workspace", "") or request.POST.get("workspace", "")
    found = rows.filter(slug=named.replace("\x00", "")).first() if named else None
    return found or rows.first()


def _own(request: HttpRequest, role: str) -> "QuerySet[Workspace]":
    rows = Workspace.objects.order_by("slug")
    ids = reach_of(request).workspace_ids(role)
    return rows if ids is None else rows.filter(pk__in=ids)
