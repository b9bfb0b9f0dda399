"""Who may drive a task: claims, leases, takeovers, fences."""

from datetime import timedelta

import pytest
from django.db import connection

from cluster.core.errors import ClaimLost
from cluster.core.steps import Finish, HoldAuction, RunAgent, Settle, Step
from cluster.core.types import Claim, Outcome, Status, TaskView
from cluster.models import Event, MarketEntry, PhaseRecord, Task, Worker
from cluster.runner import Happenings
from cluster.selectors.spine import task_view
from cluster.services.claims import (
    cancels_pending,
    claims_release,
    leases_renew,
    worker_seen,
    worker_stopped,
)
from cluster.services.journal import ClockTimestamp, fence
from cluster.services.mishaps import mishap_record
from cluster.services.spine import step_record
from cluster.services.tasks import task_cancel
from tests.factories.access import make_tenant
from tests.factories.cluster import (
    FakeWorld,
    assert_all_let_go,
    assert_sound,
    before,
    go,
    lapse,
    submit,
    take,
    work,
)
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
JUDGED = {"judge": {"score": 0.9, "comment": "good"}}


def types(task_id: str) -> list[str]:
    return list(
        Event.objects.filter(task_id=task_id).order_by("seq").values_list("type", flat=True)
    )


def test_a_claim_is_a_lease_by_the_databases_clock(workspace_id: str) -> None:
    task_id = submit(workspace_id)

    claims = take("worker-1", lease_s=7)

    task = Task.objects.annotate(left=ClockTimestamp()).get(id=task_id)
    assert claims == [
        Claim(task_id=task_id, workspace_id=workspace_id, attempt=1, worker="worker-1")
    ]
    assert (task.status, task.claimed_by, task.attempt) == ("running", "worker-1", 1)
    assert task.lease_until is not None
    assert timedelta(seconds=5) < task.lease_until - task.left <= timedelta(seconds=7)
    assert types(task_id) == ["task.created", "task.started", "phase.started"]


def test_what_is_claimed_is_not_due_for_anybody_else(workspace_id: str) -> None:
    submit(workspace_id)

    assert [len(take("worker-1")), len(take("worker-2")), len(take("worker-1"))] == [1, 0, 0]


def test_nothing_is_claimed_without_a_free_slot(workspace_id: str) -> None:
    submit(workspace_id)

    assert take(limit=0) == []


@requirement("life.fence")
def test_after_a_lease_has_lapsed_another_worker_goes_on_and_the_zombie_can_write_nothing(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id)
    world = FakeWorld(replies=JUDGED)
    (zombie,) = take("worker-1")
    stopped = go(zombie, world, until=before(HoldAuction))
    view = task_view(claim=zombie)
    lapse(task_id)

    (claim,) = take("worker-2")

    assert claim.attempt == 2
    rows = (PhaseRecord.objects.count(), Event.objects.count())
    with pytest.raises(ClaimLost):
        task_view(claim=zombie)
    assert isinstance(stopped, HoldAuction)
    with pytest.raises(ClaimLost):
        step_record(claim=zombie, view=view, step=stopped, happenings=Happenings())
    with pytest.raises(ClaimLost):
        fence(zombie, Happenings(pending=[("tool_call.started", {})]))
    with pytest.raises(ClaimLost):
        mishap_record(claim=zombie, error="boom")
    assert (PhaseRecord.objects.count(), Event.objects.count()) == rows
    go(claim, world)
    assert Task.objects.get().status == "succeeded"
    assert "task.taken_over" in types(task_id)
    assert_all_let_go()


@requirement("life.phases_once", "life.settle_once")
@pytest.mark.parametrize("number", range(1, 8))
def test_a_takeover_before_any_step_records_nothing_twice(workspace_id: str, number: int) -> None:
    task_id = submit(workspace_id)
    world = FakeWorld(replies=JUDGED)
    seen = 0

    def stop(_view: TaskView, _step: Step) -> bool:
        nonlocal seen
        seen += 1
        return seen == number

    (claim,) = take("worker-1")
    go(claim, world, until=stop)
    lapse(task_id)
    work(world, worker="worker-2")

    assert Task.objects.get().status == "succeeded"
    assert [p.phase for p in PhaseRecord.objects.order_by("id")] == [
        "sense", "match", "scale", "execute", "evaluate", "adapt",
    ]  # fmt: skip
    assert MarketEntry.objects.count() == 1
    assert_all_let_go()


