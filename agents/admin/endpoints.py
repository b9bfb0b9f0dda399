"""Pages of model endpoints: an address, a model, a secret that is never shown, and a test."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents import wiring
from agents.admin.base import AgentsAdmin, AgentsForm
from agents.models import Endpoint
from agents.providers.presets import PRESETS
from agents.services import endpoints
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import ago, badge
from loomsite.access.admin.reach import OPERATOR
from loomsite.access.core.errors import InputInvalid

_NAMED = 12


class EndpointForm(AgentsForm):
    """An address, a model and a secret that is written and never read."""

    names = {"secret": "new_secret"}

    base_url = fields.suggesting(
        "Address", {preset.base_url: preset.title for preset in PRESETS}, max_length=500,
        help_text="Of an OpenAI-compatible API, most often up to and with /v1.",
    )  # fmt: skip
    new_secret = fields.secret(
        "Secret", "The key, or env:LOOM_SECRET_NAME to read it from the environment."
    )

    class Meta:
        model = Endpoint
        fields = (
            "workspace", "slug", "name", "base_url", "model", "usd_per_million_prompt",
            "usd_per_million_completion", "profile", "fallback", "is_default", "enabled",
        )  # fmt: skip

    def _values(self, names: list[str]) -> dict[str, Any]:
        given = {n: self.cleaned_data[n] for n in names if n not in {"workspace", "new_secret"}}
        if "fallback" in given:
            other = given.pop("fallback")
            given["fallback_id"] = None if other is None else str(other.pk)
        return given

    def write(self) -> object:
        return wiring.endpoint_create(
            workspace_id=self.workspace_id,
            secret=self.cleaned_data["new_secret"],
            **self._values(list(self.cleaned_data)),
        )


class EndpointChangeForm(EndpointForm):
    new_secret = fields.secret(
        "New secret", "Empty: the stored one stays. A new address needs it again."
    )
    forget_secret = fields.switch("Forget the stored secret")

    def write(self) -> object:
        given = [n for n in self.changed_data if n in self.cleaned_data and n != "forget_secret"]
        forget = self.cleaned_data["forget_secret"]
        wiring.endpoint_update(
            workspace_id=self.workspace_id,
            endpoint_id=str(self.instance.pk),
            secret=self.cleaned_data["new_secret"] or ("" if forget else None),
            **self._values(given),
        )
        return self.instance.pk


_PRICES = ("usd_per_million_prompt", "usd_per_million_completion")
_ENDPOINT_FIELDS = (
    ("Model", {"fields": ("model", _PRICES, "profile")}),
    ("Service", {"fields": ("fallback", ("is_default", "enabled"))}),
)  # fmt: skip


@admin.register(Endpoint)
class EndpointAdmin(AgentsAdmin):
    adds = changes = deletes = OPERATOR
    add_form = EndpointForm
    change_form = EndpointChangeForm
    hidden = ("secret",)
    list_display = (
        "slug",
        "base_url",
        "model",
        badge("source", {"environment": "info"}),
        "is_default",
        "enabled",
        ago("updated_at"),
    )
    list_filter = ("enabled",)
    search_fields = ("slug", "name", "model")
    add_fieldsets = (
        (None, {"fields": ("workspace", "slug", "name", "base_url", "new_secret")}),
        *_ENDPOINT_FIELDS,
    )
    change_fieldsets = (
        (
            None,
            {"fields": ("workspace", "slug", "name", "base_url", "new_secret", "forget_secret")},
        ),
        *_ENDPOINT_FIELDS,
    )
    readonly_fields = ("slug",)
    row_actions = (
        RowAction(name="test", label="Test it", icon="network_check", run="test", outside=True),
    )
    empty = (
        "An endpoint is an OpenAI-compatible address. Without one, OPENAI_BASE_URL and"
        " OPENAI_API_KEY are used, else the extractive reader."
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        fixed = obj is not None and obj.read_only
        return not fixed and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        fixed = obj is not None and obj.read_only
        return not fixed and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:  # noqa: ARG002 -- Django's signature
        endpoints.endpoint_delete(workspace_id=self.home(obj), endpoint_id=str(obj.pk))

    def test(self, request: HttpRequest, endpoint: Endpoint) -> str:  # noqa: ARG002 -- a button's signature
        found = wiring.endpoint_test(workspace_id=self.home(endpoint), endpoint_id=str(endpoint.pk))
        if not found["ok"]:
            raise InputInvalid(f"{endpoint}: {found['error']}", errors=())
        named = ", ".join(found["models"][:_NAMED])
        more = len(found["models"]) - _NAMED
        listed = f"{named} and {more} more" if more > 0 else named or "no model"
        return f"{endpoint} answers in {found['took_ms']} ms and lists {listed}."
