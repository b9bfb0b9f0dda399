"""The engine of a worker process, on its thread, with the ports faked."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from cluster.core.steps import RunAgent, RunOutcome
from cluster.core.types import Claim, TaskView
from cluster.models import AgentNode, Event, PhaseRecord, Task, Worker
from cluster.reactor import Reactor
from cluster.runner import Happenings
from cluster.services.population import population_ready
from cluster.services.tasks import task_cancel
from tests.factories.agents import make_agent
from tests.factories.cluster import (
    FakeWorld,
    answered,
    assert_all_let_go,
    assert_sound,
    lapse,
    submit,
)
from tests.processes import poll
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "Write about:\n1. cats\n2. dogs, see part 1\n3. birds"


@contextmanager
def reacting(world: FakeWorld, *, slots: int = 64, lease_s: float = 30) -> Iterator[Reactor]:
    def ports_for(_claim: Claim, _cancelled: asyncio.Event, _said: Happenings) -> Any:
        return world.ports()

    reactor = Reactor(
        name=f"reactor-{id(world)}", slots=slots, lease_s=lease_s, ports_for=ports_for
    )
    reactor.start()
    try:
        yield reactor
    finally:
        reactor.stop()


def ended(*ids: str) -> Callable[[], bool]:
    return lambda: not Task.objects.filter(id__in=ids, finished_at=None).exists()


@requirement("bad_days.broker_flushed")
def test_work_is_found_without_any_message(workspace_id: str) -> None:
    ids = [submit(workspace_id, LIST), submit(workspace_id)]

    with reacting(FakeWorld()):
        poll(ended(*ids), timeout_s=20)

    assert set(Task.objects.values_list("status", flat=True)) == {"succeeded"}
    assert_all_let_go()


def test_many_runs_share_one_process(workspace_id: str) -> None:
    world = FakeWorld(delay_s=0.5)
    ids = [submit(workspace_id, f"Task {n}.") for n in range(50)]
    make_agent(workspace_id, slug="ada")
    population_ready(workspace_id=workspace_id)
    AgentNode.objects.update(slots=64)

    with reacting(world):
        began = time.monotonic()
        poll(ended(*ids), timeout_s=60)
        seconds = time.monotonic() - began

    assert world.most_running > 10
    assert seconds < 20  # one after the other they take 25 s of waiting alone
    assert_all_let_go()


def test_no_more_at_once_than_there_are_slots(workspace_id: str) -> None:
    world = FakeWorld(delay_s=0.02)
    ids = [submit(workspace_id, f"Task {n}.") for n in range(9)]

    with reacting(world, slots=3):
        poll(ended(*ids), timeout_s=30)

    assert world.most_running <= 3


@requirement("life.cancel")
def test_a_running_call_is_stopped_when_its_task_is_cancelled(workspace_id: str) -> None:
    world = FakeWorld(delay_s=60)
    task_id = submit(workspace_id)

    with reacting(world):
        poll(lambda: world.running == 1, timeout_s=15)
        task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada")
        poll(ended(task_id), timeout_s=15)

    assert world.running == 0
    assert Task.objects.get().status == "cancelled"
    assert_all_let_go()


def test_a_reactor_that_stops_gives_its_tasks_back_at_once(workspace_id: str) -> None:
    world = FakeWorld(delay_s=60)
    task_id = submit(workspace_id)
    with reacting(world):
        poll(lambda: world.running == 1, timeout_s=15)

    task = Task.objects.get(id=task_id)
    assert (task.status, task.claimed_by, task.lease_until) == ("running", "", None)
    assert Worker.objects.get().stopped_at is not None
    with reacting(FakeWorld()):
        poll(ended(task_id), timeout_s=15)
    task.refresh_from_db()
    assert (task.status, task.crash_count) == ("succeeded", 0)
    assert_all_let_go()


def test_a_lease_is_renewed_while_a_call_takes_longer_than_it(workspace_id: str) -> None:
    world = FakeWorld(delay_s=2.5)
    task_id = submit(workspace_id)

    with reacting(world, lease_s=1), reacting(FakeWorld(), lease_s=1):
        poll(ended(task_id), timeout_s=20)

    assert Task.objects.get().attempt == 1


def test_a_lease_of_ones_own_that_lapsed_is_taken_again_and_the_first_try_stops(
    workspace_id: str,
) -> None:
    slow = FakeWorld(delay_s=60)
    worlds = iter([slow, FakeWorld(delay_s=0.2)])

    def ports_for(_claim: Claim, _cancelled: asyncio.Event, _said: Happenings) -> Any:
        return next(worlds).ports()

    task_id = submit(workspace_id)
    reactor = Reactor(name="reactor-1", slots=4, lease_s=30, ports_for=ports_for)
    reactor.start()
    try:
        poll(lambda: slow.running == 1, timeout_s=15)
        lapse(task_id)
        reactor.wake()
        poll(ended(task_id), timeout_s=15)
        assert slow.running == 0
    finally:
        reactor.stop()

    task = Task.objects.get()
    assert (task.status, task.attempt, task.crash_count) == ("succeeded", 2, 0)
    assert PhaseRecord.objects.count() == 6
    assert_all_let_go()


def test_an_error_of_ours_is_tried_again_and_told(workspace_id: str) -> None:
    tries: list[str] = []

    def run(_view: TaskView, step: RunAgent) -> RunOutcome:
        tries.append(step.goal)
        if len(tries) == 1:
            raise KeyError("surprise")
        return answered("done")

    task_id = submit(workspace_id)
    with reacting(FakeWorld(run=run)):
        poll(ended(task_id), timeout_s=20)

    assert Task.objects.get().status == "succeeded"
    mishap = Event.objects.get(type="task.mishap")
    assert "KeyError" in mishap.data["error"]
    assert_sound()


@requirement("bad_days.postgres_restarts")
@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_a_database_that_goes_away_in_a_run_is_no_error_of_the_task(
    workspace_id: str, error: Exception
) -> None:
    tries: list[str] = []

    def run(_view: TaskView, step: RunAgent) -> RunOutcome:
        tries.append(step.goal)
        if len(tries) <= 4:
            raise error
        return answered("done")

    task_id = submit(workspace_id)
    with reacting(FakeWorld(run=run)):
        poll(ended(task_id), timeout_s=20)

    task = Task.objects.get()
    assert (task.status, task.mishap_count, len(tries)) == ("succeeded", 0, 5)
    assert not Event.objects.filter(type="task.mishap").exists()
    assert_all_let_go()


def test_two_reactors_share_a_tree(workspace_id: str) -> None:
    ids = [submit(workspace_id, LIST) for _ in range(5)]

    with reacting(FakeWorld(delay_s=0.01)), reacting(FakeWorld(delay_s=0.01)):
        poll(ended(*ids), timeout_s=60)

    assert set(Task.objects.values_list("status", flat=True)) == {"succeeded"}
    assert PhaseRecord.objects.count() == 5 * 4 * 6
    assert_all_let_go()
