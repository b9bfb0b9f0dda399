"""Pages of accounts: for superusers alone, who give people their sign-in."""

# Two libraries' pages are joined here; their signatures differ in names alone.
# pyright: reportIncompatibleMethodOverride=false

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from loomsite.access.admin.paging import BoundedChangeList

_Person = get_user_model()


class SuperuserOnly:
    """Whoever may edit accounts may become anybody: no role of a workspace is enough."""

    show_full_result_count = False
    show_facets = ShowFacets.NEVER

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 -- Django's signature
        return bool(request.user.is_superuser)

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[BoundedChangeList]:  # noqa: ARG002 -- Django's signature
        return BoundedChangeList

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
