"""As many runs of an agent at once as it has slots: also of runs that waited and go on."""

import pytest

from cluster.core.steps import Record, RunAgent, RunOutcome, TakeSlot
from cluster.core.types import Claim, Part, Scaled, TaskView
from cluster.models import AgentNode, Assignment
from cluster.runner import Happenings
from cluster.selectors.spine import task_view
from cluster.selectors.tasks import task_detail
from cluster.services.population import population_ready
from cluster.services.replies import task_reply
from cluster.services.spine import step_record
from cluster.services.tasks import task_cancel
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import (
    FakeWorld,
    answered,
    asks,
    assert_all_let_go,
    assert_sound,
    before,
    go,
    submit,
    take,
    together,
    work,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace_id() -> str:
    """Return a workspace of one agent with one slot."""
    made = make_tenant().workspace_id
    make_agent(made, slug="ada")
    population_ready(workspace_id=made)
    AgentNode.objects.update(slots=1)
    return made


def asked_while_another_works(workspace_id: str) -> tuple[str, Claim]:
    """Return a task whose question was answered, and the claim on one that has the slot."""
    asking = submit(workspace_id, "asking")
    work(FakeWorld(run=asks))
    submit(workspace_id, "other")
    (claim,) = take()
    go(claim, FakeWorld(), until=before(RunAgent))
    task_reply(workspace_id=workspace_id, task_id=asking, actor="ada", text="red")
    return asking, claim


def shown(workspace_id: str, task_id: str) -> tuple[str, str]:
    task = task_detail(workspace_id=workspace_id, task_id=task_id)
    return task["status"], task["progress"]["message"]


def test_a_run_that_goes_on_after_its_answer_waits_for_a_slot_and_is_the_next_to_get_it(
    workspace_id: str,
) -> None:
    asking, other = asked_while_another_works(workspace_id)
    world = FakeWorld(run=asks)
    (claim,) = take()

    assert go(claim, world) is None

    assert shown(workspace_id, asking) == ("running", "every slot of ada is taken")
    assert (world.runs, take()) == ([], [])
    assert_sound()
    assert AgentNode.objects.get().busy == 1
    go(other, FakeWorld())
    assert shown(workspace_id, other.task_id)[0] == "succeeded"
    (again,) = take()
    assert again.task_id == asking
    go(again, world, until=before(RunAgent))
    assert AgentNode.objects.get().busy == 1
    assert_sound()
    go(again, world)
    assert task_detail(workspace_id=workspace_id, task_id=asking)["answer"] == "You said red."
    assert_all_let_go()


def test_a_slot_that_was_taken_again_is_taken_once_and_given_back_once(workspace_id: str) -> None:
    AgentNode.objects.update(slots=3)
    asked_while_another_works(workspace_id)
    (claim,) = take()
    go(claim, FakeWorld(), until=before(TakeSlot))
    view = task_view(claim=claim)

    for _ in range(2):  # as after a connection that was lost in the middle of a commit
        step_record(claim=claim, view=view, step=TakeSlot(agent="ada"), happenings=Happenings())

    assert AgentNode.objects.get().busy == 2
    assert_sound()
    go(claim, FakeWorld(run=asks))
    assert AgentNode.objects.get().busy == 1
    assert_sound()


def test_who_is_cancelled_while_it_waits_for_a_slot_takes_none(workspace_id: str) -> None:
    asking, _ = asked_while_another_works(workspace_id)
    (claim,) = take()
    go(claim, FakeWorld(), until=before(TakeSlot))

    task_cancel(workspace_id=workspace_id, task_id=asking, actor="ada")
    go(claim, FakeWorld(run=asks))

    assert shown(workspace_id, asking)[0] == "cancelled"
    assert AgentNode.objects.get().busy == 1
    assert_sound()


def test_whoever_puts_answers_together_holds_a_slot_while_it_does(workspace_id: str) -> None:
    busy: dict[str, int] = {}

    def run(view: TaskView, step: RunAgent) -> RunOutcome:
        busy[step.goal] = AgentNode.objects.get().busy
        return answered(f"Answer: {step.goal}")

    task_id = submit(workspace_id, "the whole")
    (claim,) = take()
    go(claim, FakeWorld(), until=lambda view, _step: view.matched is not None)
    parts = (Part(key="a", goal="part a"), Part(key="b", goal="part b"))
    split = Record(result=Scaled(split=True, parts=parts, source="model", merge="agent"))
    view = task_view(claim=claim)
    step_record(claim=claim, view=view, step=split, happenings=Happenings())
    assert not Assignment.objects.filter(state="active").exists()

    go(claim, FakeWorld())
    work(FakeWorld(run=run))

    assert shown(workspace_id, task_id)[0] == "succeeded"
    assert busy == {"part a": 1, "part b": 1, "the whole": 1}
    assert_all_let_go()


@pytest.mark.django_db(transaction=True)
def test_of_many_that_go_on_at_once_only_as_many_run_as_there_are_slots(workspace_id: str) -> None:
    AgentNode.objects.update(slots=2)
    ids = [submit(workspace_id, f"Task {n}.") for n in range(5)]
    work(FakeWorld(run=asks))
    for task_id in ids:
        task_reply(workspace_id=workspace_id, task_id=task_id, actor="ada", text="red")
    claims = take(limit=5)

    ends = together(
        *[
            lambda claim=claim: go(claim, FakeWorld(run=asks), until=before(RunAgent))
            for claim in claims
        ]
    )

    assert sorted(isinstance(end, RunAgent) for end in ends) == [False] * 3 + [True] * 2
    assert AgentNode.objects.get().busy == 2
    assert_sound()
