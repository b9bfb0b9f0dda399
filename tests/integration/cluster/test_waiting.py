"""Tasks that wait, for people, parts and endpoints, and how waiting ends."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agents.core.errors import AlreadyAnswered, NotFound
from agents.models import Approval, ToolEffect
from cluster.core.errors import RequestInvalid, TaskConflict, TaskUnknown
from cluster.core.steps import (
    Ask,
    Delegate,
    HoldAuction,
    Judge,
    Park,
    Record,
    RunAgent,
    RunOutcome,
    Suspended,
    Unavailable,
)
from cluster.core.types import Scaled, TaskView
from cluster.models import AgentNode, Event, Task
from cluster.runner import Happenings
from cluster.selectors.spine import task_view
from cluster.selectors.tasks import task_detail
from cluster.services.journal import ClockTimestamp
from cluster.services.replies import task_reply
from cluster.services.spine import step_record
from cluster.services.tasks import orphans_cancel, task_cancel, task_retry
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import (
    FakeWorld,
    answered,
    asks,
    assert_all_let_go,
    assert_sound,
    before,
    failed,
    go,
    lapse,
    opened,
    submit,
    take,
    work,
)
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
LIST = "Write about:\n1. cats\n2. dogs, see part 1\n3. birds"
GONE = RunOutcome(unavailable=Unavailable(reason="503 from the endpoint", retry_after_s=0.5))


def shown(workspace_id: str, task_id: str) -> dict[str, Any]:
    return task_detail(workspace_id=workspace_id, task_id=task_id)


def delegates(view: TaskView, step: RunAgent) -> RunOutcome:
    """Hand a part on, then answer with what came back."""
    if not view.task.goal.startswith("Ask around"):
        return answered(f"Answer: {step.goal}")
    id_ = opened(view, step)
    told = ToolEffect.objects.filter(run_id=id_, key="call-1").first()
    if told is not None:
        return answered(f"They said: {told.result}")
    goal, to = view.task.goal.partition(": ")[2], view.task.metadata.get("to", "")
    detail = {"children": [{"key": "call-1", "goal": goal, "agent": to}]}
    return RunOutcome(suspended=Suspended(kind="children", key="call-1", run_id=id_, detail=detail))


# ---------------------------------------------------------------- people


@requirement("life.ask_once")
def test_a_question_parks_the_task_without_a_slot_until_it_is_answered(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    world = FakeWorld(run=asks)

    work(world)

    task = shown(workspace_id, task_id)
    request = Approval.objects.get()
    assert task["status"] == "input_required"
    assert task["request"] == {
        "id": str(request.pk),
        "kind": "question",
        "question": "Which colour?",
        "options": [],
    }
    assert_sound()
    assert AgentNode.objects.get().busy == 0
    task_reply(workspace_id=workspace_id, task_id=task_id, actor="ada", text="red")
    work(world)
    assert shown(workspace_id, task_id)["answer"] == "You said red."
    assert_all_let_go()


@requirement("life.ask_once")
def test_a_question_is_answered_once(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    work(FakeWorld(run=asks))
    request_id = str(Approval.objects.get().pk)
    task_reply(workspace_id=workspace_id, task_id=task_id, actor="ada", text="red")

    with pytest.raises(TaskConflict):
        task_reply(workspace_id=workspace_id, task_id=task_id, actor="bob", text="blue")
    Task.objects.update(status="input_required")
    with pytest.raises(AlreadyAnswered):
        task_reply(
            workspace_id=workspace_id,
            task_id=task_id,
            actor="bob",
            text="blue",
            request_id=request_id,
        )

    assert Approval.objects.get().text == "red"


def test_an_answer_that_makes_no_sense_changes_nothing(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    work(FakeWorld(run=asks))
    other = make_tenant().workspace_id

    with pytest.raises(RequestInvalid):
        task_reply(workspace_id=workspace_id, task_id=task_id, actor="ada")
    with pytest.raises(TaskUnknown):
        task_reply(workspace_id=other, task_id=task_id, actor="ada", text="red")
    with pytest.raises(NotFound):
        task_reply(
            workspace_id=workspace_id, task_id=task_id, actor="ada", text="red", request_id="x"
        )

    assert shown(workspace_id, task_id)["status"] == "input_required"


@requirement("life.deadline")
def test_a_question_nobody_answers_ends_with_the_deadline(workspace_id: str) -> None:
    task_id = submit(workspace_id, deadline_s=1000)
    work(FakeWorld(run=asks))
    assert shown(workspace_id, task_id)["status"] == "input_required"
    past = ClockTimestamp() - timedelta(seconds=1)
    Task.objects.update(deadline_at=past, due_at=past)

    work(FakeWorld(run=asks))

    assert shown(workspace_id, task_id)["outcome"] == "timed_out"
    assert Approval.objects.get().status == "withdrawn"
    assert_all_let_go()


# ---------------------------------------------------------------- tasks handed on


def test_a_task_handed_on_becomes_a_child_and_its_answer_the_calls_result(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id, "Ask around: where is the cat?")

    work(FakeWorld(run=delegates))

    task = shown(workspace_id, task_id)
    (child_id,) = task["children"]
    assert task["answer"] == "They said: Answer: where is the cat?"
    assert shown(workspace_id, child_id)["goal"] == "where is the cat?"
    assert_all_let_go()


def test_whoever_hands_a_task_on_holds_no_slot_meanwhile(workspace_id: str) -> None:
    """With one slot, parent and child would wait for each other for ever."""
    make_agent(workspace_id, slug="ada")
    submit(workspace_id)
    work(FakeWorld())
    AgentNode.objects.update(slots=1)
    task_id = submit(workspace_id, "Ask around: where is the cat?")

    work(FakeWorld(run=delegates))

    assert shown(workspace_id, task_id)["status"] == "succeeded"
    assert_all_let_go()


def test_a_task_is_handed_to_the_agent_it_was_meant_for(workspace_id: str) -> None:
    for slug in ("ada", "bob"):
        make_agent(workspace_id, slug=slug)
    world = FakeWorld(run=delegates)

    submit(workspace_id, "Ask around: where is the cat?", metadata={"to": "bob"}, agent="ada")
    work(world)

    assert [step.agent for _, step in world.runs] == ["ada", "bob", "ada"]


def test_an_agent_that_is_not_there_is_the_calls_result_and_not_the_end(workspace_id: str) -> None:
    task_id = submit(workspace_id, "Ask around: where?", metadata={"to": "nobody"})

    work(FakeWorld(run=delegates))

    assert shown(workspace_id, task_id)["answer"] == (
        "They said: There is no agent 'nobody' in service."
    )
    assert Task.objects.count() == 1


def test_handing_on_ends_at_the_greatest_depth(workspace_id: str) -> None:
    task_id = submit(workspace_id, "Ask around: " * 6 + "where?", max_cycles=1)

    work(FakeWorld(run=delegates))

    assert Task.objects.order_by("-depth").values_list("depth", flat=True)[0] == 2
    assert "2 levels deep already: do it yourself." in shown(workspace_id, task_id)["answer"]
    assert_all_let_go()


# ---------------------------------------------------------------- endpoints


@requirement("bad_days.endpoint_down")
def test_a_dead_endpoint_keeps_the_task_running_with_the_reason_visible(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    (claim,) = take()

    go(claim, FakeWorld(run=lambda _view, _step: GONE))

    task = shown(workspace_id, task_id)
    assert (task["status"], task["progress"]["message"]) == (
        "running",
        "waiting for the model endpoint: 503 from the endpoint",
    )
    assert take() == []  # not before the pause is over
    Task.objects.update(due_at=ClockTimestamp())
    work(FakeWorld())
    assert shown(workspace_id, task_id)["status"] == "succeeded"
    assert_all_let_go()


@requirement("bad_days.endpoint_down")
def test_patience_with_an_endpoint_that_never_answered_ends_and_no_skill_is_touched(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id, max_cycles=1)
    (claim,) = take()
    go(claim, FakeWorld(run=lambda _view, _step: GONE))
    Task.objects.update(
        due_at=ClockTimestamp(), unavailable_since=ClockTimestamp() - timedelta(seconds=31)
    )

    work(FakeWorld(run=lambda _view, _step: GONE))

    task = shown(workspace_id, task_id)
    assert (task["status"], task["error"]["code"]) == ("failed", "cluster.model_unavailable")
    node = AgentNode.objects.get()
    assert (node.hard_errors, node.scored_n) == (1, 0)
    assert_all_let_go()


def test_agents_that_rest_after_errors_are_waited_for_but_not_for_ever(workspace_id: str) -> None:
    make_agent(workspace_id, slug="ada")
    submit(workspace_id)
    work(FakeWorld())
    AgentNode.objects.update(hard_errors=5, retry_at=ClockTimestamp() + timedelta(hours=1))
    task_id = submit(workspace_id)
    (claim,) = take()
    go(claim, FakeWorld())
    assert shown(workspace_id, task_id)["status"] == "running"
    assert "rests after errors" in shown(workspace_id, task_id)["progress"]["message"]
    Task.objects.filter(id=task_id).update(
        due_at=ClockTimestamp(), unavailable_since=ClockTimestamp() - timedelta(hours=2)
    )

    work(FakeWorld())

    error = shown(workspace_id, task_id)["error"]
    assert error["code"] == "cluster.no_capable_agent"
    assert "rests after errors" in error["message"]
    assert_all_let_go()


def test_a_pause_begins_when_the_call_has_failed_and_not_when_it_began(workspace_id: str) -> None:
    submit(workspace_id)
    (claim,) = take()
    view = task_view(claim=claim)
    old = view.now - timedelta(seconds=60)
    step = Park(
        status=view.status,
        reason="gone",
        until=old + timedelta(seconds=5),
        unavailable=True,
    )

    step_record(claim=claim, view=replace(view, now=old), step=step, happenings=Happenings())

    assert take() == []


# ---------------------------------------------------------------- cancel


@requirement("life.cancel")
def test_a_task_nobody_works_on_is_cancelled_at_once(workspace_id: str) -> None:
    task_id = submit(workspace_id)

    assert task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada", reason="no more")
    assert not task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada")

    task = shown(workspace_id, task_id)
    assert (task["status"], task["outcome"], task["error"]) == (
        "cancelled",
        "cancelled",
        {"code": "cluster.cancelled", "message": "Cancelled on request. no more"},
    )
    assert [e.type for e in Event.objects.order_by("seq")] == [
        "task.created", "task.cancel_requested", "task.finished",
    ]  # fmt: skip
    assert take() == []
    assert_all_let_go()


@requirement("life.cancel")
@pytest.mark.parametrize("kind", [HoldAuction, RunAgent, Judge])
def test_a_task_that_is_worked_on_is_stopped_by_its_worker(
    workspace_id: str, kind: type[Any]
) -> None:
    task_id = submit(workspace_id)
    (claim,) = take()
    go(claim, FakeWorld(), until=before(kind))

    task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada")

    assert shown(workspace_id, task_id)["status"] == "running"
    go(claim, FakeWorld())
    assert shown(workspace_id, task_id)["status"] == "cancelled"
    assert_all_let_go()


def test_a_cancelled_task_whose_worker_died_is_ended_by_the_next(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    (claim,) = take("worker-1")
    go(claim, FakeWorld(), until=before(RunAgent))
    task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada")
    lapse(task_id)

    work(FakeWorld(), worker="worker-2")

    assert shown(workspace_id, task_id)["status"] == "cancelled"
    assert_all_let_go()


@requirement("life.cancel")
def test_a_question_and_a_split_are_cancelled_with_all_below(workspace_id: str) -> None:
    asking = submit(workspace_id)
    work(FakeWorld(run=asks))
    split = submit(workspace_id, LIST)
    (claim,) = take(limit=1)
    go(claim, FakeWorld())
    (one,) = take(limit=1)  # a part that is worked on
    go(one, FakeWorld(), until=before(RunAgent))

    for task_id in (asking, split):
        task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada")
    go(one, FakeWorld())

    assert set(Task.objects.values_list("status", flat=True)) == {"cancelled"}
    assert Approval.objects.get().status == "withdrawn"
    assert_all_let_go()


@pytest.mark.parametrize(
    ("kind", "goal"),
    [(Ask, "Say it."), (Delegate, "Ask around: where?"), (Scaled, LIST), (Park, LIST)],
    ids=["a question", "a task handed on", "a split", "a wait"],
)
def test_a_cancel_that_comes_just_before_a_task_would_wait_is_not_lost(
    workspace_id: str, kind: type[Any], goal: str
) -> None:
    world = FakeWorld(run=asks if kind is Ask else delegates)
    task_id = submit(workspace_id, goal)
    (claim,) = take()
    view = task_view(claim=claim)

    def cancelled_before(seen: TaskView, step: Any) -> bool:
        nonlocal view
        view = seen
        if kind is Scaled:
            return isinstance(step, Record) and isinstance(step.result, Scaled)
        return isinstance(step, RunAgent if kind in (Ask, Delegate) else kind)

    step = go(claim, world, until=cancelled_before)
    if isinstance(step, RunAgent):
        outcome = world.run(view, step)
        assert outcome.suspended is not None
        step = (
            Ask(suspended=outcome.suspended)
            if kind is Ask
            else Delegate(suspended=outcome.suspended)
        )
    assert step is not None
    task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada")

    written = step_record(claim=claim, view=view, step=step, happenings=Happenings())

    assert written.go_on
    go(claim, world)
    assert set(Task.objects.values_list("status", flat=True)) == {"cancelled"}
    assert_all_let_go()


def test_parts_left_behind_by_a_death_in_the_middle_of_a_cancel_are_found(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id, LIST)
    (claim,) = take()
    go(claim, FakeWorld())
    (one,) = take(limit=1)
    Task.objects.filter(id=task_id).update(
        status="cancelled", outcome="cancelled", finished_at=ClockTimestamp(), due_at=None
    )

    assert orphans_cancel() == 3

    go(one, FakeWorld())
    assert orphans_cancel() == 0
    assert set(Task.objects.values_list("status", flat=True)) == {"cancelled"}
    assert_all_let_go()


# ---------------------------------------------------------------- once more


def test_a_failed_task_can_be_retried_and_a_good_one_cannot(workspace_id: str) -> None:
    task_id = submit(workspace_id, max_cycles=1)
    work(FakeWorld(run=lambda _view, _step: failed("no network")))
    assert shown(workspace_id, task_id)["status"] == "failed"

    task_retry(workspace_id=workspace_id, task_id=task_id, actor="ada")
    with pytest.raises(TaskConflict):
        task_retry(workspace_id=workspace_id, task_id=task_id, actor="ada")
    world = FakeWorld()
    work(world)

    task = shown(workspace_id, task_id)
    assert (task["status"], task["cycle"], task["error"]) == ("succeeded", 2, None)
    assert "no network" in world.runs[0][1].context
    with pytest.raises(TaskConflict):
        task_retry(workspace_id=workspace_id, task_id=task_id, actor="ada")
    assert_all_let_go()


def test_a_cancelled_task_can_be_retried(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada")

    task_retry(workspace_id=workspace_id, task_id=task_id, actor="ada")
    work(FakeWorld())

    assert shown(workspace_id, task_id)["status"] == "succeeded"
    assert_all_let_go()


def test_a_part_cannot_be_retried_by_itself(workspace_id: str) -> None:
    submit(workspace_id, LIST, max_cycles=1)
    work(FakeWorld(run=lambda _view, _step: failed()))
    child = Task.objects.filter(parent__isnull=False).first()
    assert child is not None

    with pytest.raises(TaskConflict):
        task_retry(workspace_id=workspace_id, task_id=str(child.id), actor="ada")
