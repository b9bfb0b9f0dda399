"""A task's way through the database: six phases, cycles, splits, ends."""

from typing import Any

import pytest

from agents.models import Agent
from cluster.core.steps import Record, RunAgent, RunOutcome
from cluster.core.types import Part, Scaled, TaskView
from cluster.models import AgentNode, Auction, MarketEntry, PhaseRecord, Reward, Task, TaskEdge
from cluster.runner import Happenings
from cluster.selectors.spine import task_view
from cluster.selectors.tasks import task_detail, task_events
from cluster.services.spine import step_record
from cluster.services.waiting import child_create
from loomsite.access.models import Workspace
from tests.factories.agents import make_agent
from tests.factories.cluster import (
    FakeWorld,
    answered,
    assert_all_let_go,
    failed,
    go,
    submit,
    take,
    work,
)
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
PHASES = ["sense", "match", "scale", "execute", "evaluate", "adapt"]
JUDGED = {"judge": {"score": 0.9, "comment": "good"}}
LIST = "Write about:\n1. cats\n2. dogs, see part 1\n3. birds, see part 2"


def shown(workspace_id: str, task_id: str) -> dict[str, Any]:
    return task_detail(workspace_id=workspace_id, task_id=task_id)


@requirement("life.nobody", "life.phases_once")
def test_a_task_in_an_empty_workspace_gets_a_generalist_and_its_six_phases(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id)

    work(FakeWorld(replies=JUDGED))

    task = shown(workspace_id, task_id)
    assert (task["status"], task["outcome"], task["answer"], task["score"], task["verified"]) == (
        "succeeded",
        "succeeded",
        "Answer: Say what six times seven is.",
        0.9,
        True,
    )
    assert [(p["phase"], p["cycle"]) for p in task["phases"]] == [(p, 1) for p in PHASES]
    assert task["phase"] is None
    assert task["error"] is None
    assert task["progress"] == {"done": 6, "total": 6, "message": "succeeded"}
    assert [n.agent.slug for n in AgentNode.objects.all()] == ["generalist"]
    assert_all_let_go()


def test_the_events_of_a_task_tell_its_story(workspace_id: str) -> None:
    task_id = submit(workspace_id)

    work(FakeWorld(replies=JUDGED))

    events = task_events(workspace_id=workspace_id, task_id=task_id)
    assert [e["type"] for e in events] == [
        "task.created",
        "task.started",
        "phase.started",
        *["phase.ended", "phase.started"] * 5,
        "phase.ended",
        "task.finished",
    ]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))


@requirement("life.second_cycle")
def test_a_second_cycle_goes_to_another_agent_and_each_is_settled_once(workspace_id: str) -> None:
    make_agent(workspace_id, slug="ada")
    make_agent(workspace_id, slug="bob")
    seen: list[str] = []

    def run(view: TaskView, step: RunAgent) -> RunOutcome:
        seen.append(step.agent)
        return answered("better" if "too short" in step.context else "bad")

    def judge(user: str) -> dict[str, Any]:
        good = "better" in user
        return {"score": 0.9 if good else 0.1, "comment": "fine" if good else "too short"}

    task_id = submit(workspace_id, min_score=0.5)
    work(FakeWorld(run=run, replies={"judge": judge}))

    task = shown(workspace_id, task_id)
    assert (task["status"], task["cycle"], task["answer"]) == ("succeeded", 2, "better")
    assert sorted(seen) == ["ada", "bob"]
    assert [(p["phase"], p["cycle"]) for p in task["phases"]] == [
        (phase, cycle) for cycle in (1, 2) for phase in PHASES
    ]
    assert [(e.cycle, e.score) for e in MarketEntry.objects.order_by("cycle")] == [
        (1, 0.1),
        (2, 0.9),
    ]
    assert_all_let_go()


def test_a_task_that_no_cycle_helps_fails_with_what_was_wrong(workspace_id: str) -> None:
    task_id = submit(workspace_id, max_cycles=3)

    work(FakeWorld(run=lambda _view, _step: failed("no network")))

    task = shown(workspace_id, task_id)
    assert (task["status"], task["cycle"], task["error"]) == (
        "failed",
        3,
        {"code": "agents.failed", "message": "no network"},
    )
    assert_all_let_go()


# ---------------------------------------------------------------- splits


@requirement("life.dag")
def test_a_list_becomes_a_graph_of_tasks_whose_answers_flow(workspace_id: str) -> None:
    world = FakeWorld(replies=JUDGED)
    task_id = submit(workspace_id, LIST, metadata={"who": "ada"})

    work(world)

    task = shown(workspace_id, task_id)
    assert task["status"] == "succeeded"
    assert task["answer"].count("### ") == 3
    children = [shown(workspace_id, child) for child in task["children"]]
    assert [c["goal"] for c in children] == ["cats", "dogs, see part 1", "birds, see part 2"]
    assert {c["parent_id"] for c in children} == {task_id}
    assert {c["metadata"]["who"] for c in children} == {"ada"}
    assert TaskEdge.objects.count() == 2
    context = {step.goal: step.context for _, step in world.runs}
    assert "Answer: cats" in context["dogs, see part 1"]
    assert "Answer: dogs, see part 1" in context["birds, see part 2"]
    assert all("Write about:" in text for text in context.values())
    assert PhaseRecord.objects.count() == 4 * 6
    assert MarketEntry.objects.count() == 3  # the parent's winner did no work
    assert_all_let_go()


