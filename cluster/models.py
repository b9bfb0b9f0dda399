"""The cluster's rows: tasks and their journal, the population and its market, schedules."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from cluster.core.types import Outcome, Phase, Status


def _choices(values: type[Status] | type[Phase] | type[Outcome]) -> list:
    return [(value.value, value.value.replace("_", " ")) for value in values]


# ---------------------------------------------------------------- tasks


class Task(models.Model):
    """A goal and everything that is known of its state; the truth, where a message is only a hint.

    `due_at` says from when on a worker may claim it; NULL while it waits for something else or has
    ended. `attempt` is the fencing token: it grows with every claim, and each write of a run first
    locks the row with the attempt it was claimed under. All times come from the database's clock.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="tasks"
    )
    goal = models.TextField()
    context = models.TextField(blank=True)
    agent = models.ForeignKey(
        "agents.Agent", on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="Set when the task was asked of one agent.",
    )  # fmt: skip
    checks = models.JSONField(default=list, blank=True)
    collections = models.JSONField(default=list, blank=True)
    tools = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    priority = models.SmallIntegerField(default=0)
    budget_usd = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    max_cycles = models.PositiveSmallIntegerField(default=2)
    min_score = models.FloatField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    door = models.CharField(max_length=16, blank=True)
    schedule = models.ForeignKey(
        "cluster.Schedule", on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks"
    )

    # the cursor
    status = models.CharField(max_length=16, choices=_choices(Status), default=Status.QUEUED)
    phase = models.CharField(max_length=8, choices=_choices(Phase), null=True, blank=True)  # noqa: DJ001 -- null is the public name for no phase
    phase_started_at = models.DateTimeField(null=True, blank=True)
    cycle = models.PositiveSmallIntegerField(default=1)
    spawned_cycle = models.PositiveSmallIntegerField(default=0)
    pending_children = models.PositiveIntegerField(default=0)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    progress_message = models.CharField(max_length=500, blank=True)

    # the claim
    due_at = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    claimed_by = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    event_seq = models.PositiveIntegerField(default=0)
    crash_marker = models.CharField(max_length=100, blank=True)
    crash_count = models.PositiveSmallIntegerField(default=0)
    mishap_count = models.PositiveSmallIntegerField(default=0)
    unavailable_since = models.DateTimeField(null=True, blank=True)
    unavailable_reason = models.CharField(max_length=500, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=500, blank=True)

    # the tree
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    root = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="tree"
    )
    depth = models.PositiveSmallIntegerField(default=0)
    parent_cycle = models.PositiveSmallIntegerField(null=True, blank=True)
    plan_key = models.CharField(max_length=300, blank=True)
    plan_order = models.PositiveSmallIntegerField(default=0)

    # the end
    outcome = models.CharField(max_length=16, choices=_choices(Outcome), null=True, blank=True)  # noqa: DJ001 -- null is the public name for no outcome
    answer = models.TextField(null=True, blank=True)  # noqa: DJ001 -- null is the public name for no answer
    citations = models.JSONField(default=list, blank=True)
    score = models.FloatField(null=True, blank=True)
    verified = models.BooleanField(default=False)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=6, default=Decimal(0))
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    workspace_id: uuid.UUID
    agent_id: uuid.UUID | None
    schedule_id: uuid.UUID | None
    parent_id: uuid.UUID | None
    root_id: uuid.UUID | None

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "parent_cycle", "plan_key"],
                condition=Q(parent__isnull=False),
                name="cluster_task_once_per_plan_key",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in Status]), name="cluster_task_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["succeeded", "failed", "cancelled"])
                ^ Q(finished_at__isnull=True),
                name="cluster_task_finished_iff_final",
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True) | Q(due_at__isnull=True),
                name="cluster_task_finished_is_not_due",
            ),
            models.CheckConstraint(
                condition=Q(score__isnull=True) | Q(score__gte=0, score__lte=1),
                name="cluster_task_score_in_unit",
            ),
        ]
        indexes = [
            models.Index(
                "workspace", F("priority").desc(), "due_at", "id",
                condition=Q(due_at__isnull=False), name="cluster_task_due",
            ),
            models.Index(
                "workspace", "lease_until", condition=Q(lease_until__isnull=False),
                name="cluster_task_leased",
            ),
            models.Index(
                "workspace", F("created_at").desc(), F("id").desc(), name="cluster_task_recent"
            ),
            models.Index(
                "workspace", "status", F("created_at").desc(), F("id").desc(),
                name="cluster_task_by_status",
            ),
            models.Index("root", name="cluster_task_tree"),
            models.Index(
                fields=["parent"],
                condition=Q(parent__isnull=False, finished_at__isnull=True),
                name="cluster_task_open_part",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.goal[:60]} [{self.status}]"


class TaskEdge(models.Model):
    """`successor` may begin when `predecessor` has ended, and sees its answer."""

    predecessor = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="edges_out")
    successor = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="edges_in")

    predecessor_id: uuid.UUID
    successor_id: uuid.UUID

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["predecessor", "successor"], name="cluster_edge_once"),
            models.CheckConstraint(
                condition=~Q(predecessor=F("successor")), name="cluster_edge_not_to_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.predecessor_id} → {self.successor_id}"


class PhaseRecord(models.Model):
    """What one phase of one cycle was given and what it concluded; written once."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="phase_records")
    cycle = models.PositiveSmallIntegerField()
    phase = models.CharField(max_length=8, choices=_choices(Phase))
    inputs = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    attempt = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    task_id: uuid.UUID

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["task", "cycle", "phase"], name="cluster_phase_once_per_cycle"
            )
        ]

    def __str__(self) -> str:
        return f"{self.phase} of cycle {self.cycle}"


class Event(models.Model):
    """Something that happened to a task; `seq` is gapless within it and in commit order."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    type = models.CharField(max_length=64)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    task_id: uuid.UUID

    class Meta:
        ordering = ["task", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["task", "seq"], name="cluster_event_seq_once")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


# ---------------------------------------------------------------- population


class Domain(models.Model):
    """A kind of work; its description is what a goal's embedding is compared with."""

    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="domains"
    )
    slug = models.SlugField(max_length=63)
    description = models.TextField()

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
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    spec = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    workspace_id: uuid.UUID
    parent_id: uuid.UUID | None

    class Meta:
        ordering = ["slug", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug", "version"], name="cluster_blueprint_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.slug} v{self.version}"


