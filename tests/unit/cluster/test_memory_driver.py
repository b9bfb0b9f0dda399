"""The in-memory driver: the same loop, the same six phases, no database."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cluster.core import skill
from cluster.core.steps import RunAgent, RunOutcome, Suspended, Unavailable
from cluster.core.types import (
    Adapted,
    Executed,
    Matched,
    Outcome,
    Scaled,
    Sensed,
    Status,
    TaskView,
    Verdict,
)
from cluster.memory_driver import Ended, MemoryDriver, Node, WaitsForSomebody
from tests.factories.cluster import NOW, FakeWorld, answered, failed, make_spec
from tests.requirements import requirement

SIX = [Sensed, Matched, Scaled, Executed, Verdict, Adapted]
JUDGED = {"judge": {"score": 0.9, "comment": "good"}}


class Clock:
    """Time that passes by a second with every look."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def drive(world: FakeWorld, *nodes: str, **spec: Any) -> Ended:
    driver = MemoryDriver(
        nodes=[Node(node_id=f"node-{name}", agent=name) for name in nodes or ("ada",)],
        ports=world.ports(),
        clock=Clock(),
    )
    return asyncio.run(driver.run(make_spec(**spec)))


@requirement("life.one_driver")
def test_a_task_goes_through_the_six_phases_to_its_answer() -> None:
    world = FakeWorld(replies=JUDGED)

    ended = drive(world)

    assert [type(phase) for phase in ended.phases] == SIX
    assert (ended.finish.status, ended.finish.answer, ended.finish.score) == (
        Status.SUCCEEDED,
        "Answer: Say what six times seven is.",
        0.9,
    )
    assert len(ended.learned) == 1
    assert world.purposes == {"sense": 1, "judge": 1}


def test_the_same_task_twice_goes_the_same_way() -> None:
    runs = [drive(FakeWorld(replies=JUDGED), "ada", "bob", "cy") for _ in range(3)]

    assert runs[0].phases == runs[1].phases == runs[2].phases


def test_nobody_checked_means_not_verified_and_nothing_learned() -> None:
    ended = drive(FakeWorld())

    assert (ended.finish.status, ended.finish.verified, ended.finish.score) == (
        Status.SUCCEEDED,
        False,
        None,
    )
    assert ended.learned == ()


@requirement("life.second_cycle")
def test_a_rejected_answer_gets_a_second_cycle_with_another_agent_that_sees_the_comment() -> None:
    def judge(user: str) -> dict[str, Any]:
        good = "better" in user
        return {"score": 0.9 if good else 0.1, "comment": "fine" if good else "too short"}

    def run(view: TaskView, step: RunAgent) -> RunOutcome:
        return answered("better" if "too short" in step.context else "bad")

    world = FakeWorld(run=run, replies={"judge": judge})

    ended = drive(world, "ada", "bob", min_score=0.5)

    assert [type(phase) for phase in ended.phases] == SIX * 2
    assert (ended.finish.status, ended.finish.answer) == (Status.SUCCEEDED, "better")
    first, second = (step.agent for _, step in world.runs)
    assert first != second
    senses = [user for purpose, user in world.asked if purpose == "sense"]
    assert ["too short" in text for text in senses] == [False, True]


def test_a_lonely_agent_gets_its_second_try_itself() -> None:
    world = FakeWorld(run=lambda _view, _step: failed())

    ended = drive(world)

    assert [step.agent for _, step in world.runs] == ["ada", "ada"]
    assert (ended.finish.status, ended.finish.error_message) == (Status.FAILED, "it broke")


LIST = "Write about:\n1. cats\n2. dogs, see part 1\n3. birds\n4. a summary of part 2"


@requirement("life.dag")
def test_the_parts_of_a_list_run_side_by_side_and_see_what_they_build_on() -> None:
    world = FakeWorld(delay_s=0.001)

    ended = drive(world, goal=LIST)

    assert ended.finish.answer == (
        "### cats\n\nAnswer: cats\n\n"
        "### dogs, see part 1\n\nAnswer: dogs, see part 1\n\n"
        "### birds\n\nAnswer: birds\n\n"
        "### a summary of part 2\n\nAnswer: a summary of part 2"
    )
    context = {step.goal: step.context for _, step in world.runs}
    assert "Answer: cats" in context["dogs, see part 1"]
    assert "Answer: cats" not in context["birds"]
    assert "Answer: dogs" in context["a summary of part 2"]
    assert world.most_running >= 2


@requirement("life.dag_failure")
def test_what_builds_on_a_part_that_failed_is_not_tried_and_the_rest_is_kept() -> None:
    def run(view: TaskView, step: RunAgent) -> RunOutcome:
        return failed() if step.goal.startswith("dogs") else answered(f"Answer: {step.goal}")

    world = FakeWorld(run=run)

    ended = drive(world, goal=LIST)

    assert (ended.finish.status, ended.finish.outcome) == (Status.FAILED, Outcome.FAILED)
    assert ended.finish.error_message == (
        "part 'part-2' failed: it broke; "
        "part 'part-4' failed: It builds on part 'part-2', which failed."
    )
    assert [step.goal for _, step in world.runs].count("cats") == 1
    assert "a summary of part 2" not in [step.goal for _, step in world.runs]
    assert "### birds\n\nAnswer: birds" in ended.finish.answer


def test_an_endpoint_that_comes_back_is_waited_for() -> None:
    tries = iter([Unavailable(reason="503", retry_after_s=0.0)] * 2)

    def run(view: TaskView, step: RunAgent) -> RunOutcome:
        gone = next(tries, None)
        return RunOutcome(unavailable=gone) if gone else answered("at last")

    ended = drive(FakeWorld(run=run))

    assert ended.finish.answer == "at last"


@requirement("bad_days.endpoint_down")
def test_an_endpoint_that_stays_away_is_given_up_after_the_patience_and_nobody_is_blamed() -> None:
    class Leaps(Clock):
        def __call__(self) -> datetime:
            self.now += timedelta(hours=1)
            return self.now

    gone = RunOutcome(unavailable=Unavailable(reason="503", retry_after_s=0.0))
    driver = MemoryDriver(
        nodes=[Node(node_id="node-ada", agent="ada")],
        ports=FakeWorld(run=lambda _view, _step: gone).ports(),
        clock=Leaps(),
    )

    async def bounded() -> Ended:
        return await asyncio.wait_for(driver.run(make_spec()), 10)

    ended = asyncio.run(bounded())

    assert (ended.finish.status, ended.finish.error_code) == (
        Status.FAILED,
        "cluster.model_unavailable",
    )
    assert ended.learned == ()


def test_a_deadline_ends_a_task_that_goes_on_and_on() -> None:
    ended = drive(FakeWorld(), deadline_at=NOW + timedelta(seconds=3))

    assert (ended.finish.status, ended.finish.outcome) == (Status.FAILED, Outcome.TIMED_OUT)


def test_nobody_to_ask_is_said_and_not_waited_for() -> None:
    asks = RunOutcome(
        suspended=Suspended(kind="question", key="k", run_id="r", question="Which colour?")
    )

    with pytest.raises(WaitsForSomebody, match=r"Which colour\?"):
        drive(FakeWorld(run=lambda _view, _step: asks))


def test_no_agents_is_a_clear_failure() -> None:
    driver = MemoryDriver(nodes=[], ports=FakeWorld().ports(), clock=Clock())

    ended = asyncio.run(driver.run(make_spec()))

    assert (ended.finish.status, ended.finish.error_code) == (
        Status.FAILED,
        "cluster.no_capable_agent",
    )


def test_a_pinned_task_goes_to_that_agent_alone() -> None:
    world = FakeWorld()

    drive(world, "ada", "bob", "cy", agent="bob")

    assert [step.agent for _, step in world.runs] == ["bob"]


def test_what_was_learned_stays_with_the_node() -> None:
    driver = MemoryDriver(
        nodes=[Node(node_id="node-ada", agent="ada")],
        ports=FakeWorld(replies={"judge": {"score": 1.0, "comment": ""}}).ports(),
        clock=Clock(),
    )
    before = skill.predict(driver.book.space, driver.standings["node-ada"], driver.book.space.level)

    for n in range(3):
        asyncio.run(driver.run(replace(make_spec(), id=f"task-{n}")))

    assert (
        skill.predict(driver.book.space, driver.standings["node-ada"], driver.book.space.level).m
        > before.m
    )
