"""Writes of webhooks: who is told, what is queued for them, and how each try ended."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from cluster import live
from cluster.core.errors import RequestInvalid, TaskUnknown
from cluster.core.types import Json
from cluster.core.webhooks import DEFAULT, TEST, retry_pause_s, webhook_read
from cluster.models import Task, Webhook, WebhookDelivery
from cluster.selectors.tasks import task_detail
from cluster.selectors.webhooks import delivery_row, webhook_row
from loomsite.access.core.egress import url_fault
from loomsite.access.services import audit_write

SECRET_BYTES = 32
AT_ONCE = 16
PER_WEBHOOK = 4
TRY_LASTS_S = 60
"""After so long a delivery in flight counts as lost with its worker, and is sent again."""
GONE = 410
KEPT = timedelta(days=30)

# One statement, so that a workspace without webhooks pays for no more than a look into an index.
_QUEUE = """
INSERT INTO cluster_webhookdelivery
    (id, workspace_id, webhook_id, type, task_id, event, payload, status, attempts, next_at, error)
SELECT gen_random_uuid(), workspace_id, id, %(type)s, %(task_id)s, %(event)s::jsonb, '{}',
       'pending', 0, now(), ''
FROM cluster_webhook
WHERE workspace_id = %(workspace_id)s AND enabled AND events ? %(type)s
"""
_TAKE = """
WITH due AS (
    SELECT d.id, d.next_at, row_number() OVER (PARTITION BY d.webhook_id ORDER BY d.next_at, d.id)
        AS turn
    FROM cluster_webhookdelivery d JOIN cluster_webhook w ON w.id = d.webhook_id
    WHERE d.next_at <= now() AND w.enabled
), picked AS (
    SELECT d.id FROM cluster_webhookdelivery d JOIN due ON due.id = d.id
    WHERE due.turn <= %(each)s AND d.next_at <= now()
    ORDER BY due.turn, due.next_at, due.id LIMIT %(limit)s
    FOR UPDATE OF d SKIP LOCKED
)
UPDATE cluster_webhookdelivery d
SET attempts = attempts + 1, next_at = now() + make_interval(secs => %(lasts_s)s)
FROM picked WHERE d.id = picked.id RETURNING d.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A delivery to be tried now; `attempt` is the fence of its outcome."""

    id: str
    attempt: int
    url: str
    secret: str = field(repr=False)
    payload: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How a try ended: 2xx is delivered, all else is not."""

    status_code: int | None
    error: str
    latency_ms: int

    @property
    def delivered(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300  # noqa: PLR2004 -- HTTP's own classes


def webhook_create(
    *,
    workspace_id: str,
    actor: str,
    door: str,
    seal: Callable[[str], str],
    check_url: Callable[[str], None],
    **raw: Any,  # noqa: ANN401 -- from a door as it came
) -> tuple[str, str]:
    """Create a webhook; return its id and its secret, which is shown this once.

    Raises:
        RequestInvalid: A field cannot be used, or the address must not be reached.
    """
    fields = {"events": sorted(DEFAULT), **webhook_read(raw)}
    if "url" not in fields:
        raise RequestInvalid("url: say where the events are to be sent.", field="url")
    _check(fields, check_url)
    secret = _secret()
    with transaction.atomic():
        row = Webhook.objects.create(
            workspace_id=workspace_id, created_by=actor[:200], secret=seal(secret), **fields
        )
        _audit(row, actor=actor, door=door, action="webhook.create")
    return str(row.pk), secret


def webhook_update(
    *,
    workspace_id: str,
    webhook_id: str,
    actor: str,
    door: str,
    check_url: Callable[[str], None],
    **raw: Any,  # noqa: ANN401 -- from a door as it came
) -> None:
    """Change a webhook; what is not given stays. What waits while it is off is sent when it is on.

    Raises:
        WebhookUnknown: There is none with this id here.
        RequestInvalid: A field cannot be used, or the address must not be reached.
    """
    fields = webhook_read(raw)
    _check(fields, check_url)
    if fields.get("enabled"):
        fields["disabled_reason"] = ""
    with transaction.atomic():
        row = webhook_row(workspace_id, webhook_id, lock=True)
        for name, value in fields.items():
            setattr(row, name, value)
        row.save(update_fields=list(fields))
        _audit(row, actor=actor, door=door, action="webhook.update", changed=sorted(fields))
        live.webhooks_wake()


def webhook_rotate(
    *, workspace_id: str, webhook_id: str, actor: str, door: str, seal: Callable[[str], str]
) -> str:
    """Give a webhook a new secret and return it, the only time; the old one signs nothing more.

    Raises:
        WebhookUnknown: There is none with this id here.
    """
    secret = _secret()
    with transaction.atomic():
        row = webhook_row(workspace_id, webhook_id, lock=True)
        row.secret = seal(secret)
        row.save(update_fields=["secret"])
        _audit(row, actor=actor, door=door, action="webhook.rotate")
    return secret


def webhook_delete(
    *, workspace_id: str, webhook_id: str, actor: str, door: str, reason: str = ""
) -> None:
    """Delete a webhook with all that was and would be sent; the audit keeps the reason.

    Raises:
        WebhookUnknown: There is none with this id here.
    """
    with transaction.atomic():
        row = webhook_row(workspace_id, webhook_id, lock=True)
        _audit(row, actor=actor, door=door, action="webhook.delete", reason=reason)
        row.delete()


def webhook_greet(*, workspace_id: str, webhook_id: str) -> str:
    """Queue a test message for a webhook, taken already for its caller to send; return its id.

    Raises:
        WebhookUnknown: There is none with this id here.
    """
    row = webhook_row(workspace_id, webhook_id)
    delivery = WebhookDelivery.objects.create(
        workspace_id=row.workspace_id,
        webhook=row,
        type=TEST,
        event={"seq": 0, "type": TEST, "at": timezone.now().isoformat(), "data": {}},
        attempts=1,
        next_at=timezone.now() + timedelta(seconds=TRY_LASTS_S),
    )
    return str(delivery.pk)


def delivery_redeliver(
    *, workspace_id: str, webhook_id: str, delivery_id: str, actor: str, door: str
) -> None:
    """Send a delivery once more, under the same message id, with all its tries again.

    Raises:
        WebhookUnknown: There is no such webhook here, or no such delivery of it.
    """
    with transaction.atomic():
        row = delivery_row(workspace_id, webhook_id, delivery_id, lock=True)
        row.status, row.attempts, row.ended_at = WebhookDelivery.Status.PENDING, 0, None
        row.next_at = timezone.now()
        row.save(update_fields=["status", "attempts", "ended_at", "next_at"])
        _audit(
            row.webhook, actor=actor, door=door, action="webhook.redeliver", delivery=delivery_id
        )
        live.webhooks_wake()


def event_queue(task: Task, type_: str, event: Json) -> None:
    """Queue an event of a locked task for the webhooks that want it."""
    with connection.cursor() as cursor:
        cursor.execute(
            _QUEUE,
            {
                "type": type_,
                "task_id": task.id,
                "event": json.dumps(event, default=str),
                "workspace_id": task.workspace_id,
            },
        )
        if cursor.rowcount:
            live.webhooks_wake()


def deliveries_take() -> list[Outgoing]:
    """Take due deliveries, few of each webhook, so that one that hangs keeps nobody waiting."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, {"each": PER_WEBHOOK, "limit": AT_ONCE, "lasts_s": TRY_LASTS_S})
        taken = [row[0] for row in cursor.fetchall()]
    return [delivery_prepare(str(delivery_id)) for delivery_id in taken]


def delivery_prepare(delivery_id: str) -> Outgoing:
    """Return a delivery that was taken, with its message, which stays as it is at the first try."""
    row = WebhookDelivery.objects.select_related("webhook").get(pk=delivery_id)
    if not row.payload:
        row.payload = _payload(row)
        row.save(update_fields=["payload"])
    return Outgoing(
        id=str(row.pk),
        attempt=row.attempts,
        url=row.webhook.url,
        secret=row.webhook.secret,
        payload=row.payload,
    )


def delivery_record(out: Outgoing, tried: Tried) -> None:
    """Keep how a try ended, unless the delivery is no longer this one's to end."""
    now = timezone.now()
    with transaction.atomic():
        rows = WebhookDelivery.objects.select_for_update().filter(
            pk=out.id, attempts=out.attempt, status=WebhookDelivery.Status.PENDING
        )
        row = rows.first()
        if row is None:
            return
        row.status_code, row.latency_ms = tried.status_code, tried.latency_ms
        row.error = "" if tried.delivered else tried.error[:500]
        _settle(row, tried, now)
        row.save()
        if tried.status_code == GONE:
            Webhook.objects.filter(pk=row.webhook_id).update(
                enabled=False, disabled_reason="It answered 410 Gone: it wants no more."
            )


def _settle(row: WebhookDelivery, tried: Tried, now: datetime) -> None:
    pause_s = retry_pause_s(row.attempts, rng=SystemRandom())
    if row.type == TEST:
        pause_s = None  # somebody looks at it: no second try behind their back
    if tried.delivered:
        row.status, row.next_at, row.ended_at = WebhookDelivery.Status.DELIVERED, None, now
    elif pause_s is None or tried.status_code == GONE:
        row.status, row.next_at, row.ended_at = WebhookDelivery.Status.FAILED, None, now
    else:
        row.next_at = now + timedelta(seconds=pause_s)


def deliveries_trim() -> int:
    """Forget deliveries that ended long ago, and return how many."""
    gone, _ = WebhookDelivery.objects.filter(
        created_at__lt=timezone.now() - KEPT, next_at=None
    ).delete()
    return gone


def _payload(row: WebhookDelivery) -> Json:
    data: Json = {"event": row.event}
    if row.task_id is not None:
        try:
            data["task"] = task_detail(workspace_id=str(row.workspace_id), task_id=str(row.task_id))
        except TaskUnknown:
            data["task"] = None  # deleted since
    return {"type": row.type, "timestamp": row.event["at"], "data": data}


def _check(fields: Json, check_url: Callable[[str], None]) -> None:
    if "url" not in fields:
        return
    fault = url_fault(fields["url"])
    if fault:
        raise RequestInvalid(f"url: {fault}", field="url")
    check_url(fields["url"])


def _secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _audit(
    row: Webhook, *, actor: str, door: str, action: str, reason: str = "", **detail: object
) -> None:
    audit_write(
        workspace_id=row.workspace_id,
        actor=actor,
        door=door,
        action=action,
        target=f"webhook:{row.pk}",
        reason=reason,
        detail={"url": row.url, **detail},
    )
