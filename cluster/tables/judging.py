"""How good the judge is: answers of known worth, and what it said of them."""

import uuid

from django.db import models
from django.db.models import Q


class CalibrationCase(models.Model):
    """An answer that people know the worth of; the judge is measured on it and never sees it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="calibration_cases"
    )
    goal = models.TextField()
    answer = models.TextField()
    score = models.FloatField(help_text="What the answer is worth, from 0 to 1.")
    note = models.TextField(blank=True, help_text="Why; for people.")
    enabled = models.BooleanField(default=True)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    workspace_id: uuid.UUID

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(score__gte=0, score__lte=1), name="cluster_case_score_in_unit"
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at"], name="cluster_case_recent"),
        ]

    def __str__(self) -> str:
        return self.goal[:80]


class JudgeAudit(models.Model):
    """One pass of the judge over the calibration set, and how far it is believed since."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        "access.Workspace", on_delete=models.CASCADE, related_name="judge_audits"
    )
    model = models.CharField(max_length=200, blank=True)
    n = models.PositiveIntegerField(default=0, help_text="Cases it graded.")
    failed = models.PositiveIntegerField(default=0, help_text="Cases it gave no grade for.")
    mae = models.FloatField(null=True, blank=True, help_text="Mean distance to the known score.")
    brier = models.FloatField(null=True, blank=True)
    agreement = models.FloatField(
        null=True, blank=True, help_text="Share of cases on the same side of .5."
    )
    correlation = models.FloatField(null=True, blank=True)
    spread = models.FloatField(null=True, blank=True, help_text="Standard deviation of its grades.")
    bins = models.JSONField(default=list)
    trust = models.FloatField(default=1.0, help_text="Its weight is multiplied by this.")
    flags = models.JSONField(default=list)
    reason = models.TextField(blank=True)
    created_by = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    workspace_id: uuid.UUID

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(trust__gte=0, trust__lte=1), name="cluster_audit_trust_in_unit"
            )
        ]
        indexes = [models.Index(fields=["workspace", "-at"], name="cluster_audit_recent")]

    def __str__(self) -> str:
        return f"trust {self.trust:.2f} over {self.n} cases"


class JudgeGrade(models.Model):
    """What the judge said of one case; `score` is empty when it said nothing usable."""

    audit = models.ForeignKey(JudgeAudit, on_delete=models.CASCADE, related_name="grades")
    case = models.ForeignKey(CalibrationCase, on_delete=models.CASCADE, related_name="grades")
    known = models.FloatField(help_text="The case's score at that time.")
    score = models.FloatField(null=True, blank=True)
    comment = models.TextField(blank=True)
    error = models.TextField(blank=True)

    case_id: uuid.UUID

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["audit", "case"], name="cluster_grade_once_per_audit")
        ]

    def __str__(self) -> str:
        return "no grade" if self.score is None else f"{self.score:.2f}"
