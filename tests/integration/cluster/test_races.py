"""What happens at the same moment: on threads, with transactions that are really committed."""

import random
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from agents.models import Agent
from cluster.core import market, skill
from cluster.core.codec import value_load
from cluster.core.errors import IdempotencyConflict
from cluster.core.market import LedgerEntry
from cluster.core.steps import Finish, RunAgent, Settle
from cluster.core.types import Sensed
from cluster.models import (
    AgentNode,
    Calibration,
    Capability,
    Event,
    Family,
    LifecycleEvent,
    Market,
    MarketEntry,
    PhaseRecord,
    Reward,
    Schedule,
    Task,
)
from cluster.runner import Happenings
from cluster.services.books import book_load
from cluster.services.claims import Renewal, claims_take, leases_renew
from cluster.services.journal import ClockTimestamp, event_append, fence, task_locked
from cluster.services.population import node_create, population_ready
from cluster.services.schedules import schedule_create, schedules_fire
from cluster.services.settlement import score_settle
from cluster.services.tasks import task_cancel, task_feedback, task_submit
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
    together,
    work,
)
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "Write about:\n1. cats\n2. dogs, see part 1\n3. birds\n4. fish"
JUDGED = {"judge": {"score": 0.9, "comment": "good"}}


@requirement("life.idempotency")
def test_twenty_submissions_with_one_key_are_one_task(workspace_id: str) -> None:
    def once() -> tuple[str, bool]:
        return task_submit(
            workspace_id=workspace_id, actor="a", door="rest", goal="Go.", idempotency_key="k"
        )

    came = together(*[once] * 20)

    assert len({task_id for task_id, _ in came}) == 1
    assert Counter(new for _, new in came) == {True: 1, False: 19}
    assert (Task.objects.count(), Event.objects.count()) == (1, 1)


@requirement("life.idempotency")
def test_a_key_used_for_another_submission_is_a_conflict_and_writes_nothing(
    workspace_id: str,
) -> None:
    first = submit(workspace_id, "Go.", idempotency_key="k", metadata={"a": 1, "b": 2})

    again = submit(workspace_id, "Go.", idempotency_key="k", metadata={"b": 2, "a": 1})
    with pytest.raises(IdempotencyConflict):
        submit(workspace_id, "Go now.", idempotency_key="k")
    elsewhere = submit(make_tenant().workspace_id, "Go now.", idempotency_key="k")

    assert again == first != elsewhere
    assert Task.objects.count() == 2


@requirement("life.claim")
def test_many_workers_claim_each_task_once(workspace_id: str) -> None:
    ids = {submit(workspace_id, f"Task {n}.") for n in range(40)}

    def claiming(number: int) -> Any:
        def claim() -> list[str]:
            mine: list[str] = []
            while claims := claims_take(worker=f"worker-{number}", limit=3, lease_s=60):
                mine += [claim.task_id for claim in claims]
            return mine

        return claim

    taken = together(*[claiming(n) for n in range(6)])

    assert sorted(task_id for mine in taken for task_id in mine) == sorted(ids)
    assert set(Task.objects.values_list("attempt", flat=True)) == {1}


def test_the_first_tasks_of_an_empty_workspace_agree_on_its_population(workspace_id: str) -> None:
    for n in range(8):
        submit(workspace_id, f"Task {n}.")
    claims = take(limit=8)

    came = together(*[lambda claim=claim: go(claim, FakeWorld(replies=JUDGED)) for claim in claims])

    assert came == [None] * 8
    assert [a.slug for a in Agent.objects.all()] == ["generalist"]
    assert AgentNode.objects.count() == 1
    assert MarketEntry.objects.count() == 8
    assert_all_let_go()


def test_slots_are_never_given_twice(workspace_id: str) -> None:
    make_agent(workspace_id, slug="ada")
    population_ready(workspace_id=workspace_id)
    AgentNode.objects.update(slots=3)
    for n in range(8):
        submit(workspace_id, f"Task {n}.")

    together(
        *[
            lambda claim=claim: go(claim, FakeWorld(), until=before(RunAgent))
            for claim in take(limit=8)
        ]
    )

    assert AgentNode.objects.get().busy == 3
    assert_sound()


def test_whoever_gives_a_slot_back_wakes_the_most_urgent_that_waits_for_one(
    workspace_id: str,
) -> None:
    make_agent(workspace_id, slug="ada")
    population_ready(workspace_id=workspace_id)
    AgentNode.objects.update(slots=1)
    submit(workspace_id, "first")
    (first,) = take()
    go(first, FakeWorld(), until=before(RunAgent))
    later, urgent = submit(workspace_id, "later"), submit(workspace_id, "urgent", priority=5)
    for claim in take():
        go(claim, FakeWorld())
    assert take() == []

    go(first, FakeWorld())

    assert [claim.task_id for claim in take()] == [urgent]
    assert Task.objects.get(id=later).status == "running"


