"""Webhooks and deliveries as doors show them; a secret is not among it."""

from typing import Any

from cluster.core.errors import WebhookUnknown
from cluster.models import Webhook, WebhookDelivery
from loomsite.access.ids import uuid_of
from loomsite.access.paging import page_by_time


def webhook_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of webhooks, newest first, and the cursor of the next."""
    rows = Webhook.objects.filter(workspace_id=workspace_id)
    return page_by_time(rows, "created_at", webhook_shown, cursor=cursor, limit=limit)


def webhook_detail(*, workspace_id: str, webhook_id: str) -> dict[str, Any]:
    """Return a webhook.

    Raises:
        WebhookUnknown: There is none with this id here.
    """
    return webhook_shown(webhook_row(workspace_id, webhook_id))


def delivery_list(
    *, workspace_id: str, webhook_id: str, cursor: str | None = None, limit: int = 20
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of what was sent to a webhook, newest first, without the messages.

    Raises:
        WebhookUnknown: There is none with this id here.
    """
    hook = webhook_row(workspace_id, webhook_id)
    rows = WebhookDelivery.objects.filter(webhook=hook).defer("payload", "event")
    return page_by_time(rows, "created_at", _delivery_shown, cursor=cursor, limit=limit)


def delivery_detail(*, workspace_id: str, webhook_id: str, delivery_id: str) -> dict[str, Any]:
    """Return a delivery with its message.

    Raises:
        WebhookUnknown: There is no such webhook here, or no such delivery of it.
    """
    row = delivery_row(workspace_id, webhook_id, delivery_id)
    return {**_delivery_shown(row), "payload": row.payload}


def webhook_row(workspace_id: str, webhook_id: str, *, lock: bool = False) -> Webhook:
    """Return a workspace's webhook, locked if so wished.

    Raises:
        WebhookUnknown: There is none with this id here.
    """
    rows = Webhook.objects.filter(workspace_id=workspace_id, pk=uuid_of(webhook_id))
    row = (rows.select_for_update() if lock else rows).first()
    if row is None:
        raise WebhookUnknown(f"There is no webhook {webhook_id!r}.", field="webhook_id")
    return row


def delivery_row(
    workspace_id: str, webhook_id: str, delivery_id: str, *, lock: bool = False
) -> WebhookDelivery:
    """Return a delivery of a workspace's webhook, locked if so wished.

    Raises:
        WebhookUnknown: There is no such webhook here, or no such delivery of it.
    """
    hook = webhook_row(workspace_id, webhook_id)
    rows = WebhookDelivery.objects.filter(webhook=hook, pk=uuid_of(delivery_id)).select_related(
        "webhook"
    )
    row = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if row is None:
        raise WebhookUnknown(f"There is no delivery {delivery_id!r}.", field="delivery_id")
    return row


def webhook_shown(row: Webhook) -> dict[str, Any]:
    """Return a webhook as doors show it."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "url": row.url,
        "events": row.events,
        "enabled": row.enabled,
        "disabled_reason": row.disabled_reason,
        "created_by": row.created_by,
        "created_at": row.created_at.isoformat(),
    }


def _delivery_shown(row: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "webhook_id": str(row.webhook_id),
        "type": row.type,
        "task_id": str(row.task_id) if row.task_id else None,
        "status": row.status,
        "attempts": row.attempts,
        "next_at": row.next_at.isoformat() if row.next_at else None,
        "status_code": row.status_code,
        "error": row.error,
        "latency_ms": row.latency_ms,
        "created_at": row.created_at.isoformat(),
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }
