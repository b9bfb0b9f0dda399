"""The base of every page of the admin: whose rows are shown, who may change them, at what cost."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db import connection, models
from django.db.models.constants import LOOKUP_SEP
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from pgvector.django import HalfVectorField, SparseVectorField, VectorField

from loomsite.access.admin import once
from loomsite.access.admin.buttons import reason_of
from loomsite.access.admin.display import usd
from loomsite.access.admin.extra import ExtraPages
from loomsite.access.admin.fields import JsonField, LinesField, WordsField
from loomsite.access.admin.filters import WorkspaceFilter
from loomsite.access.admin.forms import RowForm
from loomsite.access.admin.paging import BoundedChangeList, BoundedPaginator
from loomsite.access.admin.parts import Parts
from loomsite.access.admin.reach import OPERATOR, VIEWER, Reach, reach_of
from loomsite.access.admin.saved import SavedFilters
from loomsite.access.ids import uuid_of
from loomsite.access.models import Workspace

_ROWS, _ROWS_OF_LONG = 3, 14
_READS_ALL: Final = frozenset(
    ("contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "regex",
     "iregex")
)  # fmt: skip
_NEVER_SHOWN = (models.BinaryField, VectorField, HalfVectorField, SparseVectorField)


class LoomAdmin(ExtraPages, SavedFilters, Parts):
    """Pages of one model. What is not opened here is closed: rows are read-only by default.

    Attributes:
        workspace_path: The way from a row to its workspace; None: rows of the whole site, for
            superusers alone unless they are `shared`.
        views: The role from which on rows are seen.
        adds: The role from which on rows are made here; None: nobody makes them here.
        changes: The same for changes.
        deletes: The same for deletion.
        defer: Columns that the list does not read.
        hidden: Fields that no page shows; secrets are among them.
        id_fields: Columns of UUIDs that the search box finds by the whole id.
        search_window: Text is searched among this many newest rows; 0: among all (small tables).
        word_lists: JSON columns that are edited as names with commas between them.
        line_lists: JSON columns that are edited as one entry a line.
        long: Text columns that are edited in a tall box.
        empty: What to do when there are no rows yet.
        audits: Whether changes are recorded here; off where the service does it.
        live_s: How often the list is read anew while somebody looks; 0: never. Without actions.
    """

    workspace_path: ClassVar[str | None] = "workspace"
    shared: ClassVar[bool] = False
    views: ClassVar[str] = VIEWER
    adds: ClassVar[str | None] = None
    changes: ClassVar[str | None] = None
    deletes: ClassVar[str | None] = None
    defer: ClassVar[Sequence[str]] = ()
    hidden: ClassVar[Sequence[str]] = ()
    id_fields: ClassVar[Sequence[str]] = ()
    search_window: ClassVar[int] = 0
    word_lists: ClassVar[Sequence[str]] = ()
    line_lists: ClassVar[Sequence[str]] = ()
    long: ClassVar[Sequence[str]] = ()
    empty: ClassVar[str] = ""
    audits: ClassVar[bool] = True
    live_s: ClassVar[int] = 0
    add_form: ClassVar[type[ModelForm] | None] = None
    change_form: ClassVar[type[ModelForm] | None] = None
    change_fieldsets: ClassVar[tuple[Any, ...]] = ()
    detail_fields: ClassVar[Sequence[Any]] = ()

    form = RowForm
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 30
    list_max_show_all = 0
    sortable_by: Sequence[str] | None = ()
    actions_on_top = True
    save_on_top = False
    list_filter_sheet = False
    compressed_fields = True
    warn_unsaved_form = True
    change_list_template = "loom/admin/change_list.html"
    change_form_template = "loom/admin/change_form.html"
    delete_confirmation_template = "loom/admin/delete_confirmation.html"

    # ------------------------------------------------------------ whose rows

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows = super().get_queryset(request)
        found = self._within(rows, reach_of(request), self.views)
        if self.defer and self._is_list(request):
            return found.defer(*self.defer)
        return found

    def choosable(self, request: HttpRequest, role: str) -> models.QuerySet:
        """Return the rows that a form may refer to which needs `role` of this person."""
        return self._within(self.model._default_manager.all(), reach_of(request), role)  # noqa: SLF001 -- Django's public hook

    def _within(self, rows: models.QuerySet, reach: Reach, role: str) -> models.QuerySet:
        ids = reach.workspace_ids(role)
        if ids is None:
            return rows
        if self.workspace_path is None:
            return rows if self.shared and ids else rows.none()
        return rows.filter(**{f"{self.workspace_path}__in": ids})

    def _is_list(self, request: HttpRequest) -> bool:
        match = request.resolver_match
        return bool(match and str(match.url_name).endswith("_changelist"))

    def workspace_id_of(self, row: Any) -> UUID | None:
        """Return a row's workspace."""
        if self.workspace_path is None:
            return None
        *way, last = self.workspace_path.split("__")
        found = row
        for part in way:
            found = getattr(found, part)
        return getattr(found, "pk" if last in {"id", "pk"} else f"{last}_id")

    # ------------------------------------------------------------ who may

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.views, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.adds is not None and self.may(request, self.adds, None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.changes is not None and self.may(request, self.changes, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.deletes is not None and self.may(request, self.deletes, obj)

    def may(self, request: HttpRequest, role: str, row: Any) -> bool:
        reach = reach_of(request)
        if reach.everything:
            return True
        if self.workspace_path is None:
            return self.shared and role == self.views and reach.allows_somewhere(role)
        if row is None:
            return reach.allows_somewhere(role)
        return reach.allows(self.workspace_id_of(row), role)

    # ------------------------------------------------------------ lists

    def get_list_display(self, request: HttpRequest) -> list | tuple:
        shown = list(super().get_list_display(request))
        if self.workspace_path == "workspace" and _several(request) and "workspace" not in shown:
            shown.append("workspace")
        return shown

    def get_list_select_related(self, request: HttpRequest) -> Any:  # noqa: ARG002 -- Django's
        related = [*cast("Sequence[str]", self.list_select_related or ())]
        return [*related, "workspace"] if self.workspace_path == "workspace" else related or False

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = list(super().get_list_filter(request))
        if self.workspace_path == "workspace" and _several(request):
            return [*filters, ("workspace", WorkspaceFilter)]
        return filters

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002 -- Django's
        return BoundedChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Refuse filters from the address that would read what no page shows, or every row.

        Asked often enough, whether a secret begins with an "a" gives it away.
        """
        name, *rest = lookup.split(LOOKUP_SEP)
        unseen = {
            field.name
            for field in self.model._meta.concrete_fields  # noqa: SLF001 -- Django's public hook
            if isinstance(field, _NEVER_SHOWN)
        }
        if name in unseen.union(self.hidden) or not _READS_ALL.isdisjoint(rest):
            return False
        return super().lookup_allowed(lookup, value, request)  # pyright: ignore[reportCallIssue] -- Django 5.1

    def get_search_fields(self, request: HttpRequest) -> Any:
        return super().get_search_fields(request) or self.id_fields

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet, search_term: str
    ) -> tuple[models.QuerySet, bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        wanted = uuid_of(term)
        if wanted is not None and self.id_fields:
            named = reduce(or_, (models.Q(**{name: wanted}) for name in self.id_fields))
            return queryset.filter(named), False
        if not self.search_fields:
            return queryset.none(), False
        if self.search_window:
            newest = self.get_queryset(request).order_by(*self.model._meta.ordering)  # noqa: SLF001 -- Django's public hook
            queryset = queryset.filter(pk__in=newest.values("pk")[: self.search_window])
        return super().get_search_results(request, queryset, term)

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # it would list all that hangs on the rows
        return actions

    # ------------------------------------------------------------ forms

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "POST" and connection.in_atomic_block:
            # Of two forms sent at once the second waits, and then sees that it is stale.
            self.held(found)
            found = super().get_object(request, object_id, from_field)
        return found

    def is_editable(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or self.has_change_permission(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any):  # noqa: ANN201, FBT001, FBT002 -- Django's signature
        chosen = self.add_form if obj is None else self.change_form
        chosen = chosen if self.is_editable(request, obj) else None
        form = chosen or self.form
        kwargs["form"] = type(form.__name__, (form,), {"request": request})
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list | tuple:
        if not self.is_editable(request, obj):
            return [(None, {"fields": self.shown_fields()})]
        if obj is not None and self.change_fieldsets:
            return self.change_fieldsets
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        if not self.is_editable(request, obj):
            return self.shown_fields()
        return (*self.readonly_fields, *(["workspace"] if self._has_field("workspace") else []))

    def shown_fields(self) -> list[Any]:
        """Return what a page without a form shows: all but secrets, bytes and vectors."""
        if self.detail_fields:
            return list(self.detail_fields)
        return [
            usd(field.name) if isinstance(field, models.DecimalField) else field.name
            for field in self.model._meta.concrete_fields  # noqa: SLF001 -- Django's public hook
            if not isinstance(field, _NEVER_SHOWN) and field.name not in self.hidden
        ]

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        return [
            field.name
            for field in self.model._meta.concrete_fields  # noqa: SLF001 -- Django's public hook
            if isinstance(field, models.ForeignKey)
            and (page := self._page_of(field.remote_field.model)) is not None
            and page.model is not Workspace
            and page.get_search_fields(request)
        ]

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey, request: HttpRequest, **kwargs: Any
    ) -> Any:
        page = self._page_of(db_field.remote_field.model)
        if page is not None:
            # What a row refers to may decide whose it is: the role is needed there, not anywhere.
            kwargs.setdefault(
                "queryset", page.choosable(request, self.adds or self.changes or OPERATOR)
            )
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and page is not None and page.model is Workspace:
            field.empty_label = None
        return field

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in (*self.word_lists, *self.line_lists):
            kind = WordsField if db_field.name in self.word_lists else LinesField
            return kind(label=db_field.verbose_name.capitalize(), help_text=db_field.help_text)
        if isinstance(db_field, models.JSONField):
            return JsonField(
                label=str(db_field.verbose_name).capitalize(),
                help_text=db_field.help_text,
                required=not db_field.blank,
                initial=db_field.get_default,
            )
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(db_field, models.TextField):
            field.widget.attrs["rows"] = _ROWS_OF_LONG if db_field.name in self.long else _ROWS
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget  # no pop-ups that make related rows
        return field

    def _page_of(self, model: Any) -> "LoomAdmin | None":
        found = self.admin_site._registry.get(model)  # noqa: SLF001 -- get_model_admin raises instead
        return found if isinstance(found, LoomAdmin) else None

    def _has_field(self, name: str) -> bool:
        return any(field.name == name for field in self.model._meta.concrete_fields)  # noqa: SLF001 -- Django's public hook

    # ------------------------------------------------------------ writing

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        if isinstance(form, RowForm):
            super().save_model(request, obj, cast("Any", form), change)
        if not change:
            once.spend(request, workspace_id=self.workspace_id_of(obj), target=obj.pk)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except once.SentBefore as before:  # what this one wrote is taken back with its transaction
            messages.warning(request, str(before))
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return HttpResponseRedirect(reverse(name))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        if request.method == "POST" and not reason_of(request):
            messages.error(request, "Say why: a deletion asks for a reason.")
            return HttpResponseRedirect(request.path)
        return super().delete_view(request, object_id, extra_context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:  # noqa: ARG002 -- Django's signature
        return [str(obj) for obj in objs], {}, set(), []

    def log_addition(self, request: HttpRequest, object: Any, message: Any) -> Any:  # noqa: A002 -- Django's name
        if self.audits:
            self.audit(request, object, "create")
        return super().log_addition(request, object, message)

    def log_change(self, request: HttpRequest, object: Any, message: Any) -> Any:  # noqa: A002 -- Django's name
        if self.audits:
            self.audit(request, object, "change", changed=message)
        return super().log_change(request, object, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset if self.audits else ():
            self.audit(request, row, "delete", reason=reason_of(request), what=str(row)[:200])
        return super().log_deletions(request, queryset)  # pyright: ignore[reportAttributeAccessIssue] -- Django 5.1


def _several(request: HttpRequest) -> bool:
    reach = reach_of(request)
    return reach.everything or len(reach.roles) > 1