def test_a_task_that_is_stuck_in_a_transaction_does_not_cost_the_others_their_leases(
    workspace_id: str,
) -> None:
    ids = [submit(workspace_id, f"Task {n}.") for n in range(3)]
    claims = take("worker-1", lease_s=2)

    with transaction.atomic():
        Task.objects.select_for_update().get(id=ids[0])
        (renewal,) = together(lambda: leases_renew(claims=claims, worker="worker-1", lease_s=60))

    assert renewal == Renewal(lost=frozenset(), cancelled=frozenset())
    lapsing = Task.objects.filter(lease_until__lt=ClockTimestamp() + timedelta(seconds=30))
    assert [str(task.id) for task in lapsing] == [ids[0]]


# ---------------------------------------------------------------- what was said, once


def test_an_event_whose_task_is_not_saved_is_an_error_and_takes_no_number(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id)

    def forgetful() -> None:
        with transaction.atomic():
            task, now = task_locked(workspace_id=workspace_id, task_id=task_id)
            event_append(task, "task.forgotten", now)

    with pytest.raises(AssertionError, match=r"Never written: \['task.forgotten'\]"):
        forgetful()

    assert_sound()
    assert not Event.objects.filter(type="task.forgotten").exists()


@requirement("life.events")
def test_what_tools_said_side_by_side_is_written_once(workspace_id: str) -> None:
    """The second writer gets the lock before the first one's thread hears of its own commit."""
    submit(workspace_id)
    (claim,) = take()
    said = Happenings(pending=[("tool_call.started", {"call_id": "1"})])
    committed, second_done = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic():
            transaction.on_commit(lambda: (committed.set(), second_done.wait(10)))
            fence(claim, said)

    def second() -> None:
        assert committed.wait(10)
        said.pending.append(("tool_call.started", {"call_id": "2"}))
        with transaction.atomic():
            fence(claim, said)
        second_done.set()

    assert together(first, second) == [None, None]

    calls = Event.objects.filter(type="tool_call.started").order_by("seq")
    assert [event.data["call_id"] for event in calls] == ["1", "2"]
    assert_sound()


@requirement("life.events")
def test_what_was_said_in_a_transaction_that_failed_is_written_by_the_next(
    workspace_id: str,
) -> None:
    submit(workspace_id)
    (claim,) = take()
    said = Happenings(pending=[("tool_call.started", {"call_id": "1"})])
    with transaction.atomic():
        fence(claim, said)
        transaction.set_rollback(True)

    for _ in range(2):
        with transaction.atomic():
            fence(claim, said)

    assert Event.objects.filter(type="tool_call.started").count() == 1
    assert_sound()


