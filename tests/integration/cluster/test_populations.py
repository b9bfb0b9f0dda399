"""Tasks in a population of none, of one, of all busy, all resting, all in quarantine, all gone."""

from typing import Any

import pytest
from django.db.models import F

from agents.models import Agent
from cluster.core.types import Status
from cluster.models import AgentNode, Assignment, Auction, LifecycleEvent, Task
from cluster.selectors.tasks import task_detail
from cluster.services.journal import ClockTimestamp
from cluster.services.population import node_create
from tests.factories.agents import make_agent
from tests.factories.cluster import (
    FakeWorld,
    assert_all_let_go,
    submit,
    work,
)

pytestmark = pytest.mark.django_db
TRIED = "nobody new could be had: the model gave nothing: model cannot"
ADD = "add an agent, or bring one back"
JUDGED: dict[str, Any] = {"judge": {"score": 0.9, "comment": ""}}


def populate(workspace_id: str, *slugs: str, **fields: Any) -> None:
    for slug in slugs:
        agent = Agent.objects.get(id=make_agent(workspace_id, slug=slug, domains=["general"]))
        node = node_create(agent=agent, family=slug, reason="test")
        AgentNode.objects.filter(id=node.id).update(**fields)


def shown(workspace_id: str, task_id: str) -> dict[str, Any]:
    return task_detail(workspace_id=workspace_id, task_id=task_id)


def test_one_agent_does_it_and_after_a_failure_tries_again_itself(workspace_id: str) -> None:
    populate(workspace_id, "ada")
    grades = iter([0.1, 0.9])
    task_id = submit(workspace_id, agent=None, min_score=0.5)

    work(FakeWorld(replies={"judge": lambda _u: {"score": next(grades), "comment": "hm"}}))

    task = shown(workspace_id, task_id)
    assert (task["status"], task["cycle"]) == ("succeeded", 2)
    assert set(Auction.objects.values_list("winner__agent__slug", flat=True)) == {"ada"}
    assert_all_let_go()


def test_where_everybody_is_busy_a_task_waits_says_so_and_is_done_when_one_is_free(
    workspace_id: str,
) -> None:
    populate(workspace_id, "ada", "bob", busy=F("slots"))
    task_id = submit(workspace_id, max_cycles=1)

    work(FakeWorld(replies=JUDGED))

    waiting = Task.objects.get(id=task_id)
    assert (waiting.status, waiting.phase, waiting.lease_until) == (Status.RUNNING, "match", None)
    assert waiting.progress_message == "every capable agent is busy"
    assert waiting.due_at is not None
    assert not Assignment.objects.exists()

    AgentNode.objects.update(busy=0)
    Task.objects.filter(id=task_id).update(due_at=ClockTimestamp())
    work(FakeWorld(replies=JUDGED))

    assert shown(workspace_id, task_id)["status"] == "succeeded"
    assert_all_let_go()


def test_where_all_are_in_quarantine_one_that_may_be_tried_gets_the_task(workspace_id: str) -> None:
    populate(workspace_id, "ada", "bob", state="quarantined", quarantined_at=ClockTimestamp())
    task_id = submit(workspace_id, max_cycles=1)

    work(FakeWorld(replies=JUDGED))

    assert shown(workspace_id, task_id)["status"] == "succeeded"
    probed = AgentNode.objects.exclude(probe_n=0).get()
    assert (probed.state, probed.probe_n) == ("quarantined", 1)
    assert_all_let_go()


def test_where_nobody_is_left_the_shipped_generalist_comes_in(workspace_id: str) -> None:
    populate(workspace_id, "ada", state="quarantined", probed_at=ClockTimestamp())
    populate(workspace_id, "bob", state="retired")
    task_id = submit(workspace_id, max_cycles=1)

    work(FakeWorld(replies=JUDGED))

    assert shown(workspace_id, task_id)["status"] == "succeeded"
    node = AgentNode.objects.get(agent__slug="generalist")
    born = LifecycleEvent.objects.get(node=node, kind="born")
    assert "nobody could bid, and a blueprint fits" in born.reason
    assert_all_let_go()


def test_where_all_were_tried_just_now_and_nobody_new_can_be_had_one_is_tried_again(
    workspace_id: str,
) -> None:
    submit(workspace_id, "One that brings the generalist in.", max_cycles=1)
    work(FakeWorld(replies=JUDGED))
    populate(workspace_id, "ada", "bob")
    AgentNode.objects.update(
        state="quarantined", quarantined_at=ClockTimestamp(), probed_at=ClockTimestamp()
    )
    task_id = submit(workspace_id, max_cycles=1)
    world = FakeWorld(replies=JUDGED)

    work(world)

    assert shown(workspace_id, task_id)["status"] == "succeeded"
    assert world.purposes["forge"] == 1  # somebody new would have come first
    auction = Auction.objects.get(task_id=task_id)
    assert [(bid.probe, bid.node_id) for bid in auction.bids.all()] == [(True, auction.winner_id)]
    assert AgentNode.objects.get(id=auction.winner_id).probe_n == 1
    assert_all_let_go()


def test_where_nobody_is_left_and_nobody_new_can_be_had_it_says_what_to_do(
    workspace_id: str,
) -> None:
    submit(workspace_id, "One that brings the generalist in.", max_cycles=1)
    work(FakeWorld(replies=JUDGED))
    populate(workspace_id, "ada", "bob")
    AgentNode.objects.update(state="retired")
    task_id = submit(workspace_id, max_cycles=1)

    work(FakeWorld(replies=JUDGED))

    said = f"no agent is in service; {TRIED}. What helps: {ADD}."
    error = shown(workspace_id, task_id)["error"]
    assert error == {
        "code": "cluster.no_capable_agent",
        "message": f"No agent can take this task: Nobody could take the task: {said}",
    }
    assert_all_let_go()
