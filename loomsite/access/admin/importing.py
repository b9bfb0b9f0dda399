"""The page that takes a row in from a file or a pasted text."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from loomsite.access.admin import once
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.reach import OPERATOR
from loomsite.access.admin.workspaces import chosen_workspace, workspaces_of

Take = Callable[[bytes, str], Any]


def import_page(
    page: LoomAdmin,
    request: HttpRequest,
    *,
    title: str,
    take: Take,
    longest: int,
    welcome: Callable[[Any], str],
    **said: str,
) -> HttpResponse:
    """Show the form, or take in what it was sent with and lead to the row.

    `take` makes the row of a file's content, of at most `longest` bytes, in the workspace of an id;
    what it refuses is shown, with what was pasted still there. `welcome` is what is said of the
    new row, `said` the labels of `loom/admin/import.html`.
    """
    home = chosen_workspace(request, OPERATOR)
    if request.method == "POST" and home is not None:
        content = _content(request, longest)
        made = None if content is None else _taken(page, request, str(home.pk), take, content)
        if made is not None:
            messages.success(request, welcome(made))
            return HttpResponseRedirect(page.page_url(made))
    return page.page(
        request,
        "import",
        title,
        home=home,
        workspaces=workspaces_of(request, OPERATOR),
        pasted=request.POST.get("text", ""),
        **said,
    )


def _content(request: HttpRequest, longest: int) -> bytes | None:
    file, text = request.FILES.get("file"), request.POST.get("text", "").replace("\r\n", "\n")
    if bool(file) == bool(text.strip()):
        messages.error(request, "Give either a file or a text.")
        return None
    if file and (file.size or 0) > longest:
        messages.error(request, f"The file is too large: at most {longest:,} bytes.")
        return None
    return file.read() if file else text.encode()


def _taken(
    page: LoomAdmin, request: HttpRequest, workspace_id: str, take: Take, content: bytes
) -> Any:
    try:
        with transaction.atomic():
            once.spend(request, workspace_id=workspace_id, target=None)
            row = take(content, workspace_id)
            page.audit(request, row, "import")
    except once.SentBefore as before:
        messages.warning(request, str(before))
    except page.refusals as error:
        messages.error(request, str(error))
    else:
        return row
    return None
