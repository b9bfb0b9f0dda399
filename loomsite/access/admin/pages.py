"""Pages of access: workspaces, members, keys, the audit."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from loomsite.access.admin import fields
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.buttons import DOOR, RowAction, reason_of
from loomsite.access.admin.display import ago, badge, short, words
from loomsite.access.admin.filters import filter_of
from loomsite.access.admin.forms import RowForm, ServiceForm
from loomsite.access.admin.reach import OWNER, actor_of
from loomsite.access.core import keys
from loomsite.access.core.scopes import SCOPES
from loomsite.access.models import ApiKey, AuditEntry, IdempotencyKey, Membership, Workspace
from loomsite.access.services import apikey_create, apikey_revoke, workspace_create


class WorkspaceAddForm(ServiceForm):
    slug = fields.text("Slug", required=True, help_text="1 to 63 of a to z, 0 to 9 and hyphen.")
    name = fields.text("Name")

    def write(self) -> object:
        return workspace_create(
            slug=self.cleaned_data["slug"],
            name=self.cleaned_data["name"],
            actor=self.actor,
            door=DOOR,
        )


@admin.register(Workspace)
class WorkspaceAdmin(LoomAdmin):
    workspace_path = "id"
    changes = OWNER
    add_form = WorkspaceAddForm
    list_display = ("slug", "name", ago("created_at"))
    search_fields = ("slug", "name")
    add_fieldsets = ((None, {"fields": ("slug", "name")}),)
    change_fieldsets = ((None, {"fields": ("slug", "name", "settings", "created_at")}),)
    readonly_fields = ("slug", "created_at")
    sortable_by = None
    empty = "A workspace is a tenant: its agents, tasks and knowledge are its own."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def log_addition(self, request: HttpRequest, object: Any, message: Any) -> Any:  # noqa: A002 -- Django's name
        """Leave the audit to the service, which writes it with the row."""
        return ModelAdmin.log_addition(self, request, object, message)


class MembershipForm(RowForm):
    username = fields.text(
        "User name", required=True, help_text="Somebody who has an account; superusers make them."
    )

    def clean_username(self) -> str:
        name = self.cleaned_data["username"]
        person = get_user_model()._default_manager.filter(username=name).first()  # noqa: SLF001 -- Django's public hook
        if person is None:
            raise forms.ValidationError(f"There is nobody called {name!r}: make the account first.")
        self.instance.user = person
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        home, person = cleaned.get("workspace"), getattr(self.instance, "user", None)
        if home and person and Membership.objects.filter(workspace=home, user=person).exists():
            self.add_error("username", "This person is a member already: change their role.")
        return cleaned


@admin.register(Membership)
class MembershipAdmin(LoomAdmin):
    called = "{row.user} in {row.workspace}, {row.role}"
    views = OWNER
    adds = changes = deletes = OWNER
    add_form = MembershipForm
    list_display = (
        "user",
        badge("role", {"owner": "primary", "operator": "info", "viewer": ""}),
        ago("created_at", "since"),
    )
    list_select_related = ("user",)
    list_filter = ("role",)
    search_fields = ("user__username",)
    add_fieldsets = ((None, {"fields": ("workspace", "username", "role")}),)
    change_fieldsets = ((None, {"fields": ("user", "workspace", "role", "created_at")}),)
    readonly_fields = ("user", "created_at")
    empty = "Members see a workspace here: viewers read, operators work, owners decide who may."


class ApiKeyForm(ServiceForm):
    user = fields.text("User name", required=True, help_text="Whose key it is.")
    name = fields.text("Name", max_length=100, help_text="What it is for.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        initial=["tasks:read", "tasks:write", "knowledge:read", "agents:read"],
    )
    expires_days = fields.whole("Expires after days", help_text="Empty: it does not expire.")

    def write(self) -> object:
        given = self.cleaned_data
        key = apikey_create(
            workspace_slug=given["workspace"].slug,
            user=given["user"],
            scopes=given["scopes"],
            expires_days=given["expires_days"],
            name=given["name"],
            actor=self.actor,
            door=DOOR,
        )
        parts = keys.read(key)
        assert parts is not None  # we made it just now
        self.key = key
        return ApiKey.objects.values_list("pk", flat=True).get(prefix=parts.prefix)


@admin.register(ApiKey)
class ApiKeyAdmin(LoomAdmin):
    views = OWNER
    adds = OWNER
    add_form = ApiKeyForm
    audits = False  # the services do
    hidden = ("secret_sha256",)
    list_display = (
        "__str__",
        "name",
        "user",
        words("scopes"),
        ago("last_used_at", "last used"),
        ago("expires_at", "expires"),
        ago("revoked_at", "revoked"),
    )
    list_select_related = ("user",)
    search_fields = ("prefix", "name", "user__username")
    add_fieldsets = ((None, {"fields": ("workspace", "user", "name", "scopes", "expires_days")}),)
    row_actions = (
        RowAction(
            name="revoke", label="Revoke", icon="block", run="revoke", role=OWNER, danger=True,
            audited=False,
            confirm="Whoever uses this key is locked out at once. Revoke it?", reason=True,
            when=lambda row: row.revoked_at is None,
        ),
    )  # fmt: skip
    empty = "Programs and MCP clients sign in with a key. It is shown once, when it is made."

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        request.loom_key = form.key  # pyright: ignore[reportAttributeAccessIssue] -- for this answer

    def response_add(
        self,
        request: HttpRequest,
        obj: Any,
        post_url_continue: str | None = None,  # noqa: ARG002 -- Django's
    ) -> HttpResponse:
        """Show the key in the answer itself: a redirect would have to keep it somewhere."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new key",
            "opts": self.opts,
            "row": obj,
            "key": request.loom_key,  # pyright: ignore[reportAttributeAccessIssue] -- set above
        }
        return TemplateResponse(request, "loom/admin/apikey_made.html", context)

    def revoke(self, request: HttpRequest, row: ApiKey) -> str:
        apikey_revoke(
            workspace_id=str(row.workspace_id),  # pyright: ignore[reportAttributeAccessIssue] -- Django's
            key_id=str(row.pk),
            actor=actor_of(request),
            door=DOOR,
            reason=reason_of(request),
        )
        return f"{row} opens nothing any more."


@admin.register(AuditEntry)
class AuditEntryAdmin(LoomAdmin):
    called = "{row.action} by {row.actor}"
    views = OWNER
    list_display = (
        ago("at"),
        "actor",
        badge("door", {}),
        "action",
        short("target", chars=40),
        short("reason", chars=60),
    )
    list_filter = (("door", filter_of(AuditEntry.DOORS)),)
    search_fields = ("actor", "action", "target")
    search_window = 5_000
    empty = "Everything that people and programs change is written down here."


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(LoomAdmin):
    list_display = (short("key"), "target_id", ago("created_at"))
    id_fields = ("target_id",)
    empty = "Submissions that come with an idempotency key are remembered here."
