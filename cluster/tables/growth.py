"""How the population grows: what became of blueprints, and what MATCH did about a weak field."""

import uuid

from django.db import models

from cluster.tables.population import AgentNode, Blueprint
from cluster.tables.tasks import Task


class BlueprintEvent(models.Model):
    """Something that happened to a version, and why; the version itself never changes."""

    blueprint = models.ForeignKey(Blueprint, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=16)
    reason = models.TextField()
    actor = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=models.functions.Now())

    blueprint_id: uuid.UUID

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.blueprint_id}"


class Forging(models.Model):
    """What MATCH did, in one cycle of a task, about a field that was empty or too weak."""

    class State(models.TextChoices):
        WANTED = "wanted", "Wanted"
        REVIEW = "review", "Waits for review"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused by a person"
        FAILED = "failed", "Could not be done"

    class Action(models.TextChoices):
        SPAWN = "spawn", "A node from a blueprint that fits"
        SKILL = "skill", "A skill for the best node"
        FORGE = "forge", "A new blueprint"

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="forgings")
    cycle = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WANTED)
    action = models.CharField(max_length=8, choices=Action.choices, blank=True)
    reason = models.TextField(help_text="Why the field was too weak.")
    need = models.JSONField(default=dict, help_text="The tools and the domain that were asked for.")
    best = models.ForeignKey(
        AgentNode, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    blueprint = models.ForeignKey(
        Blueprint, on_delete=models.SET_NULL, null=True, blank=True, related_name="forgings"
    )
    skill_name = models.CharField(max_length=64, blank=True)
    comment = models.TextField(blank=True, help_text="What came of it.")
    at = models.DateTimeField(db_default=models.functions.Now())

    task_id: uuid.UUID
    best_id: uuid.UUID | None
    blueprint_id: uuid.UUID | None

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["task", "cycle"], name="cluster_forging_once_per_cycle")
        ]

    def __str__(self) -> str:
        return f"{self.action or 'forging'} {self.state}"
