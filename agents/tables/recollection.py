"""What agents remember beyond a run."""

import uuid

from django.db import models
from django.db.models import F, Q

from agents.tables.runs import Run


class MemoryEntry(models.Model):
    """A remembered fact: who may see it, where it comes from, how long it holds."""

    class Scope(models.TextChoices):
        WORKSPACE = "workspace", "Workspace"
        AGENT = "agent", "Agent"
        SESSION = "session", "Session"
        TASK = "task", "Task"

    class Review(models.TextChoices):
        PENDING = "pending", "Waits for review"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="memories"
    )
    scope = models.CharField(max_length=16, choices=Scope.choices, default=Scope.WORKSPACE)
    scope_id = models.CharField(
        max_length=200, blank=True, help_text="The agent, session or task; empty for the workspace."
    )
    kind = models.CharField(max_length=32, default="fact")
    key = models.CharField(
        max_length=255, blank=True, editable=False, help_text="The call that wrote it, once."
    )
    text = models.TextField()
    occasion = models.CharField(
        max_length=200, blank=True, help_text="When and where it was said, in words."
    )
    subject = models.CharField(
        max_length=200, blank=True, help_text="Whom it is about; exported and erased together."
    )
    topic = models.CharField(
        max_length=200, blank=True, help_text="The one thing it settles; a newer entry closes it."
    )
    text_sha256 = models.CharField(max_length=64, editable=False)
    importance = models.FloatField(default=0.5)
    provenance = models.JSONField(default=dict, blank=True, help_text="Who wrote it, from what.")
    review = models.CharField(max_length=16, choices=Review.choices, default=Review.ACCEPTED)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    indexed = models.BooleanField(
        default=True, editable=False, help_text="False: a job makes it findable."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "memory entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(importance__gte=0, importance__lte=1),
                name="agents_memory_importance_from_0_to_1",
            ),
            models.CheckConstraint(
                condition=Q(scope="workspace", scope_id="")
                | (~Q(scope="workspace") & ~Q(scope_id="")),
                name="agents_memory_scope_names_its_owner",
            ),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                name="agents_memory_valid_interval_not_negative",
            ),
            models.UniqueConstraint(
                fields=["workspace", "key"],
                condition=~Q(key=""),
                name="agents_memory_key_once_per_workspace",
            ),
            models.UniqueConstraint(
                fields=["workspace", "scope", "scope_id", "occasion", "text_sha256"],
                condition=Q(valid_until__isnull=True),
                name="agents_memory_text_once_per_scope",
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "scope", "scope_id", "occasion", "created_at", "id"],
                name="agents_memory_in_order",
            ),
            models.Index(
                fields=["workspace", "scope", "scope_id", "topic"],
                condition=~Q(topic=""),
                name="agents_memory_topics",
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"],
                condition=~Q(topic=""),
                name="agents_memory_newest_topics",
            ),
            models.Index(
                fields=["workspace", "created_at", "id"],
                condition=Q(review="pending"),
                name="agents_memory_pending",
            ),
            models.Index(
                fields=["workspace", "-valid_until", "-id"],
                condition=Q(valid_until__isnull=False),
                name="agents_memory_ended",
            ),
            models.Index(
                fields=["workspace", "subject"],
                condition=~Q(subject=""),
                name="agents_memory_subject",
            ),
            models.Index(fields=["id"], condition=Q(indexed=False), name="agents_memory_unindexed"),
            models.Index(fields=["workspace", "-created_at", "-id"], name="agents_memory_newest"),
            models.Index(fields=["-created_at", "-id"], name="agents_memory_newest_of_all"),
        ]

    def __str__(self) -> str:
        return self.text[:80]


class MemoryRevision(models.Model):
    """What an entry said before somebody changed it."""

    memory = models.ForeignKey(MemoryEntry, on_delete=models.CASCADE, related_name="revisions")
    at = models.DateTimeField()
    actor = models.CharField(max_length=200, blank=True)
    before = models.JSONField(help_text="The fields that were changed, as they were.")

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.memory_id} until {self.at:%Y-%m-%d %H:%M}"  # pyright: ignore[reportAttributeAccessIssue] -- Django's


class MemoryUse(models.Model):
    """An entry that was put before a run, or kept from it by lot, and how that run did."""

    memory = models.ForeignKey(MemoryEntry, on_delete=models.CASCADE, related_name="uses")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="memory_uses")
    score = models.FloatField()
    held_out = models.BooleanField(
        default=False, help_text="It fitted, and the lot kept it from this run."
    )
    outcome = models.FloatField(
        null=True, blank=True, help_text="The run's evaluated score; empty while there is none."
    )
    used_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["memory", "run"], name="agents_memory_use_once_per_run"
            ),
            models.CheckConstraint(
                condition=Q(outcome__isnull=True) | Q(outcome__gte=0, outcome__lte=1),
                name="agents_memory_use_outcome_from_0_to_1",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.memory_id} in {self.run_id}"  # pyright: ignore[reportAttributeAccessIssue] -- Django's
