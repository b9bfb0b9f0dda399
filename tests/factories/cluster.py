"""Views, fakes and driven tasks for tests of the cluster."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connections

from agents.models import Run, ToolEffect
from cluster.core import amoeba
from cluster.core.checks import CheckResult, check_run
from cluster.core.perform import Ports, perform
from cluster.core.ports import Look
from cluster.core.steps import (
    ModelAnswer,
    OutsideOutcome,
    OutsideStep,
    RunAgent,
    RunOutcome,
    Step,
    Suspended,
    is_outside,
)
from cluster.core.types import (
    Adapted,
    ChildView,
    CitedSpan,
    Claim,
    Cost,
    Executed,
    Json,
    Matched,
    Outcome,
    Part,
    Scaled,
    Sensed,
    Status,
    TaskSpec,
    TaskView,
    Verdict,
)
from cluster.models import AgentNode, Assignment, Event, Task
from cluster.runner import Happenings, run_id
from cluster.selectors.spine import task_view
from cluster.services.claims import claims_take
from cluster.services.journal import ClockTimestamp
from cluster.services.spine import step_record
from cluster.services.tasks import task_submit

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
TASK_ID = "00000000-0000-4000-8000-000000000001"
RUN_ID = "00000000-0000-4000-8000-00000000000a"

SENSED = Sensed(
    complexity=0.3, confidence=0.8, domain="general", weights={"general": 1.0}, source="model"
)
MATCHED = Matched(
    node_id="node-1",
    agent_id="agent-1",
    agent="ada",
    auction_id="auction-1",
    reason="the only bidder",
    success_probability=0.7,
    bid_count=1,
)
SOLO = Scaled(split=False, reason="alone is expected to be worth more")
ANSWERED = Executed(stop="answered", answer="42", run_id=RUN_ID, step_count=1)
GOOD = Verdict(outcome=Outcome.SUCCEEDED, score=0.9, verified=True, accepted=True, judge="judge")
BAD = Verdict(
    outcome=Outcome.FAILED, score=0.1, verified=True, accepted=False, comment="the sum is wrong"
)
ADAPTED = Adapted(settled=1, reason="capability updated")


def make_spec(**fields: Any) -> TaskSpec:
    values: dict[str, Any] = {
        "id": TASK_ID,
        "workspace_id": "workspace-1",
        "goal": "Say what six times seven is.",
        "root_id": TASK_ID,
    }
    return TaskSpec(**values | fields)


def make_view(*, spec: Mapping[str, Any] | None = None, **fields: Any) -> TaskView:
    """Return the view of a running task in its first cycle, nothing recorded yet."""
    values: dict[str, Any] = {
        "task": make_spec(**(spec or {})),
        "now": NOW,
        "status": Status.RUNNING,
        "cycle": 1,
    }
    return TaskView(**values | fields)


def make_child(key: str, status: Status = Status.SUCCEEDED, **fields: Any) -> ChildView:
    values: dict[str, Any] = {
        "id": f"child-{key}",
        "key": key,
        "goal": f"Do {key}.",
        "status": status,
        "answer": f"{key} is done." if status == Status.SUCCEEDED else "",
        "error_message": "" if status != Status.FAILED else f"{key} broke",
    }
    return ChildView(**values | fields)


def make_split(*parts: str | Part, merge: Any = "assemble", **fields: Any) -> Scaled:
    made = tuple(p if isinstance(p, Part) else Part(key=p, goal=f"Do {p}.") for p in parts)
    return Scaled(split=True, parts=made, source="enumeration", merge=merge, **fields)


# ---------------------------------------------------------------- the ports, faked


@dataclass(slots=True, kw_only=True)
class FakeWorld:
    """All four ports in one: says what it was told to, counts what it was asked.

    Attributes:
        replies: By purpose; a function of the user's message, or one value for all.
        run: What a run comes to, as a function of view and step.
        delay_s: How long a run takes.
    """

    run: Callable[[TaskView, RunAgent], RunOutcome] = field(
        default_factory=lambda: lambda _view, step: answered(f"Answer: {step.goal}")
    )
    replies: dict[str, Any] = field(default_factory=dict[str, Any])
    similarities: dict[str, float] = field(default_factory=lambda: {"general": 0.4})
    delay_s: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    runs: list[tuple[str, RunAgent]] = field(default_factory=list[tuple[str, RunAgent]])
    running: int = 0
    most_running: int = 0

    def ports(self) -> Ports:
        return Ports(
            runner=_Runner(self), mind=_Mind(self), judge=_Judge(), surroundings=_Around(self)
        )

    @property
    def purposes(self) -> Counter[str]:
        return Counter(purpose for purpose, _ in self.asked)


@dataclass(frozen=True, slots=True)
class _Runner:
    world: FakeWorld

    async def run(self, view: TaskView, step: RunAgent) -> RunOutcome:
        world = self.world
        world.runs.append((view.task.id, step))
        world.running += 1
        world.most_running = max(world.most_running, world.running)
        try:
            await asyncio.sleep(world.delay_s)
            return world.run(view, step)
        finally:
            world.running -= 1


@dataclass(frozen=True, slots=True)
class _Mind:
    world: FakeWorld

    async def ask(
        self, view: TaskView, *, purpose: Any, system: str, user: str, schema: Json
    ) -> ModelAnswer:
        self.world.asked.append((purpose, user))
        reply = self.world.replies.get(purpose)
        if callable(reply):
            reply = reply(user)
        if isinstance(reply, ModelAnswer):
            return reply
        return (
            ModelAnswer(value=None, why="model cannot")
            if reply is None
            else ModelAnswer(value=reply, model="fake-model")
        )


@dataclass(frozen=True, slots=True)
class _Judge:
    async def check(
        self,
        view: TaskView,
        *,
        checks: tuple[Mapping[str, Any], ...],
        answer: str,
        citations: tuple[CitedSpan, ...],
    ) -> tuple[CheckResult, ...]:
        return tuple(check_run(check, answer) for check in checks)


@dataclass(frozen=True, slots=True)
class _Around:
    world: FakeWorld

    async def look(self, view: TaskView, text: str) -> Look:
        similar = self.world.similarities
        return Look(
            similarities=dict(similar), domains=dict.fromkeys(similar, "a kind of work"), tools={}
        )


def answered(text: str, **fields: Any) -> RunOutcome:
    return RunOutcome(executed=replace(ANSWERED, answer=text, **fields))


def failed(message: str = "it broke", **fields: Any) -> RunOutcome:
    values: dict[str, Any] = {
        "stop": "failed",
        "error_code": "agents.failed",
        "error_message": message,
        "run_id": RUN_ID,
    }
    return RunOutcome(executed=Executed(**values | fields))


def usd(text: str) -> Cost:
    return Cost(cost_usd=Decimal(text))


# ---------------------------------------------------------------- in the database


def submit(workspace_id: str, goal: str = "Say what six times seven is.", **raw: Any) -> str:
    """Submit a task and return its id."""
    task_id, _ = task_submit(workspace_id=workspace_id, actor="ada", door="test", goal=goal, **raw)
    return task_id


def take(worker: str = "worker-1", *, limit: int = 16, lease_s: float = 30.0) -> list[Claim]:
    """Claim what is due."""
    return claims_take(worker=worker, limit=limit, lease_s=lease_s)


def lapse(*task_ids: str) -> None:
    """Let leases end, as they do when their worker is dead."""
    Task.objects.filter(id__in=task_ids, lease_until__isnull=False).update(
        lease_until=ClockTimestamp() - timedelta(seconds=1)
    )


def go(
    claim: Claim,
    world: FakeWorld,
    *,
    until: Callable[[TaskView, Step], bool] = lambda _view, _step: False,
) -> Step | None:
    """Drive a claimed task as the reactor does, on this thread; stop before the step `until` names.

    Returns the step that was not carried out; None when the claim was let go.
    """
    happenings = Happenings()
    view: TaskView | None = None
    while True:
        view = view or task_view(claim=claim)
        step = amoeba.next_step(view)
        if until(view, step):
            return step
        inside = (
            amoeba.conclude(view, step, _performed(view, step, world)) if is_outside(step) else step
        )
        written = step_record(claim=claim, view=view, step=inside, happenings=happenings)
        if not written.go_on:
            return None
        view = amoeba.advance(view, inside, written)


def _performed(view: TaskView, step: OutsideStep, world: FakeWorld) -> OutsideOutcome:
    """Carry out an outside step; a fake run may use the database, which an event loop may not."""
    if isinstance(step, RunAgent):
        world.runs.append((view.task.id, step))
        return world.run(view, step)
    return asyncio.run(perform(view, step, world.ports()))


def work(world: FakeWorld, *, worker: str = "worker-1") -> int:
    """Drive what is due until nothing is, and return how many claims that took."""
    count = 0
    while claims := take(worker, limit=1):
        for claim in claims:
            go(claim, world)
            count += 1
    return count


def before(kind: type[Any]) -> Callable[[TaskView, Step], bool]:
    """Return an `until` for `go`: stop before a step of this kind."""
    return lambda _view, step: isinstance(step, kind)


def opened(view: TaskView, step: RunAgent) -> str:
    """Let the run of a task exist, as the runtime would."""
    id_ = run_id(view.task.id, view.cycle)
    agent = AgentNode.objects.get(id=step.node_id).agent
    Run.objects.get_or_create(
        id=id_,
        defaults={
            "workspace_id": view.task.workspace_id,
            "task_id": view.task.id,
            "root_task_id": view.task.root_id,
            "agent": agent,
            "version": agent.versions.get(number=agent.version_number),
            "started_at": view.now,
        },
    )
    return id_


def asks(view: TaskView, step: RunAgent) -> RunOutcome:
    """Ask one question, then answer with what was said."""
    id_ = opened(view, step)
    told = ToolEffect.objects.filter(run_id=id_, key="ask").first()
    if told is not None:
        return answered(f"You said {told.result}.")
    return RunOutcome(
        suspended=Suspended(kind="question", key="ask", run_id=id_, question="Which colour?")
    )


def assert_sound() -> None:
    """Check what holds at any moment: no gap in events, slots as many as active assignments."""
    for task in Task.objects.all():
        seqs = list(Event.objects.filter(task=task).order_by("seq").values_list("seq", flat=True))
        assert seqs == list(range(1, task.event_seq + 1)), f"{task}: {seqs}"
        times = list(Event.objects.filter(task=task).order_by("seq").values_list("at", flat=True))
        assert times == sorted(times)
    active = Counter(Assignment.objects.filter(state="active").values_list("node_id", flat=True))
    assert dict(AgentNode.objects.exclude(busy=0).values_list("id", "busy")) == dict(active)


def assert_all_let_go() -> None:
    """Check what holds when everything has ended."""
    assert_sound()
    left = Task.objects.filter(finished_at__isnull=True) | Task.objects.filter(
        lease_until__isnull=False
    )
    assert [(str(t), t.status) for t in left] == []
    assert not AgentNode.objects.exclude(busy=0).exists()


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at once, each on a thread of its own; return results and errors in order."""
    gate = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        gate.wait(10)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 -- what it raised is what it came to
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))
