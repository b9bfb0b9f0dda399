"""Tasks and their journal: what was asked for, where it stands, what happened."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KT

from cluster.core.types import Outcome, Phase, Status
from cluster.tables.choices import choices


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
    status = models.CharField(max_length=16, choices=choices(Status), default=Status.QUEUED)
    phase = models.CharField(max_length=8, choices=choices(Phase), null=True, blank=True)  # noqa: DJ001 -- null is the public name for no phase
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
    crash_count = models.PositiveSmallIntegerField(default=0)
    suspicion = models.PositiveSmallIntegerField(
        default=0, help_text="0 none; 1 in flight at several deaths; 2 claimed with no other such."
    )
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
    outcome = models.CharField(max_length=16, choices=choices(Outcome), null=True, blank=True)  # noqa: DJ001 -- null is the public name for no outcome
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
            # For who sees every workspace, and for what is asked of all that is live or has ended.
            # Those of ended tasks are written once a task, when it ends.
            models.Index(F("created_at").desc(), F("id").desc(), name="cluster_task_newest"),
            models.Index(
                "status", "workspace", condition=Q(finished_at__isnull=True),
                name="cluster_task_live",
            ),
            models.Index(
                "workspace", F("finished_at").desc(), condition=Q(finished_at__isnull=False),
                name="cluster_task_ended",
            ),
            models.Index(
                F("finished_at").desc(), condition=Q(finished_at__isnull=False),
                name="cluster_task_ended_anywhere",
            ),
            models.Index(
                "status", F("created_at").desc(), F("id").desc(),
                condition=Q(finished_at__isnull=False), name="cluster_task_ended_so",
            ),
            models.Index(
                "outcome", "workspace", F("created_at").desc(), F("id").desc(),
                condition=Q(finished_at__isnull=False) & ~Q(outcome="succeeded"),
                name="cluster_task_not_well",
            ),
            models.Index(
                "workspace", KT("metadata__session_id"), F("created_at").desc(),
                condition=Q(metadata__has_key="session_id"), name="cluster_task_conversation",
            ),
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
    phase = models.CharField(max_length=8, choices=choices(Phase))
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
