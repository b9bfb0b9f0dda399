"""The pages of webhooks: a secret is shown once, each telling is kept, and strangers see none."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from cluster.models import Webhook, WebhookDelivery
from loomsite.access.models import ApiKey, AuditEntry, Workspace
from tests.integration.admin.seeding import EVIL, member, signed_in
from tests.support.receiver import Receiver

pytestmark = pytest.mark.django_db

_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture
def client(home: Workspace) -> Client:
    return signed_in(member(home.pk, "owner", "olga"))


def _url(page: str, *args: object, model: str = "webhook") -> str:
    return reverse(f"admin:cluster_{model}_{page}", args=args)


def _form(home: Workspace, **fields: object) -> dict[str, object]:
    return {
        "workspace": home.pk, "url": "https://hooks.example.com/in", "name": "Chat",
        "events": "task.finished, input.required", "enabled": "on", **fields,
    }  # fmt: skip


def _hook(client: Client, home: Workspace, **fields: object) -> Webhook:
    client.post(_url("add"), _form(home, **fields))
    return Webhook.objects.get(workspace=home)


def _delivery(hook: Webhook, **fields: object) -> WebhookDelivery:
    values = {"type": "task.finished", "event": {"a": EVIL}, "status": "failed", "error": EVIL}
    return WebhookDelivery.objects.create(workspace=hook.workspace, webhook=hook, **values | fields)


def test_a_secret_is_shown_when_it_is_made_and_never_again(client, home) -> None:
    made = client.post(_url("add"), _form(home))
    hook = Webhook.objects.get()
    first = _SECRET.findall(made.content.decode())
    pages = [
        client.get(url).content.decode()
        for url in (
            _url("changelist"),
            _url("change", hook.pk),
            reverse("admin:access_auditentry_changelist"),
        )
    ]

    assert len(set(first)) == 1
    assert (hook.name, sorted(hook.events)) == ("Chat", ["input.required", "task.finished"])
    assert hook.created_by == "user:olga"
    assert not [page for page in pages if "whsec_" in page or hook.secret in page]
    assert first[0] not in str(list(AuditEntry.objects.values()))


def test_a_new_secret_needs_a_reason_and_replaces_the_old_one(client, home) -> None:
    hook = _hook(client, home)
    url = _url("do", hook.pk, "rotate")

    client.post(url)
    untouched = Webhook.objects.get().secret
    shown = client.post(url, {"reason": "it was in a log"}).content.decode()

    assert untouched == hook.secret
    assert Webhook.objects.get().secret != hook.secret
    assert len(set(_SECRET.findall(shown))) == 1
    assert AuditEntry.objects.filter(action="webhook.rotate", reason="it was in a log").exists()


@pytest.mark.parametrize("model", ["webhook", "apikey"])
def test_a_form_that_is_sent_twice_makes_one(model, client, home) -> None:
    forms = {
        "webhook": (_url("add"), _form(home)),
        "apikey": (
            reverse("admin:access_apikey_add"),
            {"workspace": home.pk, "user": "olga", "name": "k", "scopes": ["tasks:read"]},
        ),
    }
    url, form = forms[model]

    first = client.post(url, {**form, "_once": "one-form"})
    again = client.post(url, {**form, "_once": "one-form"}, follow=True)

    assert first.status_code == 200
    assert "was sent before" in again.content.decode()
    assert (Webhook if model == "webhook" else ApiKey).objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"url": "http://127.0.0.1:1/x"}, "127.0.0.1"),
        ({"url": "ftp://hooks.example.com/"}, "http"),
        ({"url": "not an address"}, "errornote"),
        ({"events": "task.exploded"}, "task.exploded"),
        ({"events": ""}, "event"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_on_its_form(fields, why, client, home) -> None:
    page = client.post(_url("add"), _form(home, **fields))

    assert page.status_code == 200
    assert why in page.content.decode()
    assert not Webhook.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_test_is_sent_and_what_came_back_is_kept(client, home, settings) -> None:
    settings.LOOM_EGRESS_ALLOW = ["127.0.0.1"]
    with Receiver() as receiver:
        hook = _hook(client, home, url=receiver.url)
        receiver.statuses = [204, 500]
        good = client.post(_url("do", hook.pk, "test"), follow=True).content.decode()
        bad = client.post(_url("do", hook.pk, "test"), follow=True).content.decode()

    assert "took the test with 204" in good
    assert "did not take the test" in bad
    assert len(receiver.got) == 2
    assert "webhook-signature" in {name.lower() for name in receiver.got[0][0]}
    sent = WebhookDelivery.objects.order_by("created_at", "pk")
    assert list(sent.values_list("status_code", flat=True)) == [204, 500]


def test_a_failed_delivery_is_shown_as_text_and_sent_again_once(client, home) -> None:
    hook = _hook(client, home)
    delivery = _delivery(hook)
    url = _url("do", delivery.pk, "redeliver", model="webhookdelivery")

    pages = [
        client.get(_url("change", hook.pk)).content.decode(),
        client.get(_url("changelist", model="webhookdelivery")).content.decode(),
        client.get(_url("change", delivery.pk, model="webhookdelivery")).content.decode(),
    ]
    client.post(url)
    again = client.post(url, follow=True).content.decode()
    delivery.refresh_from_db()

    assert not [page for page in pages if EVIL in page]
    assert delivery.status == "pending"
    assert "not possible any more" in again
    assert AuditEntry.objects.filter(action__contains="redeliver").count() == 1


def test_one_that_was_switched_off_says_why_and_is_switched_on_again(client, home) -> None:
    hook = _hook(client, home)
    Webhook.objects.update(enabled=False, disabled_reason="20 failures in a row")

    listed = client.get(_url("changelist")).content.decode()
    client.post(_url("change", hook.pk), _form(home))
    hook.refresh_from_db()

    assert "20 failures in a row" in listed
    assert (hook.enabled, hook.disabled_reason) == (True, "")


def test_deleting_one_asks_why_and_keeps_the_answer(client, home) -> None:
    hook = _hook(client, home)

    client.post(_url("delete", hook.pk), {"post": "yes"})
    there = Webhook.objects.count()
    client.post(_url("delete", hook.pk), {"post": "yes", "reason": "moved to another chat"})

    assert (there, Webhook.objects.count()) == (1, 0)
    assert AuditEntry.objects.get(action="webhook.delete").reason == "moved to another chat"


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_is_no_owner_makes_changes_and_tests_none(role, client, home) -> None:
    hook = _hook(client, home)
    other = signed_in(member(home.pk, role))

    codes = [
        other.post(_url("add"), _form(home)).status_code,
        other.post(_url("change", hook.pk), _form(home, name="x")).status_code,
        other.post(_url("do", hook.pk, "test")).status_code,
        other.post(_url("do", hook.pk, "rotate"), {"reason": "so"}).status_code,
        other.post(_url("delete", hook.pk), {"post": "yes", "reason": "so"}).status_code,
    ]

    assert codes == [403] * 5
    assert list(Webhook.objects.values_list("name", "secret")) == [("Chat", hook.secret)]


def test_an_owner_of_another_workspace_sees_and_reaches_none(client, home) -> None:
    hook = _hook(client, home)
    delivery = _delivery(hook)
    strange = Workspace.objects.create(slug="strange", name="Strange")
    other = signed_in(member(strange.pk, "owner"))

    lists = [
        other.get(_url("changelist", model=model), {"q": query}).content.decode()
        for model in ("webhook", "webhookdelivery")
        for query in ("", "Chat", str(delivery.pk))
    ]
    codes = {
        other.get(_url("change", hook.pk), follow=True).redirect_chain[-1][1],
        other.get(_url("change", delivery.pk, model="webhookdelivery"), follow=True)
        .redirect_chain[-1][1],
    }  # fmt: skip
    acts = [
        other.post(_url("do", hook.pk, "test")).status_code,
        other.post(_url("do", hook.pk, "rotate"), {"reason": "so"}).status_code,
        other.post(_url("do", delivery.pk, "redeliver", model="webhookdelivery")).status_code,
    ]
    sneaked = other.post(_url("add"), _form(home))

    assert not [page for page in lists if "hooks.example.com" in page or "task.finished" in page]
    assert codes == {302}
    assert acts == [404] * 3
    assert sneaked.status_code == 200
    assert Webhook.objects.count() == 1
    delivery.refresh_from_db()
    assert delivery.status == "failed"
