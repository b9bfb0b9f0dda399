"""Rows that make an instance look lived in, beside what a real job left: for pictures of it."""

import hashlib
import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.utils import timezone

from agents.models import (
    Agent,
    Approval,
    Budget,
    BudgetWindow,
    Endpoint,
    MemoryEntry,
    Skill,
    Tool,
    UsageEntry,
)
from cluster.models import AgentNode, Event, PhaseRecord, Schedule, Task, Worker
from loomsite.access.models import AuditEntry, Workspace
from loomsite.access.services import apikey_create

_GOALS: Final = (
    "Summarise this week's support tickets and name the three most frequent causes",
    "Compare the offers of the three hosting providers and recommend one",
    "Draft the release notes from the merged changes since the last version",
    "Check the supplier contracts for clauses that end within 90 days",
    "Explain to the sales team what changed in the data protection policy",
    "Find out why the nightly import took four hours instead of one",
    "Collect what our documentation says about backups and list its gaps",
    "Translate the onboarding guide and keep its structure",
)
_PHASES: Final = (
    ("sense", 0.9), ("match", 0.1), ("scale", 0.3), ("execute", 14.0), ("evaluate", 2.4),
    ("adapt", 0.1),
)  # fmt: skip
_SKILL: Final = """\
1. Read the tickets of the week and group them by cause, not by wording.
2. Count each group and keep two tickets of it as evidence.
3. Name the three largest groups, with their counts and the tickets' numbers.
"""


def furnish(workspace: Workspace) -> None:
    """Make a day of work, questions, drafts, memories, a budget and an audit in a workspace."""
    rng = random.Random(7)
    now = timezone.now()
    agents = list(Agent.objects.filter(workspace=workspace).order_by("slug"))
    for number in range(140):
        _ended(workspace, rng, now - timedelta(minutes=10 * number + rng.random() * 9), agents)
    _waiting(workspace, now, agents)
    _population(workspace, rng, now)
    _curated(workspace, now)
    _money(workspace, now)
    _access(workspace)


def _ended(workspace: Workspace, rng: random.Random, at: datetime, agents: list[Agent]) -> None:
    well = rng.random() < 0.86
    took = 6 + rng.expovariate(1 / 14)
    cost = Decimal(f"{0.004 + rng.expovariate(1 / 0.02):.6f}")
    task = Task.objects.create(
        workspace=workspace, goal=rng.choice(_GOALS), agent=None, door=rng.choice(("rest", "mcp")),
        actor="key:ticketing", status="succeeded" if well else "failed",
        outcome="succeeded" if well else rng.choice(("empty", "over_budget", "failed")),
        started_at=at, finished_at=at + timedelta(seconds=took), event_seq=1, verified=True,
        score=0.7 + 0.3 * rng.random() if well else 0.3 * rng.random(), cost_usd=cost,
        prompt_tokens=3_200, completion_tokens=540, answer="Done." if well else "",
    )  # fmt: skip
    Task.objects.filter(pk=task.pk).update(created_at=at)
    Event.objects.create(
        task=task, seq=1, type="task.finished", at=at + timedelta(seconds=took),
        data={"outcome": task.outcome, "score": round(task.score or 0, 2)},
    )  # fmt: skip
    begun = at
    for phase, usual_s in _PHASES:
        ended = begun + timedelta(seconds=usual_s * (0.6 + rng.random()))
        PhaseRecord.objects.create(
            task=task, cycle=1, phase=phase, attempt=1, started_at=begun, ended_at=ended
        )
        begun = ended
    UsageEntry.objects.create(
        workspace=workspace, task_id=task.pk, root_task_id=task.pk, model="large-model",
        agent=rng.choice(agents) if agents else None, endpoint="house-models", cost_usd=cost,
        prompt_tokens=3_200, completion_tokens=540, at=at + timedelta(seconds=took),
    )  # fmt: skip


