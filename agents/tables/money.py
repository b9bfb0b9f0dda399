"""Money: what may be spent, what is reserved for calls in flight, what was spent."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from agents.tables.catalogue import Agent
from agents.tables.fields import MONEY
from agents.tables.runs import Run


class Budget(models.Model):
    """A hard limit on what one workspace, user, agent or task tree may cost in a period."""

    class Scope(models.TextChoices):
        WORKSPACE = "workspace", "Workspace"
        USER = "user", "User"
        AGENT = "agent", "Agent"
        TASK = "task", "Task tree"

    class Period(models.TextChoices):
        DAY = "day", "Per day (UTC)"
        MONTH = "month", "Per month (UTC)"
        TOTAL = "total", "In total"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="budgets"
    )
    scope = models.CharField(max_length=16, choices=Scope.choices, default=Scope.WORKSPACE)
    scope_id = models.CharField(
        max_length=200,
        blank=True,
        help_text="The user, agent or root task; empty for the workspace.",
    )
    period = models.CharField(max_length=8, choices=Period.choices, default=Period.DAY)
    limit_usd = models.DecimalField(**MONEY)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["scope", "scope_id", "period"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "scope", "scope_id", "period"],
                name="agents_budget_once_per_scope_and_period",
            ),
            models.CheckConstraint(
                condition=Q(limit_usd__gte=0), name="agents_budget_limit_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(scope="workspace", scope_id="")
                | (~Q(scope="workspace") & ~Q(scope_id="")),
                name="agents_budget_scope_names_its_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.scope_id} {self.period}".replace("  ", " ")


class BudgetWindow(models.Model):
    """What one period of a budget has spent and reserved; one UPDATE guards its limit."""

    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="windows")
    starts_on = models.DateField()
    spent_usd = models.DecimalField(**MONEY, default=0)
    reserved_usd = models.DecimalField(**MONEY, default=0)

    class Meta:
        ordering = ["-starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "starts_on"], name="agents_window_once_per_period"
            ),
            models.CheckConstraint(
                condition=Q(spent_usd__gte=0, reserved_usd__gte=0),
                name="agents_window_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"from {self.starts_on}"


class Reservation(models.Model):
    """Money set aside for one model call; the same call again replaces it."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"
        RELEASED = "released", "Released"

    workspace = models.ForeignKey("access.Workspace", on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    task_id = models.UUIDField()
    root_task_id = models.UUIDField()
    amount_usd = models.DecimalField(**MONEY)
    windows = ArrayField(models.BigIntegerField(), default=list)
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(help_text="From then on nobody can still be calling.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "key"], name="agents_reservation_once_per_call"
            ),
            models.CheckConstraint(
                condition=Q(amount_usd__gte=0), name="agents_reservation_not_negative"
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=Q(state="open"), name="agents_reservation_open"
            ),
            models.Index(fields=["task_id"], name="agents_reservation_task"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.state}"


class UsageEntry(models.Model):
    """What one model call used; never changed."""

    class Purpose(models.TextChoices):
        RUN = "run", "Run"
        SENSE = "sense", "Sense"
        PLAN = "plan", "Plan"
        JUDGE = "judge", "Judge"
        FORGE = "forge", "Forge"
        EVOLVE = "evolve", "Evolve"
        SKILL = "skill", "Skill"

    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="usage_entries"
    )
    task_id = models.UUIDField(null=True, blank=True)
    root_task_id = models.UUIDField(null=True, blank=True)
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="usage_entries"
    )
    agent = models.ForeignKey(
        Agent, on_delete=models.SET_NULL, null=True, blank=True, related_name="usage_entries"
    )
    user_id = models.CharField(max_length=200, blank=True)
    purpose = models.CharField(max_length=16, choices=Purpose.choices, default=Purpose.RUN)
    endpoint = models.CharField(max_length=63, blank=True)
    model = models.CharField(max_length=200, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(**MONEY, default=0)
    estimated = models.BooleanField(
        default=False, help_text="The call was cut or reported nothing: its tokens were counted."
    )
    priced = models.BooleanField(default=True, help_text="No: the model's price is not known.")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "usage entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(cost_usd__gte=0), name="agents_usage_cost_not_negative"
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "-at"], name="agents_usage_recent"),
            models.Index(fields=["root_task_id"], name="agents_usage_root_task"),
            models.Index(fields=["task_id"], name="agents_usage_task"),
            models.Index(fields=["agent", "-at"], name="agents_usage_agent"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.model} {self.cost_usd}"
