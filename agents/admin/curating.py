"""Curating what is remembered: views worth a look, merging, erasing all about a subject."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils import timezone

from agents import wiring
from agents.admin.base import AgentsAdmin
from agents.models import MemoryEntry
from agents.selectors import memory_curation as views
from agents.services import memories
from knowledge.core.errors import KnowledgeError
from loomsite.access.admin.buttons import DOOR, reason_of
from loomsite.access.admin.display import json_text
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.reach import OPERATOR, actor_of, reach_of
from loomsite.access.admin.workspaces import chosen_workspace, workspaces_of
from loomsite.access.models import Workspace
from loomsite.access.services import audit_write

_SHOWN, _MOST = 50, 50
_SAID = {
    "new": ("New", "Written in the last seven days."),
    "pending": ("To review", "Somebody must accept these before they replace anything."),
    "contradicting": ("Contradicting", "Entries that say different things of one topic."),
    "unused": ("Unused", "Never put before a run; the oldest first."),
    "most_used": ("Most used", "Put before runs most often."),
    "fading": ("Not helping", "Runs that were given these did badly."),
    "expired": ("Ended", "Held once; kept as history."),
}
_NONE = {
    "new": "Nothing new. Agents write down what they learn; you can add facts of your own.",
    "pending": "Nothing waits for review.",
    "contradicting": "Nothing contradicts anything else.",
    "unused": "Everything has been used.",
    "most_used": "Nothing has been used yet: memories are put before runs where they fit.",
    "fading": "No memory has been seen to harm.",
    "expired": "Nothing has ended.",
}


class CurationPages(AgentsAdmin):
    """The pages; `MemoryEntryAdmin` is their list and form."""

    refusals = (*AgentsAdmin.refusals, KnowledgeError)
    list_pages: ClassVar[Sequence[ExtraPage]] = (
        ExtraPage(name="curate", label="Curate", icon="auto_fix_high", view="curate_view"),
        ExtraPage(name="merge", label="Merge", icon="merge", view="merge_view", role=OPERATOR,
                  tab=False),
        ExtraPage(name="erase", label="Erase a subject", icon="person_remove", view="erase_view",
                  role=OPERATOR),
        ExtraPage(name="export", label="Export", icon="download", view="export_view",
                  role=OPERATOR, tab=False),
    )  # fmt: skip
    row_pages: ClassVar[Sequence[ExtraPage]] = (
        ExtraPage(name="story", label="History and use", icon="history", view="story_view"),
    )

    # ------------------------------------------------------------ views

    def curate_view(self, request: HttpRequest) -> HttpResponse:
        """Show the entries worth a look, and do to those that are chosen what is asked."""
        home = chosen_workspace(request)
        if request.method == "POST":
            return self._curate(request, home)
        view = request.GET.get("view", "")
        view = view if view in _SAID else "new"
        rows = views.memory_view(workspace_id=str(home.pk), view=view, limit=_SHOWN) if home else []
        return self.page(
            request,
            "memory_curate",
            "Curate memory",
            home=home,
            workspaces=workspaces_of(request),
            views=[(name, _SAID[name][0]) for name in _SAID],
            view=view,
            about=_SAID[view][1],
            none=_NONE[view],
            rows=rows,
            shown=_SHOWN,
            may_change=home is not None and self._operates(request, home),
        )

    def _operates(self, request: HttpRequest, home: Workspace) -> bool:
        return reach_of(request).allows(home.pk, OPERATOR)

    def _curate(self, request: HttpRequest, home: Workspace | None) -> HttpResponse:
        view = request.POST.get("view", "")
        slug = home.slug if home else ""
        here = f"{self.extra_url('curate')}?{urlencode({'workspace': slug, 'view': view})}"
        ids = request.POST.getlist("id")[:_MOST]
        verb = request.POST.get("verb", "")
        if home is None or not self._operates(request, home):
            messages.error(request, "Operators of the workspace curate its memory.")
        elif not ids:
            messages.error(request, "Choose at least one entry.")
        elif verb == "merge":
            asked = urlencode({"workspace": slug, "ids": ",".join(ids)})
            return HttpResponseRedirect(f"{self.extra_url('merge')}?{asked}")
        else:
            self._do_to_all(request, home, verb, ids)
        return HttpResponseRedirect(here)

    def _do_to_all(
        self, request: HttpRequest, home: Workspace, verb: str, ids: Sequence[str]
    ) -> None:
        done: dict[str, tuple[str, bool, Callable[[str], object]]] = {
            "accept": ("accepted", False, lambda pk: self._review(home, pk, accepted=True)),
            "reject": ("rejected", True, lambda pk: self._review(home, pk, accepted=False)),
            "expire": ("ended", True, lambda pk: memories.memory_expire(
                workspace_id=str(home.pk), memory_id=pk)),
            "delete": ("erased", True, lambda pk: memories.memory_erase(
                workspace_id=str(home.pk), memory_id=pk)),
        }  # fmt: skip
        if verb not in done:
            messages.error(request, "Choose what to do with them.")
            return
        said, needs_reason, act = done[verb]
        reason = reason_of(request)
        if needs_reason and not reason:
            messages.error(request, "Say why: it is written to the audit.")
            return
        count = 0
        for pk in ids:
            try:
                with transaction.atomic():
                    act(pk)
                    _audit(request, home, verb, pk, reason)
                count += 1
            except self.refusals as error:
                messages.error(request, str(error))
        messages.success(request, f"{count} {'entry' if count == 1 else 'entries'} {said}.")

    def _review(self, home: Workspace, pk: str, *, accepted: bool) -> None:
        memories.memory_review(workspace_id=str(home.pk), memory_id=pk, accepted=accepted)

    # ------------------------------------------------------------ merging

    def merge_view(self, request: HttpRequest) -> HttpResponse:
        """Make one entry of several; the others are closed and kept."""
        home = chosen_workspace(request, OPERATOR)
        raw = request.POST.get("ids") or request.GET.get("ids", "")
        ids = [part for part in dict.fromkeys(raw.split(",")) if part][:_MOST]
        if request.method == "POST" and home is not None:
            answer = self._merge(request, home, ids)
            if answer is not None:
                return answer
        rows = self._all_own(home, ids) if home else []
        best = max(rows, key=lambda row: (row.importance, row.created_at), default=None)
        return self.page(
            request,
            "memory_merge",
            "Merge memories",
            home=home,
            rows=rows,
            ids=",".join(ids),
            text=request.POST.get("text", "") or (best.text if best else ""),
        )

    def _own(self, home: Workspace, pk: str) -> MemoryEntry:
        return self.member_or_404(MemoryEntry.objects.filter(workspace=home), pk)

    def _all_own(self, home: Workspace, ids: Sequence[str]) -> list[MemoryEntry]:
        """Return these entries in their order, read at once; one that is missing is a 404."""
        try:
            found = MemoryEntry.objects.filter(workspace=home).in_bulk([UUID(pk) for pk in ids])
            return [found[UUID(pk)] for pk in ids]
        except (ValueError, KeyError):
            raise Http404 from None

    def _merge(
        self, request: HttpRequest, home: Workspace, ids: Sequence[str]
    ) -> HttpResponse | None:
        if not reason_of(request):
            messages.error(request, "Say why: it is written to the audit.")
            return None
        try:
            made = wiring.memories_merge(
                workspace_id=str(home.pk),
                memory_ids=list(ids),
                text=request.POST.get("text") or None,
                actor=actor_of(request),
            )
        except self.refusals as error:
            messages.error(request, str(error))
            return None
        _audit(request, home, "merge", made, reason_of(request), merged=list(ids))
        messages.success(request, "Merged: this entry stands for them; they are kept as history.")
        return HttpResponseRedirect(self.page_url(self._own(home, made)))

    # ------------------------------------------------------------ one subject

    def erase_view(self, request: HttpRequest) -> HttpResponse:
        """Show what is remembered about a subject, and erase all of it when that is confirmed."""
        home = chosen_workspace(request, OPERATOR)
        subject = (request.POST.get("subject") or request.GET.get("subject", "")).replace(
            "\x00", ""
        )
        rows = MemoryEntry.objects.filter(workspace=home, subject=subject)
        count = rows.count() if home and subject else 0
        if request.method == "POST" and home is not None:
            self._erase(request, home, subject, count)
            asked = urlencode({"workspace": home.slug})
            return HttpResponseRedirect(f"{self.extra_url('erase')}?{asked}")
        return self.page(
            request,
            "memory_erase",
            "Erase a subject",
            home=home,
            workspaces=workspaces_of(request, OPERATOR),
            subject=subject,
            count=count,
            rows=rows.order_by("-created_at", "pk")[:_SHOWN] if count else [],
            shown=_SHOWN,
        )

    def _erase(self, request: HttpRequest, home: Workspace, subject: str, count: int) -> None:
        reason = reason_of(request)
        if not reason:
            messages.error(request, "Say why: it is written to the audit.")
            return
        if request.POST.get("count") != str(count):
            messages.error(request, f"There are {count} entries by now: look again.")
            return
        try:
            with transaction.atomic():
                erased = memories.memories_erase(workspace_id=str(home.pk), subject=subject)
                # The subject is a person's name as a rule: the audit keeps how much, not of whom.
                _audit(request, home, "erase_subject", "", reason, count=erased)
        except self.refusals as error:
            messages.error(request, str(error))
            return
        messages.success(request, f"{erased} entries are gone for good.")

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Send all that is kept about a subject as a file."""
        home = chosen_workspace(request, OPERATOR)
        subject = request.GET.get("subject", "").replace("\x00", "")
        if home is None or not subject:
            messages.error(request, "Name a subject: nothing is exported without one.")
            return HttpResponseRedirect(self.extra_url("erase"))
        answer = JsonResponse(
            views.memories_export(workspace_id=str(home.pk), subject=subject),
            encoder=DjangoJSONEncoder,
            json_dumps_params={"indent": 2},
        )
        day = timezone.now().date().isoformat()
        answer["Content-Disposition"] = f'attachment; filename="memories-{day}.json"'
        return answer

    # ------------------------------------------------------------ one entry

    def story_view(self, request: HttpRequest, row: MemoryEntry) -> HttpResponse:
        """Show what an entry said before, what contradicts it, and how its runs did."""
        detail = views.memory_detail(workspace_id=self.home(row), memory_id=str(row.pk))
        history = [{**each, "fields": _fields(each["before"])} for each in detail["history"]]
        return self.page(
            request,
            "memory_story",
            "History and use",
            row=row,
            here="story",
            detail=detail,
            history=history,
            provenance=json_text(detail["provenance"]),
        )


def _fields(before: Any) -> list[tuple[str, str]]:
    values = before if isinstance(before, dict) else {}
    return [
        (str(name), "-" if value in (None, "") else str(value)) for name, value in values.items()
    ]


def _audit(
    request: HttpRequest, home: Workspace, verb: str, target: str, reason: str, **detail: Any
) -> None:
    audit_write(
        workspace_id=home.pk,
        actor=actor_of(request),
        door=DOOR,
        action=f"memoryentry.{verb}",
        target=target,
        reason=reason,
        detail=detail,
    )
