"""Pages of accounts: for superusers alone, who give people their sign-in."""

# Two libraries' pages are joined here; their signatures differ in names alone.
# pyright: reportIncompatibleMethodOverride=false

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from loomsite.access.admin.buttons import DOOR, reason_of
from loomsite.access.admin.paging import BoundedChangeList
from loomsite.access.admin.reach import actor_of
from loomsite.access.services import audit_write

_Person = get_user_model()


def _audit(request: HttpRequest, row: Any, verb: str, *, reason: str = "", **detail: Any) -> None:
    audit_write(
        workspace_id=None,
        actor=actor_of(request),
        door=DOOR,
        action=f"{row._meta.model_name}.{verb}",  # noqa: SLF001 -- Django's public hook
        target=str(row)[:200],
        reason=reason,
        detail=detail,
    )


class SuperuserOnly:
    """Whoever may edit accounts may become anybody: no role of a workspace is enough.

    What they do is written to the audit, and a deletion asks why.
    """

    delete_confirmation_template = "loom/admin/delete_confirmation.html"
    show_full_result_count = False
    show_facets = ShowFacets.NEVER

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 -- Django's signature
        return bool(request.user.is_superuser)

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[BoundedChangeList]:  # noqa: ARG002 -- Django's signature
        return BoundedChangeList

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)  # pyright: ignore[reportAttributeAccessIssue] -- of the page it is mixed into
        actions.pop("delete_selected", None)  # it would not ask why
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        if request.method == "POST" and not reason_of(request):
            messages.error(request, "Say why: a deletion asks for a reason.")
            return HttpResponseRedirect(request.path)
        return super().delete_view(request, object_id, extra_context)  # pyright: ignore[reportAttributeAccessIssue] -- as above

    def log_addition(self, request: HttpRequest, object: Any, message: Any) -> Any:  # noqa: A002 -- Django's name
        _audit(request, object, "create")
        return super().log_addition(request, object, message)  # pyright: ignore[reportAttributeAccessIssue] -- as above

    def log_change(self, request: HttpRequest, object: Any, message: Any) -> Any:  # noqa: A002 -- Django's name
        _audit(request, object, "change", changed=message)
        return super().log_change(request, object, message)  # pyright: ignore[reportAttributeAccessIssue] -- as above

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset:
            _audit(request, row, "delete", reason=reason_of(request))
        return super().log_deletions(request, queryset)  # pyright: ignore[reportAttributeAccessIssue] -- as above

    has_add_permission = has_module_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


admin.site.unregister(_Person)
admin.site.unregister(Group)  # it would decide nothing


@admin.register(_Person)
class PersonAdmin(SuperuserOnly, UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    # Groups and permissions decide nothing here: what people may do follows from memberships.
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Who it is", {"fields": (("first_name", "last_name"), "email")}),
        ("May sign in", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Record", {"fields": ("last_login", "date_joined")}),
    )
    filter_horizontal = ()
