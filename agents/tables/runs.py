"""What runs leave behind: sessions, runs, steps, effects, violations, artifacts, approvals."""

import uuid

from django.db import models
from django.db.models import Q

from agents.tables.catalogue import Agent, AgentVersion, Skill
from agents.tables.fields import MONEY, words


class Session(models.Model):
    """A conversation that goes on over several runs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="sessions"
    )
    key = models.CharField(max_length=200, help_text="The caller's own name for it.")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="sessions")
    summary = models.TextField(blank=True, help_text="Of the turns compacted away.")
    consolidated_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Its facts up to then are in memory.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "agent", "key"], name="agents_session_key_once_per_agent"
            ),
            models.CheckConstraint(condition=~Q(key=""), name="agents_session_key_not_empty"),
        ]

    def __str__(self) -> str:
        return self.key


class SessionMessage(models.Model):
    """A turn of a session, in order; compacted ones are kept for people and not sent again."""

    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="messages")
    index = models.PositiveIntegerField()
    run_id = models.UUIDField()
    message = models.JSONField()
    compacted = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["session", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["session", "index"], name="agents_message_index_once_per_session"
            )
        ]

    def __str__(self) -> str:
        return f"message {self.index}"


class Run(models.Model):
    """One agent's attempt at a task's cycle; it lasts over takeovers and pauses."""

    class Status(models.TextChoices):
        RUNNING = "running", "Running"
        SUSPENDED = "suspended", "Suspended"
        ENDED = "ended", "Ended"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="runs")
    task_id = models.UUIDField()
    root_task_id = models.UUIDField()
    agent = models.ForeignKey(Agent, on_delete=models.RESTRICT, related_name="runs")
    version = models.ForeignKey(AgentVersion, on_delete=models.RESTRICT, related_name="runs")
    session = models.ForeignKey(
        Session, on_delete=models.SET_NULL, null=True, blank=True, related_name="runs"
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.RUNNING)
    stop = models.CharField(max_length=16, blank=True, help_text="Why it ended or waits.")
    goal = models.TextField()
    answer = models.TextField(blank=True)
    citations = models.JSONField(default=list, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    model = models.CharField(max_length=200, blank=True)
    step_count = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(**MONEY, default=0)
    score = models.FloatField(
        null=True, blank=True, help_text="What its answer was worth; empty when nobody looked."
    )
    held_out = words("What it went without, to measure whether that helps: skills, memories.")
    begun_count = models.PositiveIntegerField(
        default=0, editable=False, help_text="How often a process began it or took it up."
    )
    context_used = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="How much of each source's text the answer used, until the answer is judged.",
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="ended", ended_at__isnull=False)
                | (~Q(status="ended") & Q(ended_at__isnull=True)),
                name="agents_run_ended_has_its_time",
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "-started_at"], name="agents_run_recent"),
            models.Index(fields=["task_id"], name="agents_run_task"),
            models.Index(fields=["agent", "-started_at"], name="agents_run_agent"),
            models.Index(fields=["-started_at"], name="agents_run_newest"),
        ]

    def __str__(self) -> str:
        return self.goal[:60] or str(self.id)


class SkillUse(models.Model):
    """A skill that a run's goal called for; with `held_out` the run had to do without it."""

    skill = models.ForeignKey(Skill, on_delete=models.CASCADE, related_name="uses")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="skill_uses")
    by = models.CharField(max_length=16, help_text="keyword, pattern or meaning")
    held_out = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["skill", "run"], name="agents_skill_use_once_per_run")
        ]

    def __str__(self) -> str:
        return f"{self.skill_id} in {self.run_id}"  # pyright: ignore[reportAttributeAccessIssue] -- Django's


