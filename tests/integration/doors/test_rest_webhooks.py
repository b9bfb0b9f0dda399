"""Webhooks over REST, and what is sent: signed, retried with pauses and an end."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from cluster import wiring
from cluster.core.webhooks import PAUSES_S
from cluster.models import Task, Webhook, WebhookDelivery
from cluster.services.tasks import task_cancel, task_submit
from cluster.services.webhooks import deliveries_trim
from loomsite.access.models import AuditEntry
from tests.factories.access import client_with, make_key, make_tenant
from tests.support.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
HOOKS = "/api/v1/webhooks"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def receiver(settings):
    settings.LOOM_EGRESS_ALLOW = ["127.0.0.1"]
    with Receiver() as server:
        yield server


def made(tenant, receiver, **fields):
    response = tenant.client().post(HOOKS, {"url": receiver.url, **fields}, format="json")
    assert response.status_code == 201, response.content
    return response.json()


def ended(tenant, **fields):
    where = {"workspace_id": tenant.workspace_id, "actor": "test"}
    task_id, _ = task_submit(**where, door="test", goal="Name the moons of Mars.", **fields)
    task_cancel(**where, task_id=task_id)
    return task_id


def due_now():
    WebhookDelivery.objects.exclude(next_at=None).update(next_at=timezone.now())


def test_the_end_of_a_task_is_told_signed_and_once(receiver):
    tenant = make_tenant()
    hook = made(tenant, receiver)
    task_id = ended(tenant)

    assert (wiring.webhooks_send(), wiring.webhooks_send()) == (1, 0)

    ((headers, body),) = receiver.got
    message = Verifier(hook["secret"]).verify(body, headers)
    shown = tenant.client().get(f"/api/v1/tasks/{task_id}").json()
    assert (message["type"], message["data"]["task"]) == ("task.finished", shown)
    assert message["data"]["event"]["type"] == "task.finished"
    with pytest.raises(WebhookVerificationError):
        Verifier(hook["secret"]).verify(body.replace("cancelled", "succeeded"), headers)
    (delivery,) = tenant.client().get(f"{HOOKS}/{hook['id']}/deliveries").json()["results"]
    assert (delivery["status"], delivery["attempts"], delivery["status_code"]) == (
        "delivered",
        1,
        204,
    )
    one = tenant.client().get(f"{HOOKS}/{hook['id']}/deliveries/{delivery['id']}").json()
    assert one["payload"] == message
    assert headers["webhook-id"] == delivery["id"]


def test_chosen_events_of_this_workspace_reach_those_that_are_on(receiver):
    tenant, stranger = make_tenant(), make_tenant()
    made(tenant, receiver, events=["task.created"])
    off = made(tenant, receiver)
    tenant.client().patch(f"{HOOKS}/{off['id']}", {"enabled": False}, format="json")
    ended(tenant)
    ended(stranger)

    wiring.webhooks_send()

    assert [json.loads(body)["type"] for _, body in receiver.got] == ["task.created"]


def test_of_parts_only_a_question_is_told():
    tenant = make_tenant()
    Webhook.objects.create(
        workspace_id=tenant.workspace_id, url="https://example.com", events=["task.finished"]
    )
    parent = Task.objects.get(pk=ended(tenant))
    WebhookDelivery.objects.all().delete()
    where = {"workspace_id": tenant.workspace_id, "actor": "test"}
    part, _ = task_submit(**where, door="test", goal="A part.")
    Task.objects.filter(pk=part).update(parent=parent, parent_cycle=1, plan_key="1")
    task_cancel(**where, task_id=part)

    assert not WebhookDelivery.objects.exists()


def test_a_failure_is_tried_again_with_growing_pauses_until_the_end(receiver):
    tenant = make_tenant()
    hook = made(tenant, receiver)
    ended(tenant)
    receiver.statuses = [500]

    pauses = []
    for _ in range(len(PAUSES_S)):
        due_now()
        wiring.webhooks_send()
        row = WebhookDelivery.objects.get()
        pauses.append((row.next_at - timezone.now()).total_seconds())
    due_now()
    wiring.webhooks_send()

    row = WebhookDelivery.objects.get()
    assert (row.status, row.attempts, row.next_at) == ("failed", len(PAUSES_S) + 1, None)
    assert row.error == "Answered 500."
    assert all(
        least - 1 <= pause <= least * 1.2 for pause, least in zip(pauses, PAUSES_S, strict=True)
    )
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({body for _, body in receiver.got}) == 1
    again = f"{HOOKS}/{hook['id']}/deliveries/{row.pk}/redeliver"
    receiver.statuses = [200]
    assert tenant.client().post(again, {}, format="json").json()["status"] == "pending"
    wiring.webhooks_send()
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("delivered", 1)


@pytest.mark.parametrize(
    ("status", "after", "error"),
    [
        (302, "pending", "Answered 302: redirects are not followed, give the final address."),
        (410, "failed", "Answered 410."),
    ],
)
def test_redirects_are_not_followed_and_gone_switches_off(receiver, status, after, error):
    tenant = make_tenant()
    hook = made(tenant, receiver)
    ended(tenant)
    receiver.statuses = [status]

    wiring.webhooks_send()

    row = WebhookDelivery.objects.get()
    assert (row.status, row.error, len(receiver.got)) == (after, error, 1)
    shown = tenant.client().get(f"{HOOKS}/{hook['id']}").json()
    assert shown["enabled"] is (status != 410)
    assert bool(shown["disabled_reason"]) is (status == 410)


def test_a_private_address_is_refused_and_reached_by_no_redirected_name(receiver, settings):
    tenant = make_tenant()
    made(tenant, receiver)
    ended(tenant)
    settings.LOOM_EGRESS_ALLOW = []

    refused = tenant.client().post(HOOKS, {"url": receiver.url}, format="json")
    wiring.webhooks_send()

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "url")
    assert receiver.got == []
    assert "LOOM_EGRESS_ALLOW" in WebhookDelivery.objects.get().error


def test_a_test_message_is_sent_at_once_and_only_once(receiver):
    tenant = make_tenant()
    hook = made(tenant, receiver)

    good = tenant.client().post(f"{HOOKS}/{hook['id']}/test", {}, format="json").json()
    receiver.statuses = [503]
    bad = tenant.client().post(f"{HOOKS}/{hook['id']}/test", {}, format="json").json()

    assert (good["status"], good["type"], good["status_code"]) == ("delivered", "webhook.test", 204)
    assert (bad["status"], bad["error"], bad["next_at"]) == ("failed", "Answered 503.", None)


def test_the_secret_is_shown_once_sealed_at_rest_and_rotated(receiver):
    tenant = make_tenant()
    hook = made(tenant, receiver)

    rotated = tenant.client().post(f"{HOOKS}/{hook['id']}/rotate", {}, format="json").json()
    ended(tenant)
    wiring.webhooks_send()

    stored = Webhook.objects.get().secret
    assert hook["secret"].startswith("whsec_")
    assert rotated["secret"] != hook["secret"]
    for secret in (hook["secret"], rotated["secret"]):
        assert secret not in stored
        assert secret not in str(list(AuditEntry.objects.values()))
        for path in (HOOKS, f"{HOOKS}/{hook['id']}"):
            assert secret not in tenant.client().get(path).content.decode()
    ((headers, body),) = receiver.got
    assert Verifier(rotated["secret"]).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(hook["secret"]).verify(body, headers)


def test_what_a_dead_worker_took_is_sent_by_the_next(receiver):
    tenant = make_tenant()
    made(tenant, receiver)
    ended(tenant)
    (lost,) = wiring.webhooks.deliveries_take()
    due_now()

    assert wiring.webhooks_send() == 1

    late = wiring.webhooks.Tried(status_code=None, error="late", latency_ms=1)
    wiring.webhooks.delivery_record(lost, late)
    assert WebhookDelivery.objects.get().status == "delivered"


def test_one_that_hangs_keeps_no_other_waiting(receiver):
    tenant = make_tenant()
    hooks = [made(tenant, receiver)["id"] for _ in range(2)]
    for _ in range(9):
        ended(tenant)

    taken = wiring.webhooks.deliveries_take()

    of = WebhookDelivery.objects.filter(pk__in=[out.id for out in taken])
    assert {hook: of.filter(webhook_id=hook).count() for hook in hooks} == dict.fromkeys(hooks, 4)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://user:pw@example.com"}, "url"),
        ({"url": 7}, "url"),
        ({"url": "https://example.com", "events": []}, "events"),
        ({"url": "https://example.com", "events": ["nonsense"]}, "events"),
        ({"url": "https://example.com", "events": [{}]}, "events"),
        ({"url": "https://example.com", "enabled": "yes"}, "enabled"),
        ({"url": "https://example.com", "secret": "mine"}, "secret"),
        ({"url": "https://example.com", "name": "x" * 201}, "name"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_by_field(body, field):
    response = make_tenant().client().post(HOOKS, body, format="json")

    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)
    assert not Webhook.objects.exists()


def test_strangers_see_nothing_and_writers_need_admin(receiver):
    tenant, stranger = make_tenant(), make_tenant()
    hook = made(tenant, receiver)
    ended(tenant)
    delivery = WebhookDelivery.objects.get().pk
    reader = client_with(make_key(tenant.slug, ["tasks:read", "tasks:write"]))
    at = f"{HOOKS}/{hook['id']}"
    paths = [
        ("get", at), ("patch", at), ("delete", at), ("post", f"{at}/test"),
        ("post", f"{at}/rotate"), ("get", f"{at}/deliveries"),
        ("get", f"{at}/deliveries/{delivery}"), ("post", f"{at}/deliveries/{delivery}/redeliver"),
    ]  # fmt: skip

    for method, path in paths:
        foreign = getattr(stranger.client(), method)(path, {}, format="json")
        missing = getattr(stranger.client(), method)(
            path.replace(hook["id"], NOBODY), {}, format="json"
        )
        assert (foreign.status_code, missing.status_code) == (404, 404), path
        status = getattr(reader, method)(path, {}, format="json").status_code
        assert status == (200 if method == "get" else 403), path
    assert stranger.client().get(HOOKS).json()["results"] == []
    assert Webhook.objects.count() == 1
    assert tenant.client().delete(at).status_code == 204
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize("count", [1, 3])
def test_lists_cost_the_same_for_one_and_for_many(receiver, django_assert_num_queries, count):
    tenant = make_tenant()
    hooks = [made(tenant, receiver) for _ in range(count)]
    for _ in range(count):
        ended(tenant)
    client = tenant.client()
    client.get(HOOKS)

    with django_assert_num_queries(2):
        client.get(HOOKS)
    with django_assert_num_queries(3):
        client.get(f"{HOOKS}/{hooks[0]['id']}/deliveries")
    first = client.get(f"{HOOKS}/{hooks[0]['id']}/deliveries?limit=1").json()
    assert (first["next"] is None) is (count == 1)


def test_old_deliveries_are_forgotten_and_waiting_ones_kept(receiver):
    tenant = make_tenant()
    made(tenant, receiver)
    ended(tenant)
    wiring.webhooks_send()
    ended(tenant)
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=31))

    assert deliveries_trim() == 1
    assert [row.status for row in WebhookDelivery.objects.all()] == ["pending"]
