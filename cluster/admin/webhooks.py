"""Pages of webhooks: who is told of what, each telling, and a test."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import display

from cluster import wiring
from cluster.admin.base import ClusterAdmin, ClusterForm
from cluster.core.webhooks import DEFAULT
from cluster.models import Webhook, WebhookDelivery
from cluster.services import webhooks
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import DOOR, RowAction, reason_of
from loomsite.access.admin.display import EMPTY, ago, badge, json_text, row, short, task_link, words
from loomsite.access.admin.reach import OPERATOR, OWNER, actor_of
from loomsite.access.core.errors import InputInvalid

_STATUS = {"delivered": "success", "failed": "danger", "pending": "info"}
_SHOWN = 30


class WebhookForm(ClusterForm):
    """An address that is told of chosen events."""

    url = fields.text("URL", required=True, max_length=500, help_text="Gets a signed POST.")
    name = fields.text("Name", max_length=200)
    events = fields.WordsField(
        label="Events", initial=sorted(DEFAULT), help_text="Types of events, with commas between."
    )
    enabled = fields.switch("Enabled", initial=True)

    class Meta:
        model = Webhook
        fields = ("workspace",)

    def write(self) -> object:
        given = {n: self.cleaned_data[n] for n in ("url", "name", "events", "enabled")}
        who = {"workspace_id": self.workspace_id, "actor": self.actor, "door": DOOR}
        if self.instance._state.adding:  # noqa: SLF001 -- Django's public hook
            pk, self.secret = wiring.webhook_create(**who, **given)
            return pk
        changed = {name: value for name, value in given.items() if name in self.changed_data}
        if changed:
            wiring.webhook_update(**who, webhook_id=str(self.instance.pk), **changed)
        return self.instance.pk


@admin.register(Webhook)
class WebhookAdmin(ClusterAdmin):
    adds = changes = deletes = OWNER
    add_form = change_form = WebhookForm
    audits = False  # the services do
    hidden = ("secret",)
    list_display = (
        "__str__", short("url", "URL", chars=60), words("events"), "enabled",
        short("disabled_reason", "why it is off", chars=60), ago("created_at"),
    )  # fmt: skip
    list_filter = ("enabled",)
    search_fields = ("name", "url")
    add_fieldsets = ((None, {"fields": ("workspace", "url", "name", "events", "enabled")}),)
    change_fieldsets = (
        (None, {"fields": ("url", "name", "events", "enabled")}),
        ("Record", {"fields": (("created_by", "created_at"), "disabled_reason")}),
    )
    readonly_fields = ("created_by", "created_at", "disabled_reason")
    change_form_template = "loom/admin/webhook.html"
    row_actions = (
        RowAction(name="test", label="Send a test", icon="send", run="test", role=OWNER,
                  outside=True),
        RowAction(name="rotate", label="New secret", icon="autorenew", run="rotate", role=OWNER,
                  danger=True, reason=True,
                  confirm="The old secret signs nothing more. Make a new one?"),
    )  # fmt: skip
    empty = (
        "A webhook is an address that is told when tasks end or ask something, with a signature."
    )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            request.loom_secret = form.secret  # pyright: ignore[reportAttributeAccessIssue] -- for this answer

    def response_add(
        self,
        request: HttpRequest,
        obj: Any,
        post_url_continue: str | None = None,  # noqa: ARG002 -- Django's
    ) -> HttpResponse:
        """Show the secret in the answer itself: a redirect would have to keep it somewhere."""
        return self._secret_shown(request, obj, request.loom_secret)  # pyright: ignore[reportAttributeAccessIssue] -- set above

    def _secret_shown(self, request: HttpRequest, row: Webhook, secret: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "The webhook's secret",
            "opts": self.opts,
            "row": row,
            "secret": secret,
        }
        return TemplateResponse(request, "loom/admin/webhook_secret.html", context)

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        sent = WebhookDelivery.objects.filter(webhook=obj).order_by("-created_at", "-id")
        sent = sent.defer("event", "payload")[:_SHOWN]
        return {**super().extra_context(request, obj), "deliveries": sent}

    def test(self, request: HttpRequest, row: Webhook) -> str:  # noqa: ARG002 -- a button's signature
        found = wiring.webhook_test(workspace_id=str(row.workspace_id), webhook_id=str(row.pk))
        if found["status"] != WebhookDelivery.Status.DELIVERED:
            raise InputInvalid(f"It did not take the test: {found['error']}", errors=())
        return f"It took the test with {found['status_code']} in {found['latency_ms']} ms."

    def rotate(self, request: HttpRequest, row: Webhook) -> HttpResponse:
        secret = wiring.webhook_rotate(
            workspace_id=str(row.workspace_id),
            webhook_id=str(row.pk),
            actor=actor_of(request),
            door=DOOR,
        )
        return self._secret_shown(request, row, secret)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        webhooks.webhook_delete(
            workspace_id=str(obj.workspace_id),
            webhook_id=str(obj.pk),
            actor=actor_of(request),
            door=DOOR,
            reason=reason_of(request),
        )


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ClusterAdmin):
    list_display = (
        "type", badge("status", _STATUS), row("webhook"), "of", "attempts", "status_code",
        short("error", chars=60), ago("created_at"), ago("next_at", "next try"),
    )  # fmt: skip
    list_select_related = ("webhook",)
    list_filter = ("status",)
    id_fields = ("id", "task_id")
    defer = ("event", "payload")
    readonly_fields = ("message",)
    detail_fields = (
        "type", "status", "webhook", "task_id", "attempts", "next_at", "status_code", "error",
        "latency_ms", "created_at", "ended_at", "message",
    )  # fmt: skip
    row_actions = (
        RowAction(
            name="redeliver", label="Send it again", icon="send", run="redeliver", role=OPERATOR,
            audited=False, when=lambda row: row.status != WebhookDelivery.Status.PENDING,
        ),
    )  # fmt: skip
    empty = "What is sent to webhooks is kept here, with what they answered."

    @display(description="task")
    def of(self, delivery: WebhookDelivery) -> Any:
        return task_link(delivery.task_id) if delivery.task_id else EMPTY

    @display(description="message")
    def message(self, delivery: WebhookDelivery) -> str:
        return json_text(delivery.payload or delivery.event)

    def redeliver(self, request: HttpRequest, delivery: WebhookDelivery) -> str:
        webhooks.delivery_redeliver(
            workspace_id=str(delivery.workspace_id),
            webhook_id=str(delivery.webhook_id),
            delivery_id=str(delivery.pk),
            actor=actor_of(request),
            door=DOOR,
        )
        return "It is sent again, under the same message id."