@requirement("life.events")
def test_events_have_no_gap_whoever_writes_at_once(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    (claim,) = take()
    go(claim, FakeWorld(), until=before(RunAgent))

    def talk() -> None:
        for n in range(10):
            with transaction.atomic():
                fence(claim, Happenings(pending=[("tool_call.started", {"n": n})]))

    def ask_to_stop() -> None:
        task_cancel(workspace_id=workspace_id, task_id=task_id, actor="ada")

    assert [
        x for x in together(talk, talk, talk, ask_to_stop, ask_to_stop) if x not in (None, True)
    ] == []

    assert Event.objects.filter(type="tool_call.started").count() == 30
    assert Event.objects.filter(type="task.cancel_requested").count() == 1
    assert_sound()


# ---------------------------------------------------------------- parts and their parent


@requirement("life.wakeup")
@pytest.mark.parametrize("seed", range(3))
def test_parts_that_end_while_their_parent_parks_wake_it(workspace_id: str, seed: int) -> None:
    """Several workers drive one tree; whichever order the locks are taken in, nobody sleeps on."""
    task_id = submit(workspace_id, LIST)
    rng = random.Random(seed)
    done = threading.Event()

    def worker(number: int) -> Any:
        def loop() -> None:
            for _ in range(400):
                if done.wait(rng.random() * 0.01):
                    return
                for claim in take(f"worker-{number}", limit=1):
                    go(claim, FakeWorld())
                if Task.objects.filter(id=task_id, finished_at__isnull=False).exists():
                    done.set()

        return loop

    together(*[worker(n) for n in range(4)])

    assert Task.objects.get(id=task_id).status == "succeeded"
    assert Event.objects.filter(task_id=task_id, type="child.finished").count() == 4
    assert_all_let_go()


@requirement("life.cancel")
@pytest.mark.parametrize("number", range(4))
def test_a_part_that_ends_and_one_that_is_cancelled_do_not_wait_for_each_other(
    workspace_id: str, number: int
) -> None:
    task_id = submit(workspace_id, "Do:\n1. cats\n2. dogs, see part 1\n3. fish, see part 1")
    (parent,) = take()
    go(parent, FakeWorld())
    (first,) = take()
    assert isinstance(go(first, FakeWorld(), until=before(Finish)), Finish)
    second = Task.objects.get(parent_id=task_id, plan_key=f"part-{2 + number % 2}")

    came = together(
        lambda: go(first, FakeWorld()),
        lambda: task_cancel(workspace_id=workspace_id, task_id=str(second.id), actor="ada"),
    )

    assert came == [None, True]
    work(FakeWorld())
    assert Task.objects.get(id=second.id).status == "cancelled"
    assert_all_let_go()


# ---------------------------------------------------------------- the ledger


@requirement("life.settle_once", "life.ledger")
def test_twenty_results_at_once_are_each_learned_once_and_the_ledger_tells_it_all(
    workspace_id: str,
) -> None:
    nodes: list[AgentNode] = []
    for slug in ("ada", "bob", "cy"):
        agent = Agent.objects.get(id=make_agent(workspace_id, slug=slug, domains=["general"]))
        nodes.append(node_create(agent=agent, family="shared", reason="test"))

    def judge(user: str) -> dict[str, Any]:
        number = user.partition("Task ")[2].partition(".")[0]
        return {"score": int(number) / 20, "comment": ""}

    world = FakeWorld(
        replies={"judge": judge},
        similarities={"general": 0.4, "code": 0.3, "law": 0.1},
    )
    for n in range(20):
        submit(workspace_id, f"Task {n}.", max_cycles=1)
    claims = take(limit=20)
    for claim in claims:
        go(claim, world, until=before(Settle))

    came = together(*[lambda claim=claim: go(claim, world) for claim in claims])

    assert came == [None] * 20
    entries = list(MarketEntry.objects.order_by("rev"))
    assert [e.rev for e in entries] == list(range(1, 21))
    assert Reward.objects.count() == 20
    family = Family.objects.get(slug="shared")
    assert family.rev == 20
    rebuilt = market.rebuild(
        book_load(workspace_id=workspace_id).space,
        [
            LedgerEntry(
                rev=e.rev,
                node_id=str(e.node_id),
                features=tuple(e.terms["features"]),
                likelihood=tuple(e.terms["likelihood"]),
            )
            for e in entries
        ],
        declared={
            str(node.id): tuple(node.declared) for node in AgentNode.objects.filter(family=family)
        },
    )
    assert len(rebuilt) == 3
    for node in AgentNode.objects.filter(family=family):
        told = rebuilt[str(node.id)]
        assert node.evidence == skill.node_row(told.node)
        assert family.evidence == skill.family_row(told.family)
    assert Market.objects.get(workspace_id=workspace_id).rev == 20
    assert_all_let_go()


@requirement("life.settle_once")
def test_a_settlement_that_comes_twice_is_refused_and_leaves_everything_as_it_was(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id, max_cycles=1)
    work(FakeWorld(replies={"judge": {"score": 0.9, "comment": ""}}))
    task = Task.objects.get(id=task_id)
    (line,) = MarketEntry.objects.all()
    rows = (Family, AgentNode, Market, Reward, MarketEntry, Capability, Calibration, LifecycleEvent)

    def everything() -> list[list[dict[str, Any]]]:
        return [list(row.objects.order_by("pk").values()) for row in rows]

    before_ = everything()
    sensed = PhaseRecord.objects.get(task=task, phase="sense").result

    def again() -> None:
        with transaction.atomic():
            score_settle(
                task=task, node_id=str(line.node_id), score=0.1,
                sensed=value_load(Sensed, sensed), evaluation=0, predicted=0.5, now=line.at,
            )  # fmt: skip

    came = together(*[again] * 3)

    assert [type(one) for one in came] == [IntegrityError] * 3
    assert everything() == before_


@requirement("life.feedback")
def test_people_who_rate_at_once_each_count_once(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    work(FakeWorld(replies=JUDGED))
    before_ = Reward.objects.get()

    came = together(
        *[
            lambda score=score: task_feedback(
                workspace_id=workspace_id, task_id=task_id, score=score, actor="ada"
            )
            for score in (0.1, 0.2, 0.3, 0.4, 0.5)
        ]
    )

    assert sorted(came) == [1, 2, 3, 4, 5]
    assert [e.evaluation for e in MarketEntry.objects.order_by("evaluation")] == list(range(6))
    assert Reward.objects.get(evaluation=0).score == before_.score
    assert_sound()


# ---------------------------------------------------------------- the clock


@requirement("http.schedules")
def test_a_schedule_that_is_fired_by_many_is_submitted_once(workspace_id: str) -> None:
    for kind in (
        {"kind": "interval", "every_s": 3600},
        {"kind": "once", "at": "2020-01-01T00:00Z"},
    ):
        schedule_create(workspace_id=workspace_id, actor="ada", submission={"goal": "Go."}, **kind)
    Schedule.objects.update(next_at=ClockTimestamp())

    fired = together(*[schedules_fire] * 8)

    assert sum(fired) == 2
    assert Task.objects.count() == 2
    assert set(Schedule.objects.values_list("run_count", flat=True)) == {1}
    assert schedules_fire() == 0
