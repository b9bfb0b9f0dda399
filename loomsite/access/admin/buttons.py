"""Buttons on a row's page: each posts to an address of its own and leaves an audit entry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.admin import ModelAdmin

from loomsite.access.admin import once
from loomsite.access.admin.reach import OPERATOR, actor_of
from loomsite.access.core.errors import AccessError
from loomsite.access.services import audit_write

DOOR = "admin"
_LONGEST_REASON = 500
_TOO_LATE = "“{}” is not possible any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAction:
    """A button on a row's page; it posts to a page of its own.

    Attributes:
        run: The admin's method, called with request and row; it returns a sentence for the person,
            or a response.
        when: Whether the button makes sense for a row.
        confirm: A question to answer before it happens.
        reason: Whether it must be said why; the answer is `request.POST["reason"]` and in the
            audit.
        outside: It asks somebody over the network: no transaction is open meanwhile.
        audited: Off where the service that it calls writes the audit entry.
    """

    name: str
    label: str
    icon: str
    run: str
    when: Callable[[Any], bool] = lambda _row: True
    confirm: str = ""
    danger: bool = False
    reason: bool = False
    outside: bool = False
    role: str = OPERATOR
    audited: bool = True


def reason_of(request: HttpRequest) -> str:
    """Return why somebody does what they ask for, as they typed it; empty when they did not."""
    return request.POST.get("reason", "").replace("\x00", "").strip()[:_LONGEST_REASON]


def back_of(request: HttpRequest) -> str:
    """Return where the person came from, when it is a page of the admin; else nothing."""
    back = request.POST.get("back") or request.GET.get("back", "")
    here = reverse("admin:index")
    ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith(here)
    return back if ours else ""


class Buttons(ModelAdmin):
    """The part of `LoomAdmin` that shows and answers buttons.

    Attributes:
        row_actions: The buttons.
        refusals: Errors of services that are shown as messages.
    """

    row_actions: ClassVar[Sequence[RowAction]] = ()
    refusals: ClassVar[tuple[type[Exception], ...]] = (AccessError,)

    def may(self, request: HttpRequest, role: str, row: Any) -> bool:
        """Say whether the person has a role where a row is, or anywhere when there is none."""
        raise NotImplementedError

    def workspace_id_of(self, row: Any) -> UUID | None:
        """Return a row's workspace."""
        raise NotImplementedError

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:  # noqa: ARG002 -- for pages
        """Return what a page shows besides the form."""
        return {}

    def audit(
        self,
        request: HttpRequest,
        row: Any,
        verb: str,
        *,
        reason: str = "",
        **detail: Any,
    ) -> None:
        """Record what a person did to a row; call it in the transaction that does it."""
        audit_write(
            workspace_id=self.workspace_id_of(row),
            actor=actor_of(request),
            door=DOOR,
            action=f"{self.opts.model_name}.{verb}",
            target=str(row.pk),
            reason=reason,
            detail=detail,
        )

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        view = self.admin_site.admin_view(self.do_view)
        return [path("<path:object_id>/do/<slug:action>/", view, name=name), *super().get_urls()]

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """Return a row that the person may see; another workspace's row is missing."""
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        return row

    def actions_for(self, request: HttpRequest, row: Any) -> list[RowAction]:
        """Return the buttons that a row's page has for this person."""
        return [
            action
            for action in self.row_actions
            if self.may(request, action.role, row) and action.when(row)
        ]

    def do_view(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Do what a button says, once, with an audit entry, and go back to the row."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.row_or_404(request, object_id)
        chosen = next((each for each in self.row_actions if each.name == action), None)
        if chosen is None:
            raise Http404
        if not self.may(request, chosen.role, row):
            raise PermissionDenied
        reason = reason_of(request)
        back = back_of(request) or self.page_url(row)
        done: str | HttpResponse | None = None
        if chosen.when(row) and chosen.reason and not reason:
            messages.error(request, f"Say why: “{chosen.label}” is written to the audit.")
        elif not chosen.when(row):
            messages.warning(request, _TOO_LATE.format(chosen.label))
        else:
            done = self._done(request, row, chosen, reason)
        return done if isinstance(done, HttpResponse) else HttpResponseRedirect(done or back)

    def _done(
        self, request: HttpRequest, row: Any, chosen: RowAction, reason: str
    ) -> str | HttpResponse | None:
        """Do it, write it down and tell the person; return what to show when it is not the row."""
        try:
            if chosen.outside:
                once.spend(request, workspace_id=self.workspace_id_of(row), target=row.pk)
                done = getattr(self, chosen.run)(request, row)
                self.audit(request, row, chosen.name, reason=reason)
            else:
                done = self._done_once(request, row, chosen, reason)
        except once.SentBefore:
            messages.warning(request, f"“{chosen.label}” was done when you sent it before.")
            return None
        except self.refusals as error:
            messages.error(request, str(error))
            return None
        if isinstance(done, HttpResponse):
            return done
        if done is None:
            messages.warning(request, _TOO_LATE.format(chosen.label))
        else:
            messages.success(request, done)
        return back_of(request) or self.page_url(row)

    def _done_once(
        self, request: HttpRequest, row: Any, chosen: RowAction, reason: str
    ) -> str | HttpResponse | None:
        """Do it to the row as it is now; None when somebody else was faster."""
        with transaction.atomic():
            held = self.held(row)
            if held is None or not chosen.when(held):
                return None
            once.spend(request, workspace_id=self.workspace_id_of(held), target=held.pk)
            done = getattr(self, chosen.run)(request, held)
            if chosen.audited:
                self.audit(request, held, chosen.name, reason=reason)
        return done

    def held(self, row: Any) -> Any:
        """Return a row as it is now, locked until the transaction ends; None when it is gone."""
        rows = self.model._default_manager.select_for_update(of=("self",))  # noqa: SLF001 -- Django's public hook
        return rows.filter(pk=row.pk).first()

    def button_url(self, row: Any, name: str) -> str:
        """Return where the button of that name posts to."""
        do = f"admin:{self.opts.app_label}_{self.opts.model_name}_do"
        return reverse(do, args=[row.pk, name])

    def page_url(self, row: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if not self.model._default_manager.filter(pk=row.pk).exists():  # noqa: SLF001 -- Django's public hook
            return reverse(f"{name}_changelist")
        return reverse(f"{name}_change", args=[row.pk])

    def page_url_of(self, row: Any) -> str:
        """Return where the page of a row is that was read just now."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict,
        *args: Any,
        obj: Any = None,
        **kwargs: Any,
    ) -> Any:
        buttons = self.actions_for(request, obj) if obj is not None else []
        saves = {"show_save_and_add_another": False, "show_save_and_continue": obj is not None}
        context = {**context, **saves, "row_actions": buttons, **self.extra_context(request, obj)}
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)