def test_three_deaths_at_one_step_set_a_task_aside_and_give_its_slot_back(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id)
    world = FakeWorld()
    for n in range(4):
        for claim in take(f"worker-{n}"):
            go(claim, world, until=before(RunAgent))
            lapse(task_id)

    task = Task.objects.get()
    assert (task.status, task.error_code, task.attempt) == ("failed", "cluster.poison", 4)
    assert_all_let_go()


def test_a_worker_that_is_seen_again_was_late_and_not_dead(workspace_id: str) -> None:
    """On a machine that is too busy leases lapse while everybody lives."""
    task_id = submit(workspace_id)
    for n in range(6):
        worker = f"worker-{n % 2}"
        worker_seen(name=worker, slots=8, running=1)
        (claim,) = take(worker)
        go(claim, FakeWorld(), until=before(RunAgent))
        lapse(task_id)
        worker_seen(name=worker, slots=8, running=1)

    work(FakeWorld(), worker="worker-9")

    assert Task.objects.get().status == "succeeded"


def test_deaths_at_different_steps_do_not_add_up(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    world = FakeWorld(replies=JUDGED)
    for n, kind in enumerate([HoldAuction, HoldAuction, RunAgent, RunAgent, Settle, Settle]):
        (claim,) = take(f"worker-{n}")
        go(claim, world, until=before(kind))
        lapse(task_id)

    work(world)

    assert Task.objects.get().status == "succeeded"


def test_a_worker_that_lost_its_own_lease_for_a_while_has_not_died(workspace_id: str) -> None:
    """A database that was away longer than a lease is no death of the worker that waited for it."""
    task_id = submit(workspace_id)
    for _ in range(5):
        (claim,) = take("worker-1")
        go(claim, FakeWorld(), until=before(RunAgent))
        lapse(task_id)

    work(FakeWorld())

    assert Task.objects.get().status == "succeeded"


def test_a_renewed_lease_says_what_is_lost_and_what_is_to_be_stopped(workspace_id: str) -> None:
    ids = [submit(workspace_id) for _ in range(4)]
    claims = {claim.task_id: claim for claim in take("worker-1", lease_s=1)}
    lapse(ids[1])
    take("worker-2")
    task_cancel(workspace_id=workspace_id, task_id=ids[2], actor="ada")
    Task.objects.filter(id=ids[3]).update(lease_until=None, claimed_by="")

    renewal = leases_renew(claims=list(claims.values()), worker="worker-1", lease_s=60)

    assert renewal.lost == {ids[1], ids[3]}
    assert renewal.cancelled == {ids[2]}
    assert cancels_pending(claims=list(claims.values())) == {ids[2]}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM cluster_task"
            " WHERE lease_until > clock_timestamp() + interval '50 s'"
        )
        assert cursor.fetchone() == (2,)


