"""What starts tasks by itself, and the workers that take them."""

import uuid

from django.db import models
from django.db.models import Q


class Schedule(models.Model):
    """A goal that is submitted again and again, or once later; beat fires it."""

    class Kind(models.TextChoices):
        CRON = "cron", "Cron"
        INTERVAL = "interval", "Interval"
        ONCE = "once", "Once"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="schedules"
    )
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    cron = models.CharField(max_length=100, blank=True, help_text="minute hour day month weekday")
    every_s = models.PositiveIntegerField(null=True, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    timezone = models.CharField(max_length=63, default="UTC")
    submission = models.JSONField(default=dict, help_text="The body of a task's submission.")
    enabled = models.BooleanField(default=True)
    actor = models.CharField(max_length=200, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    last_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    run_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    workspace_id: uuid.UUID

    class Meta:
        ordering = ["name", "id"]
        indexes = [
            models.Index(
                "next_at",
                condition=Q(enabled=True, next_at__isnull=False),
                name="cluster_schedule_due",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """A reactor that lives, or lived: kept, so that one that vanished is seen to have vanished."""

    name = models.CharField(max_length=100, unique=True)
    started_at = models.DateTimeField(db_default=models.functions.Now())
    seen_at = models.DateTimeField(db_default=models.functions.Now())
    slots = models.PositiveIntegerField()
    running = models.PositiveIntegerField(default=0)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return self.name
