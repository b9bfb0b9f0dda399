"""The market: auctions with every bid, rewards, and the ledger of what was learned."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from cluster.core.types import Outcome
from cluster.tables.choices import choices
from cluster.tables.population import AgentNode, Domain, Family
from cluster.tables.tasks import Task


class Auction(models.Model):
    """One sealed auction: who was left out and why, and the seed that replays it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="auctions")
    cycle = models.PositiveSmallIntegerField()
    pinned = models.BooleanField(default=False)
    complexity = models.FloatField()
    weights = models.JSONField(default=dict)
    tools = models.JSONField(default=list)
    seed = models.CharField(max_length=64)
    excluded = models.JSONField(default=dict, help_text="Counts of what the filters left out.")
    left_out = models.PositiveIntegerField(
        default=0, help_text="Passed the filters and lost in the first stage."
    )
    terms = models.JSONField(default=dict, help_text="The exchange rates the bids were made with.")
    winner = models.ForeignKey(
        AgentNode, on_delete=models.SET_NULL, null=True, blank=True, related_name="auctions_won"
    )
    reason = models.TextField(blank=True)
    held_at = models.DateTimeField()

    task_id: uuid.UUID
    winner_id: uuid.UUID | None

    class Meta:
        ordering = ["-held_at", "-id"]
        indexes = [models.Index(fields=["-held_at", "-id"], name="cluster_auction_newest")]
        constraints = [
            models.UniqueConstraint(fields=["task", "cycle"], name="cluster_auction_once_per_cycle")
        ]

    def __str__(self) -> str:
        return f"auction of {self.task_id}, cycle {self.cycle}"


class Bid(models.Model):
    """One sealed bid with every term of it (`MARKET`: M, V, ξ, price, wait)."""

    auction = models.ForeignKey(Auction, on_delete=models.CASCADE, related_name="bids")
    node = models.ForeignKey(
        AgentNode, on_delete=models.CASCADE, related_name="bids", db_index=False
    )
    rank = models.PositiveSmallIntegerField()
    mean = models.FloatField(help_text="M, in logit space")
    variance = models.FloatField(help_text="V, in logit space")
    xi = models.FloatField(help_text="ξ, the seeded draw")
    price = models.FloatField(help_text="expected cost over the workspace's median cost")
    wait_s = models.FloatField()
    busy = models.PositiveIntegerField(default=0)
    slots = models.PositiveIntegerField(default=1)
    quality = models.FloatField(help_text="expected score, draw and optimism included")
    bonus = models.FloatField(default=0, help_text="how much of it is draw and optimism")
    cost_term = models.FloatField()
    wait_term = models.FloatField()
    load_term = models.FloatField(default=0)
    bid = models.FloatField()
    probe = models.BooleanField(default=False)

    auction_id: uuid.UUID
    node_id: uuid.UUID

    class Meta:
        ordering = ["auction", "rank"]
        constraints = [
            models.UniqueConstraint(fields=["auction", "node"], name="cluster_bid_once_per_auction")
        ]
        indexes = [models.Index(fields=["node", "-id"], name="cluster_bid_of_node")]

    def __str__(self) -> str:
        return f"{self.bid:.3f}"


class Assignment(models.Model):
    """A node's slot, held for one cycle of one task."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        RELEASED = "released", "Released"

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="assignments")
    cycle = models.PositiveSmallIntegerField()
    node = models.ForeignKey(AgentNode, on_delete=models.CASCADE, related_name="assignments")
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    started_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    task_id: uuid.UUID
    node_id: uuid.UUID

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task", "cycle"], name="cluster_assignment_once_per_cycle"
            )
        ]
        indexes = [
            models.Index("node", condition=Q(state="active"), name="cluster_assignment_active")
        ]

    def __str__(self) -> str:
        return f"{self.task_id} → {self.node_id}"


class Reward(models.Model):
    """One evaluation of an answer: by the cycle's own judgement (0), or a later one (1, 2, …)."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="rewards")
    cycle = models.PositiveSmallIntegerField()
    evaluation = models.PositiveSmallIntegerField(default=0)
    node = models.ForeignKey(
        AgentNode, on_delete=models.SET_NULL, null=True, blank=True, related_name="rewards",
        db_index=False,
    )  # fmt: skip
    score = models.FloatField(null=True, blank=True)
    verified = models.BooleanField(default=False)
    outcome = models.CharField(max_length=16, choices=choices(Outcome), blank=True)
    components = models.JSONField(default=list)
    source = models.CharField(max_length=200, blank=True)
    comment = models.TextField(blank=True)
    at = models.DateTimeField(db_default=models.functions.Now())

    task_id: uuid.UUID
    node_id: uuid.UUID | None

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["task", "cycle", "evaluation"], name="cluster_reward_once_per_evaluation"
            ),
            models.CheckConstraint(
                condition=Q(score__isnull=True) | Q(score__gte=0, score__lte=1),
                name="cluster_reward_score_in_unit",
            ),
        ]
        indexes = [models.Index(fields=["node", "-id"], name="cluster_reward_of_node")]

    def __str__(self) -> str:
        return "not scored" if self.score is None else f"{self.score:.2f}"