def test_a_lapsed_lease_that_nobody_took_is_renewed(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    claims = take("worker-1")
    lapse(task_id)

    assert leases_renew(claims=claims, worker="worker-1", lease_s=60).lost == frozenset()
    assert take("worker-2") == []


def test_a_worker_that_stops_gives_its_claims_back_and_that_is_no_death(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    for n in range(5):
        claims = take(f"worker-{n}")
        go(claims[0], FakeWorld(), until=before(RunAgent))
        claims_release(claims=claims, worker=f"worker-{n}")

    work(FakeWorld())

    task = Task.objects.get()
    assert (task.status, task.crash_count) == ("succeeded", 0)
    assert "task.taken_over" not in types(task_id)


def test_somebody_elses_claims_are_not_given_back(workspace_id: str) -> None:
    submit(workspace_id)
    (claim,) = take("worker-1")

    claims_release(claims=[claim], worker="worker-2")

    assert take("worker-2") == []


def test_a_worker_is_seen_and_seen_to_stop() -> None:
    worker_seen(name="worker-1", slots=8, running=3)
    worker_seen(name="worker-1", slots=8, running=2)
    row = Worker.objects.get()
    assert (row.slots, row.running, row.stopped_at) == (8, 2, None)

    worker_stopped(name="worker-1")

    assert Worker.objects.get().stopped_at is not None


def die_holding(*ids: str, worker: str) -> list[str]:
    """Have a worker take what it can, be seen with it, and die; return what it took."""
    worker_seen(name=worker, slots=64, running=0)
    taken = [claim.task_id for claim in take(worker)]
    lapse(*ids)
    return taken


def test_a_step_that_was_alone_in_flight_at_three_deaths_is_set_aside(workspace_id: str) -> None:
    task_id = submit(workspace_id)
    for n in range(4):
        die_holding(task_id, worker=f"worker-{n}")

    work(FakeWorld(), worker="worker-5")

    task = Task.objects.get()
    assert (task.status, task.error_code) == ("failed", "cluster.poison")


def test_tasks_that_die_in_a_crowd_are_tried_one_at_a_time_and_not_set_aside(
    workspace_id: str,
) -> None:
    ids = [submit(workspace_id) for _ in range(4)]
    crowds = [len(die_holding(*ids, worker=f"worker-{n}")) for n in range(4)]

    alone = die_holding(worker="worker-4")
    beside = take("worker-4")

    assert crowds == [4, 4, 4, 4]
    assert set(Task.objects.values_list("suspicion", "crash_count")) == {(1, 0), (2, 0)}
    assert (len(alone), beside) == (1, [])


def test_a_suspect_that_gets_on_is_none_any_more(workspace_id: str) -> None:
    ids = [submit(workspace_id) for _ in range(2)]
    for n in range(4):
        die_holding(*ids, worker=f"worker-{n}")

    work(FakeWorld(), worker="worker-5")

    assert set(Task.objects.values_list("status", "suspicion")) == {("succeeded", 0)}


# ---------------------------------------------------------------- who is next


@requirement("life.fairness")
def test_the_more_urgent_first_then_the_workspace_with_fewer_in_flight_then_the_older() -> None:
    big, small = make_tenant().workspace_id, make_tenant().workspace_id
    tasks = [submit(big, f"big {n}") for n in range(4)]
    tasks += [submit(small, f"small {n}") for n in range(2)]
    submit(big, "urgent", priority=5)
    submit(small, "whenever", priority=-5)

    order = [Task.objects.get(id=claim.task_id).goal for _ in tasks for claim in take(limit=1)]

    assert order[0] == "urgent"
    assert order[1:5] == ["small 0", "big 0", "small 1", "big 1"]
    assert "whenever" not in order


@requirement("life.fairness")
def test_many_taken_at_once_are_shared_out_in_the_same_order() -> None:
    big, small = make_tenant().workspace_id, make_tenant().workspace_id
    for n in range(6):
        submit(big, f"big {n}")
    for n in range(2):
        submit(small, f"small {n}")

    goals = {Task.objects.get(id=claim.task_id).goal for claim in take(limit=4)}

    assert goals == {"big 0", "big 1", "small 0", "small 1"}


# ---------------------------------------------------------------- our own errors


def test_an_error_of_ours_is_tried_again_later_and_set_aside_after_the_third(
    workspace_id: str,
) -> None:
    submit(workspace_id)
    for count in (1, 2, 3):
        (claim,) = take()
        mishap_record(claim=claim, error="KeyError: 'x'")
        task = Task.objects.get()
        assert task.mishap_count == count
        if count < 3:
            assert (task.status, task.finished_at) == ("running", None)
            assert take() == []  # not at once
            Task.objects.update(due_at=ClockTimestamp())

    assert (task.status, task.outcome, task.error_code) == (
        Status.FAILED,
        Outcome.FAILED,
        "cluster.internal_error",
    )
    assert_all_let_go()


def test_errors_far_apart_do_not_add_up(workspace_id: str) -> None:
    submit(workspace_id)
    for kind in (HoldAuction, RunAgent, Settle, Finish):
        (claim,) = take()
        go(claim, FakeWorld(replies=JUDGED), until=before(kind))
        mishap_record(claim=claim, error="flaky")
        Task.objects.filter(finished_at=None).update(due_at=ClockTimestamp())

    work(FakeWorld(replies=JUDGED))

    assert Task.objects.get().status == "succeeded"
    assert_sound()
