"""The population: kinds of work, blueprints, families, nodes and what is believed of them."""

import uuid
from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from pgvector.django import VectorField

from cluster.core.factors import SIZE


def floats(help_text: str) -> "ArrayField[list[float]]":
    """Return a column for the floats of a belief; empty means that nothing was seen yet."""
    return ArrayField(models.FloatField(), default=list, blank=True, help_text=help_text)


class Market(models.Model):
    """What a workspace's market knows beside its nodes; `rev` counts the scores it learned from."""

    workspace = models.OneToOneField(
        "access.Workspace", on_delete=models.CASCADE, primary_key=True, related_name="market"
    )
    anchors = models.JSONField(
        default=list, help_text="[domain, centroid] from which the factors of skill were made."
    )
    level = floats("The direction in the factors in which every domain rises alike.")
    good = floats("Scores of good answers, counted in ten bins, fading.")
    bad = floats("Scores of bad answers, counted in ten bins, fading.")
    seen = floats("All scores, counted in ten bins, fading: with one hump they are grades.")
    grades = floats("Fading sums of scores and what was foretold: how grades follow the chance.")
    label_trust = models.FloatField(help_text="How often the sensed label was right.")
    label_n = models.FloatField()
    cosine_trust = models.FloatField(help_text="Usual cosine of a task to its domain.")
    cosine_n = models.FloatField()
    rev = models.PositiveBigIntegerField(default=0)

    workspace_id: uuid.UUID

    class Meta:
        verbose_name_plural = "markets"

    def __str__(self) -> str:
        return f"market of {self.workspace_id}"


class Domain(models.Model):
    """A kind of work; its centroid starts at its description and moves with the tasks it gets."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        FORMING = "forming", "Forming"

    class Origin(models.TextChoices):
        SEEDED = "seeded", "Seeded"
        WRITTEN = "written", "Written"
        LEARNED = "learned", "Learned"

    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="domains"
    )
    slug = models.SlugField(max_length=63)
    description = models.TextField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.WRITTEN)
    centroid = VectorField(null=True, blank=True, editable=False)
    task_n = models.FloatField(default=0, help_text="Tasks that moved the centroid.")
    loading = floats("The domain in the factors of skill.")
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When it last got a task.")

    workspace_id: uuid.UUID

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug"], name="cluster_domain_once_per_workspace"
            )
        ]

    def __str__(self) -> str:
        return self.slug


class Blueprint(models.Model):
    """One immutable version of a plan for agents; the line of versions is a family."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        CHALLENGER = "challenger", "Challenger"
        RETIRED = "retired", "Retired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="blueprints"
    )
    slug = models.SlugField(max_length=63)
    version = models.PositiveIntegerField(default=1)
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="offspring"
    )

    class Origin(models.TextChoices):
        SEEDED = "seeded", "Every workspace starts with it"
        WRITTEN = "written", "Written here"
        IMPORTED = "imported", "Imported"
        FORGED = "forged", "Forged for a task"
        EVOLVED = "evolved", "Evolved from another version"

    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    origin = models.CharField(max_length=12, choices=Origin.choices, default=Origin.WRITTEN)
    spec = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    created_by = models.CharField(max_length=200, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    tended_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its race was last looked at."
    )
    created_at = models.DateTimeField(db_default=models.functions.Now())

    workspace_id: uuid.UUID
    parent_id: uuid.UUID | None

    class Meta:
        ordering = ["slug", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug", "version"], name="cluster_blueprint_version_once"
            ),
            models.UniqueConstraint(
                fields=["workspace", "slug"],
                condition=Q(state="active"),
                name="cluster_blueprint_one_leader",
            ),
            models.UniqueConstraint(
                fields=["workspace", "slug"],
                condition=Q(state="challenger"),
                name="cluster_blueprint_one_challenger",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} v{self.version}"


