"""One loop, two drivers: in memory and in the database a task goes the same way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.core.steps import RunAgent, RunOutcome
from cluster.core.types import TaskView
from cluster.memory_driver import MemoryDriver, Node
from cluster.models import PhaseRecord, Task
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import NOW, FakeWorld, answered, failed, make_spec, submit, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
JUDGED = {"judge": {"score": 0.9, "comment": "good"}}
PHASE_OF = {
    "Sensed": "sense",
    "Matched": "match",
    "Scaled": "scale",
    "Executed": "execute",
    "Verdict": "evaluate",
    "Adapted": "adapt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What both drivers can tell of a task's end."""

    status: str
    outcome: str
    answer: str
    score: float | None
    verified: bool
    error_message: str
    phases: tuple[str, ...]


def in_memory(world: FakeWorld, goal: str, **spec: Any) -> Came:
    driver = MemoryDriver(
        nodes=[Node(node_id=f"node-{name}", agent=name) for name in ("ada", "bob")],
        ports=world.ports(),
        clock=lambda: NOW,
    )
    ended = asyncio.run(driver.run(make_spec(goal=goal, **spec)))
    end = ended.finish
    return Came(
        status=end.status,
        outcome=end.outcome,
        answer=end.answer,
        score=end.score,
        verified=end.verified,
        error_message=end.error_message,
        phases=tuple(PHASE_OF[type(phase).__name__] for phase in ended.phases),
    )


def in_the_database(world: FakeWorld, goal: str, **spec: Any) -> Came:
    workspace_id = make_tenant().workspace_id
    for slug in ("ada", "bob"):
        make_agent(workspace_id, slug=slug)
    task_id = submit(workspace_id, goal, **spec)
    work(world)
    task = Task.objects.get(id=task_id)
    records = PhaseRecord.objects.filter(task=task).order_by("id")
    return Came(
        status=task.status,
        outcome=task.outcome or "",
        answer=task.answer or "",
        score=task.score,
        verified=task.verified,
        error_message=task.error_message,
        phases=tuple(records.values_list("phase", flat=True)),
    )


DRIVERS: list[Callable[..., Came]] = [in_memory, in_the_database]
SIX = ("sense", "match", "scale", "execute", "evaluate", "adapt")
LIST = "Write about:\n1. cats\n2. dogs, see part 1\n3. birds, see part 2"


@requirement("life.one_driver")
@pytest.mark.parametrize("drive", DRIVERS)
def test_a_task_is_answered(drive: Callable[..., Came]) -> None:
    assert drive(FakeWorld(replies=JUDGED), "Say it.") == Came(
        status="succeeded",
        outcome="succeeded",
        answer="Answer: Say it.",
        score=0.9,
        verified=True,
        error_message="",
        phases=SIX,
    )


@pytest.mark.parametrize("drive", DRIVERS)
def test_a_list_is_split_and_put_together(drive: Callable[..., Came]) -> None:
    came = drive(FakeWorld(replies=JUDGED), LIST)

    assert (came.status, came.answer, came.phases) == (
        "succeeded",
        (
            "### cats\n\nAnswer: cats\n\n"
            "### dogs, see part 1\n\nAnswer: dogs, see part 1\n\n"
            "### birds, see part 2\n\nAnswer: birds, see part 2"
        ),
        SIX,
    )


@pytest.mark.parametrize("drive", DRIVERS)
def test_a_complex_goal_is_planned_repaired_worked_on_in_order_and_merged(
    drive: Callable[..., Came],
) -> None:
    whole = "Found a town."

    def sense(user: str) -> dict[str, Any]:
        hard = 0.9 if whole in user else 0.2
        return {"complexity": hard, "confidence": 0.9, "domain": "general", "tools": []}

    def plan(user: str) -> dict[str, Any]:
        needs = ["survey"] if "could not be used" in user else ["nobody"]
        return {
            "parts": [
                {"key": "build", "goal": "Build it.", "depends_on": needs},
                {"key": "survey", "goal": "Survey the land.", "depends_on": []},
            ]
        }

    def run(_view: TaskView, step: RunAgent) -> RunOutcome:
        if step.goal == whole:
            return answered("merged" if "built on the survey" in step.context else "no")
        if step.goal == "Build it.":
            return answered("built on the survey" if "surveyed" in step.context else "no")
        return answered("surveyed")

    world = FakeWorld(replies={**JUDGED, "sense": sense, "plan": plan}, run=run)
    came = drive(world, whole)

    assert (came.status, came.answer, came.phases) == ("succeeded", "merged", SIX)
    assert world.purposes["plan"] == 2


@requirement("life.dag_failure")
@pytest.mark.parametrize("drive", DRIVERS)
def test_a_middle_part_that_fails_takes_with_it_what_builds_on_it(
    drive: Callable[..., Came],
) -> None:
    def run(_view: TaskView, step: RunAgent) -> RunOutcome:
        return failed("no dogs") if step.goal.startswith("dogs") else answered("fine")

    came = drive(FakeWorld(run=run), LIST, max_cycles=1)

    assert (came.status, came.outcome, came.phases) == ("failed", "failed", SIX)
    assert came.error_message == (
        "part 'part-2' failed: no dogs; "
        "part 'part-3' failed: It builds on part 'part-2', which failed."
    )


@requirement("life.second_cycle")
@pytest.mark.parametrize("drive", DRIVERS)
def test_a_rejected_answer_is_bettered_by_another_agent(drive: Callable[..., Came]) -> None:
    def run(_view: TaskView, step: RunAgent) -> RunOutcome:
        return answered("better" if "too short" in step.context else "bad")

    def judge(user: str) -> dict[str, Any]:
        good = "better" in user
        return {"score": 0.9 if good else 0.1, "comment": "fine" if good else "too short"}

    world = FakeWorld(run=run, replies={"judge": judge})

    came = drive(world, "Say it.", min_score=0.5)

    assert (came.status, came.answer, came.score, came.phases) == (
        "succeeded",
        "better",
        0.9,
        SIX * 2,
    )
    assert len({step.agent for _, step in world.runs}) == 2
