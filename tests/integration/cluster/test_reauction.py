"""Holding an auction anew: the agent is let go, others bid, and its late writes are refused."""

import pytest

from agents.models import Approval
from cluster.core.errors import ClaimLost, TaskConflict, TaskUnknown
from cluster.core.steps import RunAgent
from cluster.models import Assignment, Auction, Event, Task
from cluster.services.reauction import task_reauction
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import (
    FakeWorld,
    assert_all_let_go,
    assert_sound,
    before,
    go,
    submit,
    take,
    work,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace_id() -> str:
    made = make_tenant().workspace_id
    for slug in ("first", "second"):
        make_agent(made, slug=slug)
    return made


def _at_work(workspace_id: str) -> str:
    """Return a task that an agent has won and is about to work on."""
    task_id = submit(workspace_id)
    (claim,) = take()
    go(claim, FakeWorld(), until=before(RunAgent))
    return task_id


def test_the_agent_is_let_go_and_another_one_wins(workspace_id: str) -> None:
    task_id = _at_work(workspace_id)
    (first,) = Auction.objects.all()

    task_reauction(workspace_id=workspace_id, task_id=task_id, actor="olga", reason="too slow")
    held = Assignment.objects.filter(state="active").count()
    work(FakeWorld(), worker="worker-2")

    second = Auction.objects.get(cycle=2)
    said = Event.objects.get(type="task.reauctioned").data
    assert held == 0
    assert second.winner_id != first.winner_id
    assert (said["actor"], said["reason"]) == ("olga", "too slow")
    assert said["without"] == str(first.winner_id)
    assert Task.objects.get(pk=task_id).status == "succeeded"
    assert_sound()
    assert_all_let_go()


def test_what_the_old_worker_still_does_is_not_written(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    (claim,) = take()
    go(claim, FakeWorld(), until=before(RunAgent))

    task_reauction(workspace_id=workspace_id, task_id=task_id, actor="olga")

    with pytest.raises(ClaimLost):
        go(claim, FakeWorld())


def test_its_open_questions_are_withdrawn(workspace_id: str) -> None:
    task_id = _at_work(workspace_id)
    asked = Approval.objects.create(
        workspace_id=workspace_id, task_id=task_id, key="k", kind="question", question="Which?"
    )

    task_reauction(workspace_id=workspace_id, task_id=task_id, actor="olga")
    asked.refresh_from_db()

    assert asked.status == "withdrawn"


def test_where_nobody_is_to_be_let_go_it_is_refused_and_nothing_changes(workspace_id: str) -> None:
    new = submit(workspace_id)
    ended = submit(workspace_id)
    pinned = submit(workspace_id, agent="first")
    Task.objects.filter(pk__in=[new]).update(due_at=None)
    work(FakeWorld())
    Task.objects.filter(pk=pinned).update(status="running", finished_at=None, outcome=None)
    events = Event.objects.count()

    for task_id, words in ((new, "No agent holds"), (ended, "succeeded"), (pinned, "one agent")):
        with pytest.raises(TaskConflict, match=words):
            task_reauction(workspace_id=workspace_id, task_id=task_id, actor="olga")

    assert Event.objects.count() == events


def test_a_foreign_task_is_missing(workspace_id: str) -> None:
    task_id = _at_work(workspace_id)

    with pytest.raises(TaskUnknown):
        task_reauction(workspace_id=make_tenant().workspace_id, task_id=task_id, actor="eve")
