"""Which workspace a page is about that shows one at a time."""

from django.db.models import QuerySet
from django.http import HttpRequest

from loomsite.access.admin.reach import VIEWER, reach_of
from loomsite.access.models import Workspace

_MOST = 100
_LAST = "loom_workspace"  # of the session


def workspaces_of(request: HttpRequest, role: str = VIEWER) -> list[Workspace]:
    """Return the workspaces that a person may choose, by slug."""
    return list(_own(request, role)[:_MOST])


def chosen_workspace(request: HttpRequest, role: str = VIEWER) -> Workspace | None:
    """Return the workspace that the address names, else the one looked at last, else the first.

    Another's is like one that does not exist.
    """
    rows = _own(request, role)
    named = request.GET.get("workspace", "") or request.POST.get("workspace", "")
    wanted = named.replace("\x00", "") or request.session.get(_LAST, "")
    found = rows.filter(slug=wanted).first() if wanted else None
    if found is not None and request.session.get(_LAST) != found.slug:
        request.session[_LAST] = found.slug
    return found or rows.first()


def _own(request: HttpRequest, role: str) -> "QuerySet[Workspace]":
    rows = Workspace.objects.order_by("slug")
    ids = reach_of(request).workspace_ids(role)
    return rows if ids is None else rows.filter(pk__in=ids)
