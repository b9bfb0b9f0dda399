"""Rows of every model that has a page, with text that must never run."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from pgvector import SparseVector

from agents import models as a
from agents.services.agents import agent_create
from cluster import models as c
from knowledge import models as k
from knowledge.core.analysis import TERM_SPACE
from loomsite.access.models import ApiKey, AuditEntry, IdempotencyKey, Membership, Workspace

EVIL = "<script>alert('loom')</script>"


def person(name: str, **fields: Any) -> Any:
    users = get_user_model()
    made = users(username=name, is_staff=True, **fields)
    made.set_password("correct horse")
    made.save()
    return made


def member(workspace_id: object, role: str, name: str = "") -> Any:
    made = person(name or f"{role}-{uuid.uuid4().hex[:8]}")
    Membership.objects.create(workspace_id=workspace_id, user=made, role=role)
    return made


def signed_in(user: Any) -> Client:
    made = Client()
    made.force_login(user)
    return made


class Seeds:
    """One row of each model in a workspace; call `more` for another set."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.workspace = Workspace.objects.create(slug=slug, name=EVIL)
        self.rows: dict[type[Model], list[Any]] = {Workspace: [self.workspace]}
        self.number = 0

    def keep(self, row: Any) -> Any:
        self.rows.setdefault(type(row), []).append(row)
        return row

    def make(self, model: type[Model], /, **fields: Any) -> Any:
        return self.keep(model._default_manager.create(**fields))

    def more(self) -> None:
        self.number += 1
        tag = f"{self.slug}-{self.number}"
        self._access(tag)
        self._agents(tag)
        self._runs(tag)
        self._tasks(tag)
        self._market(tag)
        self._knowledge(tag)
        self._beat(tag)

    def _access(self, tag: str) -> None:
        w = self.workspace
        self.user = self.keep(person(f"user-{tag}"))
        self.make(Membership, workspace=w, user=self.user, role="viewer")
        self.make(
            ApiKey, workspace=w, user=self.user, name=EVIL, scopes=["tasks:read"],
            prefix=hashlib.sha256(tag.encode()).hexdigest()[:12], secret_sha256="5ec2e7" * 10,
        )  # fmt: skip
        self.make(AuditEntry, workspace=w, actor=EVIL, door="rest", action="x", detail={"a": EVIL})
        self.make(
            IdempotencyKey, workspace=w, key=f"{EVIL}{tag}", body_sha256="0", target_id=uuid.uuid4()
        )

    def _agents(self, tag: str) -> None:
        w = self.workspace
        self.endpoint = self.make(
            a.Endpoint, workspace=w, slug=f"endpoint-{tag}", name=EVIL, secret="sealed:TOPSECRET",
            base_url="https://models.example.com/v1", profile={"x": EVIL},
        )  # fmt: skip
        agent_id = agent_create(
            workspace_id=str(w.pk), slug=f"agent-{tag}", name=EVIL, description=EVIL,
            instructions=EVIL, endpoint_id=str(self.endpoint.pk), tools=["calculator"],
        )  # fmt: skip
        self.agent = self.keep(a.Agent.objects.get(pk=agent_id))
        self.version = self.keep(a.AgentVersion.objects.get(agent=self.agent))
        connection = self.make(
            a.McpConnection, workspace=w, slug=f"mcp-{tag}", name=EVIL, secret="sealed:TOPSECRET",
            url="https://mcp.example.com", environment={"TOKEN": "TOPSECRET"},
        )  # fmt: skip
        self.make(
            a.Tool, workspace=w, name=f"tool-{tag}", description=EVIL, tags=["read"],
            connection=connection, source="mcp",
        )  # fmt: skip
        self.make(a.Scene, workspace=w, slug=f"scene-{tag}", name=EVIL, deny_tags=["exec"])
        self.skill = self.make(
            a.Skill, workspace=w, name=f"skill-{tag}", description=EVIL, instructions=EVIL,
            files={"a.md": EVIL}, version_number=1,
            evidence={"runs": [{"goal": EVIL, "task_id": EVIL, "score": 0.5}], "why": EVIL},
        )  # fmt: skip
        self.make(
            a.SkillVersion, workspace=w, skill=self.skill, number=1, spec={"instructions": EVIL},
            reason=EVIL,
        )  # fmt: skip
        self.memory = self.make(
            a.MemoryEntry, workspace=w, text=f"{EVIL}{tag}", valid_from=timezone.now(),
            text_sha256=hashlib.sha256(tag.encode()).hexdigest(),
        )  # fmt: skip
        budget = self.make(
            a.Budget, workspace=w, scope="user", scope_id=f"{EVIL}{tag}", limit_usd="5"
        )
        self.make(a.BudgetWindow, workspace=w, budget=budget, starts_on=timezone.now().date())

    def _runs(self, tag: str) -> None:
        w, now = self.workspace, timezone.now()
        self.task = self.make(
            c.Task, workspace=w, goal=f"{EVIL}{tag}", agent=self.agent, context=EVIL, answer=EVIL,
            status="succeeded", outcome="succeeded", started_at=now, finished_at=now, cycle=1,
            citations=[{"document_id": str(uuid.uuid4()), "start": 0, "end": 3, "quote": EVIL}],
            event_seq=1, actor=EVIL, door="rest", score=0.5,
        )  # fmt: skip
        session = self.make(a.Session, workspace=w, key=f"{EVIL}{tag}", agent=self.agent)
        run = self.make(
            a.Run, workspace=w, task_id=self.task.pk, root_task_id=self.task.pk, agent=self.agent,
            version=self.version, session=session, goal=EVIL, answer=EVIL, status="ended",
            started_at=now, ended_at=now,
        )  # fmt: skip
        self.make(a.MemoryRevision, memory=self.memory, at=timezone.now(), before={"text": EVIL})
        self.make(a.SkillUse, skill=self.skill, run=run, by="keyword")
        self.make(a.ContextShares, workspace=w, agent=self.agent, weights={EVIL: 1})
        self.make(a.MemoryUse, memory=self.memory, run=run, score=0.5)
        self.make(
            a.SessionMessage, workspace=w, session=session, index=0, run_id=run.pk,
            message={"content": EVIL},
        )  # fmt: skip
        self.make(
            a.Step, workspace=w, run=run, index=0, finish_reason="stop",
            message={"content": EVIL, "reasoning": EVIL},
        )  # fmt: skip
        self.make(
            a.ToolEffect, workspace=w, run=run, key="k", step=0, tool="calculator", begun_at=now,
            arguments=EVIL, result=EVIL, state="done",
        )  # fmt: skip
        self.make(
            a.Violation, workspace=w, run=run, agent=self.agent, key="k", tool="t", reason=EVIL
        )
        self.make(
            a.Artifact, workspace=w, run=run, task_id=self.task.pk, name=EVIL, size=3,
            content=b"abc", sha256="0", media_type="text/html",
        )  # fmt: skip
        self.make(
            a.Approval, workspace=w, task_id=self.task.pk, run_id=run.pk, key=f"k-{tag}",
            kind="question", question=EVIL, options=["yes", EVIL],
        )  # fmt: skip
        self.make(
            a.Reservation, workspace=w, key=f"key-{tag}", task_id=self.task.pk, amount_usd="1",
            root_task_id=self.task.pk, expires_at=now,
        )  # fmt: skip
        self.make(
            a.UsageEntry, workspace=w, task_id=self.task.pk, run=run, agent=self.agent, at=now,
            root_task_id=self.task.pk, model=EVIL, cost_usd="0.01",
        )  # fmt: skip

    def _tasks(self, tag: str) -> None:
        task, now = self.task, timezone.now()
        child = c.Task.objects.create(
            workspace=self.workspace, goal=EVIL, parent=task, root=task, parent_cycle=1,
            plan_key=f"a-{tag}", due_at=now + timedelta(days=1),
        )  # fmt: skip
        self.make(c.TaskEdge, predecessor=task, successor=child)
        self.make(
            c.PhaseRecord, task=task, cycle=1, phase="sense", inputs={"goal": EVIL}, attempt=1,
            started_at=now - timedelta(seconds=3), ended_at=now,
        )  # fmt: skip
        self.make(c.Event, task=task, seq=1, type="task.created", at=now, data={"actor": EVIL})
        self.make(
            c.Schedule, workspace=self.workspace, name=EVIL, kind="interval", every_s=3600,
            submission={"goal": EVIL}, next_at=now,
        )  # fmt: skip
        self.make(c.Worker, name=f"worker-{tag}", slots=4)
        hook = self.make(
            c.Webhook, workspace=self.workspace, name=EVIL, url="https://hooks.example.com",
            events=["task.finished"], secret="sealed:TOPSECRET",
        )  # fmt: skip
        self.make(
            c.WebhookDelivery, workspace=self.workspace, webhook=hook, type="task.finished",
            event={"a": EVIL}, payload={"a": EVIL}, error=EVIL, status="failed",
        )  # fmt: skip

    def _market(self, tag: str) -> None:
        w, task, now = self.workspace, self.task, timezone.now()
        domain = self.make(c.Domain, workspace=w, slug=f"domain-{tag}", description=EVIL)
        family = self.make(
            c.Family, workspace=w, slug=f"family-{tag}", m=0, v=1, slope_m=0, slope_v=1
        )
        blueprint = self.make(
            c.Blueprint, workspace=w, slug=f"blueprint-{tag}", spec={"name": EVIL}, reason=EVIL
        )
        node = self.make(
            c.AgentNode, workspace=w, agent=self.agent, family=family, blueprint=blueprint, m=0, v=1
        )
        self.make(c.BlueprintEvent, blueprint=blueprint, kind="created", reason=EVIL)
        self.make(c.Forging, task=task, cycle=1, action="forge", reason=EVIL, blueprint=blueprint)
        case = self.make(c.CalibrationCase, workspace=w, goal=EVIL, answer=EVIL, score=0.5)
        audit = self.make(c.JudgeAudit, workspace=w, n=1, reason=EVIL, flags=[EVIL])
        self.make(c.JudgeGrade, audit=audit, case=case, known=0.5, comment=EVIL)
        self.make(c.Capability, node=node, domain=domain, m=0, v=1)
        self.make(c.LifecycleEvent, node=node, kind="born", reason=EVIL)
        auction = self.make(
            c.Auction, task=task, cycle=1, complexity=0.5, seed="1", winner=node, reason=EVIL,
            held_at=now, weights={domain.slug: 1.0}, excluded={EVIL: 2},
        )  # fmt: skip
        self.make(
            c.Bid, auction=auction, node=node, rank=1, mean=0, variance=1, xi=0, price=1, wait_s=0,
            quality=0.5, cost_term=0.1, wait_term=0, bid=0.4,
        )  # fmt: skip
        self.make(c.Assignment, task=task, cycle=1, node=node, started_at=now, state="released")
        self.make(
            c.Reward, task=task, cycle=1, node=node, score=0.5, outcome="succeeded", comment=EVIL,
            components=[{"source": "check", "name": EVIL, "score": 1, "weight": 1, "detail": EVIL}],
        )  # fmt: skip
        self.make(
            c.MarketEntry, family=family, rev=1, task=task, cycle=1, node=node, complexity=0.5,
            at=now,
        )  # fmt: skip
        self.make(c.Calibration, workspace=w, domain=domain, bin=3, n=1, forecast_sum=0.3)
        self.make(c.SplitCell, workspace=w, domain=domain.slug, arm="split", bin=3, n=2, total=0.3)

    def _knowledge(self, tag: str) -> None:
        w = self.workspace
        collection = self.make(k.Collection, workspace=w, slug=f"collection-{tag}", name=EVIL)
        document = self.make(
            k.Document, workspace=w, collection=collection, external_id=f"{EVIL}{tag}", title=EVIL,
            status="failed", error=EVIL, text=EVIL, metadata={"a": EVIL},
        )  # fmt: skip
        self.make(k.DocumentSource, document=document, content=b"abc", file_name=EVIL)
        chunk = self.make(
            k.Chunk, document=document, ordinal=0, start=0, end=len(EVIL), text=EVIL,
            content_hash="0",
        )  # fmt: skip
        self.make(
            k.ChunkTerms, chunk=chunk, collection_id=collection.pk, length=1, terms=[1], counts=[1],
            weights=SparseVector({1: 1.0}, TERM_SPACE),
        )  # fmt: skip
        found, _ = k.CollectionStatistics.objects.get_or_create(collection=collection)
        self.keep(found)
        self.make(
            k.StatisticsDelta, collection_id=collection.pk, chunk_count=1, total_length=1,
            terms=[1], chunk_counts=[1],
        )  # fmt: skip
        model = self.make(k.EmbeddingModel, name=f"model-{tag}", dim=3)
        self.make(k.Reembedding, workspace=w, collection=collection, to_model=model, error=EVIL)

    def _beat(self, tag: str) -> None:
        number = sum(tag.encode()) * 100 + self.number
        every = self.make(IntervalSchedule, every=number, period="seconds")
        self.make(CrontabSchedule, minute=str(number % 60))
        self.make(SolarSchedule, event="sunset", latitude=number % 80, longitude=self.number)
        self.make(ClockedSchedule, clocked_time=timezone.now() + timedelta(seconds=number))
        self.make(
            PeriodicTask, name=f"timer-{tag}", task="cluster.tasks.tick_job", interval=every,
            enabled=False,
        )  # fmt: skip
