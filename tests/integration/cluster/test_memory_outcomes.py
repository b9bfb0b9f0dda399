"""A memory that a task's run was given learns how the task was judged."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents.core.ports import MemoryHit
from agents.models import MemoryUse
from agents.services.memories import memory_remember
from agents.store.memories import WORKSPACE, DbMemory
from cluster.core.steps import RunAgent, RunOutcome
from cluster.core.types import TaskView
from tests.factories.access import make_tenant
from tests.factories.agents import make_run, open_fence
from tests.factories.cluster import FakeWorld, answered, submit, work

pytestmark = pytest.mark.django_db(transaction=True)
OAK = "The loom is made of oak."


def memory_of(workspace_id: str) -> DbMemory:
    return DbMemory(
        workspace_id=workspace_id,
        owner=WORKSPACE,
        readable=(WORKSPACE,),
        provenance={"run_id": make_run(workspace_id).run_id},
        embed=None,
        fence=open_fence,
    )


def work_on(workspace_id: str, **judged: Any) -> str:
    """Let a task be worked on with what is remembered, and judged; return its run."""
    memory = memory_of(workspace_id)
    run_id = memory.provenance["run_id"]

    def run(_view: TaskView, step: RunAgent) -> RunOutcome:
        hits: list[MemoryHit] = async_to_sync(memory.recall)(step.goal)
        return answered(" ".join(hit.text for hit in hits), run_id=run_id)

    submit(workspace_id, "Of what is the loom made?", max_cycles=1)
    work(FakeWorld(run=run, replies={"judge": judged} if judged else {}))
    return run_id


def uses() -> list[tuple[str, str, float | None]]:
    rows = MemoryUse.objects.order_by("used_at", "pk")
    found = rows.values_list("memory__text", "run_id", "outcome")
    return [(text, str(run_id), outcome) for text, run_id, outcome in found]


def test_what_a_run_was_given_has_the_score_of_its_task_and_nothing_else_has() -> None:
    workspace_id = make_tenant().workspace_id
    memory_remember(workspace_id=workspace_id, text=OAK)
    memory_remember(
        workspace_id=workspace_id, text="The loom sleeps.", scope="task", scope_id="another"
    )

    run_id = work_on(workspace_id, score=0.9, comment="right")

    assert uses() == [(OAK, run_id, pytest.approx(0.9))]


def test_a_task_that_nobody_could_judge_says_nothing_about_its_memories() -> None:
    workspace_id = make_tenant().workspace_id
    memory_remember(workspace_id=workspace_id, text=OAK)

    run_id = work_on(workspace_id)

    assert uses() == [(OAK, run_id, None)]


def test_a_memory_fades_below_its_equal_when_the_tasks_it_was_given_to_went_badly() -> None:
    workspace_id = make_tenant().workspace_id
    memory_remember(workspace_id=workspace_id, text=OAK)
    for _ in range(3):
        work_on(workspace_id, score=0.0, comment="wrong")

    memory_remember(workspace_id=workspace_id, text="The loom is made of ash.")

    hits = async_to_sync(memory_of(workspace_id).recall)("Of what is the loom made?")
    assert [hit.text for hit in hits] == ["The loom is made of ash.", OAK]
    assert hits[1].score < hits[0].score * 0.8