class Family(models.Model):
    """What is known of a line's skill, in logit space; `rev` counts its ledger entries."""

    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="families"
    )
    slug = models.SlugField(max_length=63)
    evidence = floats("The sum of its nodes' messages: precision and shift.")
    tiled = VectorField(
        null=True, blank=True, editable=False, dimensions=SIZE * SIZE,
        help_text="Its mean, once per factor: what the first stage multiplies with.",
    )  # fmt: skip
    m = models.FloatField(default=0, help_text="Level, for people to read.")
    v = models.FloatField(default=0)
    slope_m = models.FloatField(
        default=0, help_text="What it loses from the easiest to the hardest."
    )
    slope_v = models.FloatField(default=0)
    hard_errors = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    rev = models.PositiveBigIntegerField(default=0)

    workspace_id: uuid.UUID

    class Meta:
        ordering = ["slug"]
        verbose_name_plural = "families"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug"], name="cluster_family_once_per_workspace"
            ),
            models.CheckConstraint(
                condition=Q(v__gte=0, slope_v__gte=0), name="cluster_family_variance"
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class AgentNode(models.Model):
    """A member of the population: an agent with a place in the market."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        QUARANTINED = "quarantined", "Quarantined"
        RETIRED = "retired", "Retired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="nodes"
    )
    agent = models.OneToOneField("agents.Agent", on_delete=models.CASCADE, related_name="node")
    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="nodes")
    blueprint = models.ForeignKey(
        Blueprint, on_delete=models.SET_NULL, null=True, blank=True, related_name="nodes"
    )
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="spawned"
    )
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    evidence = floats("What its own results said: precision, shift, and the search for jumps.")
    declared = floats("Its head start in the factors, fixed at birth.")
    own = VectorField(null=True, blank=True, editable=False, dimensions=SIZE)
    influence = VectorField(
        null=True, blank=True, editable=False, dimensions=SIZE * SIZE,
        help_text="How its family's mean reaches it: what the first stage multiplies with.",
    )  # fmt: skip
    m = models.FloatField(default=0, help_text="Level, for people to read.")
    v = models.FloatField(default=0)
    hard_errors = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    slots = models.PositiveSmallIntegerField(default=16)
    busy = models.PositiveIntegerField(default=0)
    task_count = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=6, default=Decimal(0))
    seconds = models.FloatField(default=0, help_text="Time spent in runs.")
    scored_n = models.FloatField(default=0, help_text="Discounted count of scored tasks.")
    scored_total = models.FloatField(default=0, help_text="Discounted sum of their scores.")
    probe_n = models.PositiveIntegerField(default=0)
    probe_total = models.FloatField(default=0)
    probe_squares = models.FloatField(default=0)
    probed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    quarantined_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="absorbed"
    )

    workspace_id: uuid.UUID
    agent_id: uuid.UUID
    family_id: int
    blueprint_id: uuid.UUID | None
    parent_id: uuid.UUID | None
    merged_into_id: uuid.UUID | None

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(v__gte=0), name="cluster_node_variance"),
            models.CheckConstraint(condition=Q(busy__gte=0), name="cluster_node_busy"),
        ]
        indexes = [models.Index(fields=["workspace", "state"], name="cluster_node_by_state")]

    def __str__(self) -> str:
        loaded: dict[str, object] = getattr(self._state, "fields_cache", {})
        known = loaded.get("agent")  # a name must not cost a query
        return str(known or self.agent_id)


class Capability(models.Model):
    """A node in one domain as of its last result there, for people to read; it decides nothing."""

    node = models.ForeignKey(AgentNode, on_delete=models.CASCADE, related_name="capabilities")
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="+")
    m = models.FloatField()
    v = models.FloatField()
    n = models.FloatField(default=0)
    ema = models.FloatField(default=0)
    ema_n = models.PositiveIntegerField(default=0)

    node_id: uuid.UUID
    domain_id: int

    class Meta:
        verbose_name_plural = "capabilities"
        constraints = [
            models.UniqueConstraint(fields=["node", "domain"], name="cluster_capability_once"),
            models.CheckConstraint(condition=Q(v__gte=0), name="cluster_capability_variance"),
        ]

    def __str__(self) -> str:
        return f"{self.node_id} in {self.domain_id}"


class LifecycleEvent(models.Model):
    """A birth, quarantine, release, retirement or revival, and why."""

    node = models.ForeignKey(AgentNode, on_delete=models.CASCADE, related_name="lifecycle")
    kind = models.CharField(max_length=16)
    reason = models.TextField()
    actor = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict, blank=True, help_text="The evidence at that time.")
    at = models.DateTimeField(db_default=models.functions.Now())

    node_id: uuid.UUID

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.node_id}"
