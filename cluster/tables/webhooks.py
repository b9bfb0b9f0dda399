"""Addresses that are told what happens to tasks, and each telling."""

import uuid

from django.db import models
from django.db.models import F, Q


class Webhook(models.Model):
    """An address that is told of chosen events; what it is sent is signed with its secret."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="webhooks"
    )
    name = models.CharField(max_length=200, blank=True)
    url = models.CharField(max_length=500)
    events = models.JSONField(default=list, help_text="Types of events that it is told of.")
    secret = models.TextField(editable=False, help_text="Sealed; shown once, when it was made.")
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=300, blank=True, editable=False)
    created_by = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    workspace_id: uuid.UUID

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["workspace"], condition=Q(enabled=True), name="cluster_webhook_enabled"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.url


class WebhookDelivery(models.Model):
    """One event on its way to one address; its id is the message's, on every try the same."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="webhook_deliveries"
    )
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    type = models.CharField(max_length=64)
    task_id = models.UUIDField(null=True, blank=True)
    event = models.JSONField(default=dict, help_text="The event as it is in the task's list.")
    payload = models.JSONField(
        default=dict, blank=True, help_text="As sent; made at the first try."
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    workspace_id: uuid.UUID
    webhook_id: uuid.UUID

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(status="pending") ^ Q(next_at__isnull=True),
                name="cluster_delivery_due_iff_pending",
            ),
        ]
        indexes = [
            models.Index(
                "next_at", condition=Q(next_at__isnull=False), name="cluster_delivery_due"
            ),
            models.Index(
                "webhook", F("created_at").desc(), F("id").desc(), name="cluster_delivery_recent"
            ),
            models.Index("created_at", name="cluster_delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} [{self.status}]"