@requirement("life.dag_failure")
def test_when_a_middle_part_fails_what_builds_on_it_does_too_and_the_next_cycle_redoes_only_those(
    workspace_id: str,
) -> None:
    tries: list[str] = []

    def run(view: TaskView, step: RunAgent) -> RunOutcome:
        tries.append(step.goal)
        if step.goal.startswith("dogs") and tries.count(step.goal) <= 2:
            return failed("no dogs")
        return answered(f"Answer: {step.goal}")

    task_id = submit(workspace_id, LIST)
    work(FakeWorld(run=run))

    task = shown(workspace_id, task_id)
    assert (task["status"], task["cycle"]) == ("succeeded", 2)
    by_cycle = {
        (c.parent_cycle, c.plan_key): c.status for c in Task.objects.filter(parent_id=task_id)
    }
    assert by_cycle == {
        (1, "part-1"): "succeeded",
        (1, "part-2"): "failed",
        (1, "part-3"): "failed",
        (2, "part-2"): "succeeded",
        (2, "part-3"): "succeeded",
    }
    assert tries.count("cats") == 1
    never = Task.objects.get(parent_id=task_id, parent_cycle=1, plan_key="part-3")
    assert (never.error_code, never.error_message) == (
        "cluster.dependency_failed",
        "It builds on part 'part-2', which failed.",
    )
    assert_all_let_go()


@requirement("life.dag_failure")
def test_a_workspace_may_let_parts_go_on_without_what_they_build_on(workspace_id: str) -> None:
    Workspace.objects.filter(id=workspace_id).update(settings={"dependency_policy": "skip"})
    contexts: dict[str, str] = {}

    def run(view: TaskView, step: RunAgent) -> RunOutcome:
        contexts[step.goal] = step.context
        return failed("no dogs") if step.goal.startswith("dogs") else answered("fine")

    task_id = submit(workspace_id, LIST, max_cycles=1)
    work(FakeWorld(run=run))

    statuses = dict(Task.objects.filter(parent_id=task_id).values_list("plan_key", "status"))
    assert statuses == {"part-1": "succeeded", "part-2": "failed", "part-3": "succeeded"}
    assert "(no answer: no dogs)" in contexts["birds, see part 2"]
    assert shown(workspace_id, task_id)["error"]["message"] == "part 'part-2' failed: no dogs"
    assert_all_let_go()


def test_a_part_that_builds_on_a_kept_one_need_not_wait_wherever_the_plan_names_it(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id)
    (claim,) = take()
    scaling = go(claim, FakeWorld(), until=lambda view, _step: view.matched is not None)
    assert isinstance(scaling, Record)
    view = task_view(claim=claim)
    parent = Task.objects.get(id=task_id)
    kept = child_create(parent, view.now, key="facts", goal="Find facts.", order=0, waits=False)
    Task.objects.filter(id=kept.id).update(
        status="succeeded", answer="Cats purr.", finished_at=view.now, due_at=None, parent_cycle=0
    )
    parts = (
        Part(key="sum", goal="Sum up.", depends_on=("facts",)),
        Part(key="facts", goal="Find facts.", reuse_task_id=str(kept.id)),
    )
    planned = Record(result=Scaled(split=True, parts=parts, source="model", merge="assemble"))
    step_record(claim=claim, view=view, step=planned, happenings=Happenings())
    world = FakeWorld()

    go(claim, world)
    work(world)

    assert shown(workspace_id, task_id)["status"] == "succeeded"
    assert "Cats purr." in {s.goal: s.context for _, s in world.runs}["Sum up."]
    assert_all_let_go()


# ---------------------------------------------------------------- auctions


def test_an_auction_keeps_every_bid_and_its_winner(workspace_id: str) -> None:
    for slug in ("ada", "bob", "cy"):
        make_agent(workspace_id, slug=slug)

    submit(workspace_id)
    work(FakeWorld(replies=JUDGED))

    auction = Auction.objects.get()
    bids = list(auction.bids.order_by("rank"))
    assert {b.node.agent.slug for b in bids} == {"ada", "bob", "cy"}
    assert [b.bid for b in bids] == sorted((b.bid for b in bids), reverse=True)
    assert auction.winner_id == bids[0].node_id
    assert not auction.pinned
    assert Reward.objects.get().node_id == auction.winner_id


def test_a_pinned_task_goes_to_that_agent_and_its_auction_says_so(workspace_id: str) -> None:
    for slug in ("ada", "bob", "cy"):
        make_agent(workspace_id, slug=slug)
    world = FakeWorld()

    task_id = submit(workspace_id, LIST, agent="bob")
    work(world)

    assert [step.agent for _, step in world.runs] == ["bob"]
    auction = Auction.objects.get()
    assert (auction.pinned, auction.reason) == (True, "The task was asked of bob.")
    assert shown(workspace_id, task_id)["children"] == []


def test_an_agent_switched_off_after_the_submission_is_a_clear_failure(workspace_id: str) -> None:
    make_agent(workspace_id, slug="bob")
    task_id = submit(workspace_id, agent="bob")
    Agent.objects.update(enabled=False)

    work(FakeWorld())

    assert shown(workspace_id, task_id)["error"] == {
        "code": "cluster.no_capable_agent",
        "message": "No agent can take this task: agent 'bob' is not in service",
    }
    assert_all_let_go()


def test_an_empty_purse_is_a_clear_failure_and_no_reason_to_grow(workspace_id: str) -> None:
    make_agent(workspace_id, slug="ada")
    for raw in ({}, {"agent": "ada"}):
        task_id = submit(workspace_id, budget_usd=0, **raw)

        work(FakeWorld())

        error = shown(workspace_id, task_id)["error"]
        assert error["code"] == "cluster.no_capable_agent"
        assert "budget" in error["message"]
    assert AgentNode.objects.count() == 1