def _waiting(workspace: Workspace, now: datetime, agents: list[Agent]) -> None:
    asked = Task.objects.create(
        workspace=workspace, goal="Send the summary of the audit to the three auditors",
        status="input_required", phase="execute", phase_started_at=now, started_at=now,
        door="admin", actor="user:olga", agent=agents[0] if agents else None,
        progress_message="waits for an answer",
    )  # fmt: skip
    Tool.objects.create(
        workspace=workspace, name="send_mail", description="Send a letter to people outside.",
        tags=["write", "network"], effect=True, source="mcp", parameters={
            "type": "object", "required": ["to", "subject"], "properties": {
                "to": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                "subject": {"type": "string", "maxLength": 200},
                "attach": {"type": "array", "items": {"type": "string"}}}},
    )  # fmt: skip
    Approval.objects.create(
        workspace=workspace, task_id=asked.pk, key="call-1", kind="approval",
        question="May send_mail run? It has an effect that cannot be taken back.",
        options=["approve", "deny"],
        detail={"tool": "send_mail", "arguments": '{\n  "to": ["auditors@example.org"],\n'
                '  "subject": "Summary of the audit",\n  "attach": ["summary.md"]\n}'},
    )  # fmt: skip
    Approval.objects.create(
        workspace=workspace, task_id=asked.pk, key="call-2", kind="question",
        question="The contract names two different end dates. Which of them counts, the one in"
        " the header or the one in clause 7?",
    )  # fmt: skip
    for goal, status, since in (
        ("Re-read the 400 pages of the tender and answer its questions", "running", 1_400),
        ("Reconcile last month's invoices with the orders", "running", 300),
        ("Write the quarterly report from the figures in the archive", "queued", 95),
    ):
        Task.objects.create(
            workspace=workspace, goal=goal, status=status, door="rest", actor="key:finance",
            phase="execute" if status == "running" else None, phase_started_at=now,
            started_at=now - timedelta(seconds=since) if status == "running" else None,
            due_at=now + timedelta(days=1), progress_done=3, progress_total=6,
            unavailable_since=now - timedelta(minutes=4) if since == 300 else None,
            unavailable_reason="The endpoint house-models answers 503; next try in 60 s."
            if since == 300 else "",
        )  # fmt: skip


def _population(workspace: Workspace, rng: random.Random, now: datetime) -> None:
    gone = Worker.objects.create(name="worker@rack-2", slots=64, running=5)
    old = Worker.objects.create(name="worker@old-laptop", slots=16)
    for row, days, ended in ((gone, 1, timedelta(hours=3)), (old, 6, timedelta(days=2))):
        Worker.objects.filter(pk=row.pk).update(
            started_at=now - timedelta(days=days), seen_at=now - ended,
            stopped_at=now - ended if row is old else None,
        )  # fmt: skip
    Endpoint.objects.create(
        workspace=workspace, slug="house-models", name="House models", model="large-model",
        base_url="https://models.example.com/v1",
    )  # fmt: skip
    for node in AgentNode.objects.filter(workspace=workspace):
        node.task_count, node.cost_usd = rng.randint(12, 60), Decimal("0.85")
        node.save(update_fields=["task_count", "cost_usd"])
    Schedule.objects.create(
        workspace=workspace, name="Morning digest", kind="cron", cron="0 7 * * 1-5",
        submission={"goal": "Summarise what happened overnight"}, run_count=41,
        next_at=now + timedelta(hours=9), last_at=now - timedelta(hours=15),
    )  # fmt: skip


def _curated(workspace: Workspace, now: datetime) -> None:
    Skill.objects.create(
        workspace=workspace, name="weekly-ticket-causes", instructions=_SKILL, state="draft",
        description="Finds the most frequent causes in a week of support tickets.",
        origin="crystallized", evidence={"runs": 6, "mean_score": 0.91},
    )  # fmt: skip
    for text in (
        "The finance team closes its books on the third working day of a month.",
        "Reports go out as Markdown; nobody reads attachments in other formats.",
        "The import of the warehouse data begins at 02:00 and must end before 06:00.",
    ):
        MemoryEntry.objects.create(
            workspace=workspace, text=text, valid_from=now, importance=0.7,
            text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        )  # fmt: skip


def _money(workspace: Workspace, now: datetime) -> None:
    budget = Budget.objects.create(
        workspace=workspace, scope="workspace", period="day", limit_usd=Decimal(10)
    )
    BudgetWindow.objects.create(
        workspace=workspace, budget=budget, starts_on=now.date(), spent_usd=Decimal("4.20"),
        reserved_usd=Decimal("0.35"),
    )  # fmt: skip


def _access(workspace: Workspace) -> None:
    apikey_create(
        workspace_slug=workspace.slug, user="ticketing", scopes=["tasks:read", "tasks:write"],
        name="ticket system", expires_days=90,
    )  # fmt: skip
    for actor, action, reason in (
        ("user:olga", "task.cancel", "The customer withdrew the request"),
        ("user:ines", "skill.activate", "Reviewed against ten tickets"),
        ("user:olga", "apikey.revoke", "The laptop was lost"),
    ):
        AuditEntry.objects.create(
            workspace=workspace, actor=actor, door="admin", action=action, target="", reason=reason
        )