class Family(models.Model):
    """What is known of a line's skill, in logit space; `rev` counts its ledger entries."""

    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="families"
    )
    slug = models.SlugField(max_length=63)
    m = models.FloatField()
    v = models.FloatField()
    slope_m = models.FloatField()
    slope_v = models.FloatField()
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


class FamilyDomain(models.Model):
    """How a family's skill in one domain differs from its skill at large."""

    family = models.ForeignKey(Family, on_delete=models.CASCADE, related_name="domains")
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="+")
    m = models.FloatField()
    v = models.FloatField()

    family_id: int
    domain_id: int

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["family", "domain"], name="cluster_family_domain_once"),
            models.CheckConstraint(condition=Q(v__gte=0), name="cluster_family_domain_variance"),
        ]

    def __str__(self) -> str:
        return f"{self.family_id} in {self.domain_id}"


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
    m = models.FloatField()
    v = models.FloatField()
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
    retired_at = models.DateTimeField(null=True, blank=True)

    workspace_id: uuid.UUID
    agent_id: uuid.UUID
    family_id: int
    blueprint_id: uuid.UUID | None
    parent_id: uuid.UUID | None

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(v__gte=0), name="cluster_node_variance"),
            models.CheckConstraint(condition=Q(busy__gte=0), name="cluster_node_busy"),
        ]
        indexes = [models.Index(fields=["workspace", "state"], name="cluster_node_by_state")]

    def __str__(self) -> str:
        return str(self.agent_id)


class Capability(models.Model):
    """What is known of a node's skill in one domain; the EMA is for people to read."""

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
    at = models.DateTimeField(db_default=models.functions.Now())

    node_id: uuid.UUID

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.node_id}"


# ---------------------------------------------------------------- market


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
        ordering = ["-held_at"]
        constraints = [
            models.UniqueConstraint(fields=["task", "cycle"], name="cluster_auction_once_per_cycle")
        ]

    def __str__(self) -> str:
        return f"auction of {self.task_id}, cycle {self.cycle}"


class Bid(models.Model):
    """One sealed bid with every term of it (`MARKET`: M, V, ξ, price, wait)."""

    auction = models.ForeignKey(Auction, on_delete=models.CASCADE, related_name="bids")
    node = models.ForeignKey(AgentNode, on_delete=models.CASCADE, related_name="bids")
    rank = models.PositiveSmallIntegerField()
    mean = models.FloatField(help_text="M, in logit space")
    variance = models.FloatField(help_text="V, in logit space")
    xi = models.FloatField(help_text="ξ, the seeded draw")
    price = models.FloatField(help_text="expected cost over the workspace's median cost")
    wait_s = models.FloatField()
    quality = models.FloatField(help_text="expected score, draw and optimism included")
    cost_term = models.FloatField()
    wait_term = models.FloatField()
    bid = models.FloatField()
    probe = models.BooleanField(default=False)

    auction_id: uuid.UUID
    node_id: uuid.UUID

    class Meta:
        ordering = ["auction", "rank"]
        constraints = [
            models.UniqueConstraint(fields=["auction", "node"], name="cluster_bid_once_per_auction")
        ]

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
        AgentNode, on_delete=models.SET_NULL, null=True, blank=True, related_name="rewards"
    )
    score = models.FloatField(null=True, blank=True)
    verified = models.BooleanField(default=False)
    outcome = models.CharField(max_length=16, choices=_choices(Outcome), blank=True)
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

    def __str__(self) -> str:
        return "not scored" if self.score is None else f"{self.score:.2f}"


class MarketEntry(models.Model):
    """A line of the ledger: one update of capability.

    A family rebuilt from its lines in the order of `rev` equals the live one.
    """

    family = models.ForeignKey(Family, on_delete=models.CASCADE, related_name="ledger")
    rev = models.PositiveBigIntegerField()
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="market_entries")
    cycle = models.PositiveSmallIntegerField()
    node = models.ForeignKey(AgentNode, on_delete=models.CASCADE, related_name="ledger")
    evaluation = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=12, default="score")
    score = models.FloatField(null=True, blank=True)
    complexity = models.FloatField()
    weights = models.JSONField(default=dict)
    terms = models.JSONField(default=dict)
    at = models.DateTimeField()

    family_id: int
    task_id: uuid.UUID
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

    def __str__(self) -> str:
        return f"{self.family_id} rev {self.rev}"


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


# ---------------------------------------------------------------- triggers


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