class MarketEntry(models.Model):
    """A line of the ledger: one update of capability.

    A family rebuilt from its lines in the order of `rev` equals the live one. Lines of two kinds
    belong to no task: `merge`, where `terms["source"]` gave its evidence to the line's node, and
    `undo`: the merge with the number `terms["merge"]` has never been. One of kind `step` is a
    declared check of a step, learned from as it finished; what the rest of the evaluation said is
    in the `score` line behind it.
    """

    KINDS: ClassVar = ("score", "step", "merge", "undo", "hard_error")

    family = models.ForeignKey(Family, on_delete=models.CASCADE, related_name="ledger")
    rev = models.PositiveBigIntegerField()
    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, related_name="market_entries", null=True, blank=True
    )
    cycle = models.PositiveSmallIntegerField()
    node = models.ForeignKey(
        AgentNode, on_delete=models.CASCADE, related_name="ledger", db_index=False
    )
    evaluation = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=12, default="score")
    score = models.FloatField(null=True, blank=True)
    complexity = models.FloatField()
    weights = models.JSONField(default=dict)
    terms = models.JSONField(default=dict)
    at = models.DateTimeField()

    family_id: int
    task_id: uuid.UUID | None
    node_id: uuid.UUID

    class Meta:
        ordering = ["family", "rev"]
        verbose_name_plural = "market entries"
        constraints = [
            models.UniqueConstraint(
                fields=["task", "cycle", "node", "evaluation"], name="cluster_settle_once"
            ),
            models.UniqueConstraint(fields=["family", "rev"], name="cluster_ledger_rev_once"),
        ]
        indexes = [models.Index(fields=["node", "-id"], name="cluster_ledger_of_node")]

    def __str__(self) -> str:
        return f"{self.family_id} rev {self.rev}"


class SplitCell(models.Model):
    """How far the forecast of one way to work was off, by domain and sixth of complexity.

    Of the arm `ease` there is one cell a domain: how much easier parts were than the whole.
    """

    class Arm(models.TextChoices):
        SOLO = "solo", "Alone"
        SPLIT = "split", "Split"
        EASE = "ease", "How much easier parts are"

    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="split_cells"
    )
    domain = models.CharField(max_length=63, blank=True, help_text="Empty: all domains together.")
    arm = models.CharField(max_length=5, choices=Arm.choices)
    bin = models.PositiveSmallIntegerField(help_text="0 … 5: sixths of the complexity")
    n = models.FloatField(default=0, help_text="Results, fading.")
    total = models.FloatField(
        default=0, help_text="Sum of utility minus forecast, or of ease, fading."
    )

    workspace_id: uuid.UUID

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "domain", "arm", "bin"], name="cluster_split_cell_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.domain or 'all'} {self.arm} {self.bin}"


class Calibration(models.Model):
    """How forecasts of one bin came true: predicted probability of success against score."""

    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="calibrations"
    )
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="+")
    bin = models.PositiveSmallIntegerField(help_text="0 … 9: tenths of the forecast")
    forecast_sum = models.FloatField(default=0)
    score_sum = models.FloatField(default=0)
    squared_error_sum = models.FloatField(default=0)
    n = models.PositiveIntegerField(default=0)

    workspace_id: uuid.UUID
    domain_id: int

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "domain", "bin"], name="cluster_calibration_bin_once"
            )
        ]

    def __str__(self) -> str:
        return f"bin {self.bin}: n {self.n}"