class Step(models.Model):
    """A finished model call of a run, as replay needs it."""

    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    index = models.PositiveIntegerField()
    message = models.JSONField()
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(**MONEY, default=0)
    finish_reason = models.CharField(max_length=32)
    model = models.CharField(max_length=200, blank=True)
    latency_ms = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict, blank=True, help_text="What filled the window.")
    opening = models.JSONField(
        default=dict, blank=True, help_text="Of the first step: the user's turn and its passages."
    )
    estimated = models.BooleanField(default=False, help_text="The endpoint reported no usage.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["run", "index"]
        constraints = [
            models.UniqueConstraint(fields=["run", "index"], name="agents_step_once_per_run")
        ]

    def __str__(self) -> str:
        return f"step {self.index}"


class ToolEffect(models.Model):
    """A tool call with an effect: written before it happens and after."""

    class State(models.TextChoices):
        BEGUN = "begun", "Begun"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="effects")
    key = models.CharField(max_length=255)
    step = models.PositiveIntegerField()
    tool = models.CharField(max_length=128)
    arguments = models.TextField(blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.BEGUN)
    result = models.TextField(blank=True)
    latency_ms = models.PositiveIntegerField(default=0)
    approval_id = models.UUIDField(
        null=True,
        blank=True,
        help_text="The answer that let it begin; it counts for one beginning.",
    )
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "step", "id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="agents_effect_once_per_run")
        ]

    def __str__(self) -> str:
        return f"{self.tool} {self.state}"


class ContextShares(models.Model):
    """What an agent's runs taught about the sources that share its window."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="context_shares")
    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    weights = models.JSONField(default=dict)
    run_count = models.PositiveIntegerField(default=0, help_text="Runs it was learned from.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "context shares"

    def __str__(self) -> str:
        return f"shares after {self.run_count} runs"


class Violation(models.Model):
    """A call that the gate refused."""

    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="violations"
    )
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, null=True, blank=True, related_name="violations"
    )
    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, null=True, blank=True, related_name="violations"
    )
    key = models.CharField(max_length=255, help_text="The call, so that a resumed run adds no row.")
    tool = models.CharField(max_length=128)
    arguments = models.TextField(blank=True)
    reason = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="agents_violation_once_per_call")
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="agents_violation_recent")]

    def __str__(self) -> str:
        return f"{self.tool}: {self.reason}"


class Artifact(models.Model):
    """Something a run made that is too large for a prompt."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="artifacts"
    )
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, null=True, blank=True, related_name="artifacts"
    )
    task_id = models.UUIDField(null=True, blank=True)
    key = models.CharField(max_length=255, blank=True, editable=False)
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=100, default="text/plain")
    content = models.BinaryField()
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "key"],
                condition=~Q(key=""),
                name="agents_artifact_key_once_per_workspace",
            )
        ]
        indexes = [
            models.Index(fields=["run", "created_at"], name="agents_artifact_run"),
            models.Index(fields=["workspace", "-created_at"], name="agents_artifact_recent"),
            models.Index(fields=["-created_at"], name="agents_artifact_newest"),
        ]

    def __str__(self) -> str:
        return self.name


class Approval(models.Model):
    """A question that parks a task until a person answers it, once."""

    class Kind(models.TextChoices):
        APPROVAL = "approval", "May it happen?"
        QUESTION = "question", "A question"
        UNKNOWN_EFFECT = "unknown_effect", "Did it happen?"

    # Decisions that let an effect begin, and the one that says it already happened.
    APPROVING = ("approve", "retry")
    HAPPENED = "done"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        ANSWERED = "answered", "Answered"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="approvals"
    )
    task_id = models.UUIDField()
    run_id = models.UUIDField(null=True, blank=True)
    key = models.CharField(max_length=255)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    question = models.TextField()
    options = models.JSONField(default=list, blank=True)
    detail = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    decision = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True)
    edited = models.JSONField(
        null=True, blank=True, help_text="What is called in place of what the agent asked for."
    )
    answered_by = models.CharField(max_length=200, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["task_id", "run_id", "key"],
                condition=Q(status="open"),
                name="agents_approval_open_once",
            ),
            models.CheckConstraint(
                condition=Q(status="answered", answered_at__isnull=False)
                | (~Q(status="answered") & Q(answered_at__isnull=True)),
                name="agents_approval_answered_has_its_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "-created_at"],
                condition=Q(status="open"),
                name="agents_approval_open",
            ),
            models.Index(fields=["task_id"], name="agents_approval_task"),
            models.Index(fields=["-created_at"], name="agents_approval_newest"),
            models.Index(fields=["workspace", "-created_at"], name="agents_approval_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"
