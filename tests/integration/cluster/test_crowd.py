"""Fifty workers at once, each on a connection of its own: slots, the ledger and the locks hold."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import connections, transaction

from agents.models import Agent
from cluster.core.steps import HoldAuction
from cluster.core.types import Sensed
from cluster.models import AgentNode, Assignment, Auction, Bid, Calibration, Family, Market, Task
from cluster.services.auctions import auction_hold, slot_release
from cluster.services.ledger import market_audit
from cluster.services.population import node_create, population_ready
from cluster.services.settlement import score_settle
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import together
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
WEIGHTS = {"code": 0.7, "writing": 0.3}
WORKERS = 50
SLOTS = 3


@pytest.fixture(autouse=True)
def connections_for_all() -> Iterator[None]:
    """Give each thread a connection; a process has fewer, and its threads wait for them."""
    default: Any = connections["default"]  # whose pool the types do not know
    pool = default.pool
    usual = pool.max_size
    pool.resize(min_size=0, max_size=WORKERS + 1)
    yield
    pool.resize(min_size=0, max_size=usual)


@pytest.fixture
def workspace_id() -> str:
    """Return a workspace of five nodes of two lines, three slots each."""
    workspace_id = make_tenant().workspace_id
    for n in range(5):
        agent = Agent.objects.get(id=make_agent(workspace_id, slug=f"a{n}", domains=["code"]))
        node_create(agent=agent, family=f"line-{n % 2}", reason="test")
    population_ready(workspace_id=workspace_id)
    AgentNode.objects.update(slots=SLOTS)
    return workspace_id


def tasks(workspace_id: str, count: int) -> list[Task]:
    made = [
        Task(workspace_id=workspace_id, goal=f"Task {n}.", status="running", cycle=1)
        for n in range(count)
    ]
    return Task.objects.bulk_create(made)


def hold(task: Task) -> str:
    step = HoldAuction(weights=WEIGHTS, complexity=0.4, tools=(), agent=None)
    with transaction.atomic():
        return auction_hold(task=task, step=step, spent_usd=Decimal(0), now=NOW).kind


def release(task: Task) -> str:
    with transaction.atomic():
        slot_release(task=task, now=NOW)
    return "released"


def settle(task: Task, node_id: object, score: float) -> str:
    sensed = Sensed(
        complexity=0.4, confidence=0.9, domain="code", weights=WEIGHTS, source="model",
        similarities=WEIGHTS,
    )  # fmt: skip
    with transaction.atomic():
        score_settle(
            task=task, node_id=str(node_id), score=score, sensed=sensed, evaluation=0,
            predicted=score, now=NOW,
        )  # fmt: skip
    return "settled"


def assert_slots_add_up() -> None:
    held = Counter(Assignment.objects.filter(state="active").values_list("node_id", flat=True))
    busy = {node.pk: node.busy for node in AgentNode.objects.all()}
    assert busy == {node_id: held[node_id] for node_id in busy}
    assert max(busy.values()) <= SLOTS


@requirement("life.slots")
def test_fifty_auctions_at_once_give_each_slot_to_one(workspace_id: str) -> None:
    waiting = tasks(workspace_id, WORKERS)

    came = together(*[lambda task=task: hold(task) for task in waiting])

    assert Counter(came) == {"won": 5 * SLOTS, "busy": WORKERS - 5 * SLOTS}
    assert set(AgentNode.objects.values_list("busy", flat=True)) == {SLOTS}
    assert_slots_add_up()
    won = {task.pk for task, kind in zip(waiting, came, strict=True) if kind == "won"}
    assert set(Assignment.objects.values_list("task_id", flat=True)) == won
    assert set(Auction.objects.values_list("task_id", flat=True)) == won
    assert Bid.objects.count() == 5 * len(won)


def test_slots_that_are_given_back_meanwhile_go_to_those_who_wait(workspace_id: str) -> None:
    first = tasks(workspace_id, 5 * SLOTS)
    for task in first:
        assert hold(task) == "won"
    waiting = tasks(workspace_id, WORKERS - len(first))

    came = together(
        *[lambda task=task: release(task) for task in first],
        *[lambda task=task: hold(task) for task in waiting],
    )

    assert set(came) <= {"released", "won", "busy"}
    assert_slots_add_up()
    again = [
        hold(task) for task, kind in zip(waiting, came[len(first) :], strict=True) if kind == "busy"
    ]
    assert Counter([*came, *again])["won"] == 5 * SLOTS
    assert_slots_add_up()


@requirement("life.settle_once", "life.ledger")
def test_fifty_that_hold_and_settle_at_once_lose_nothing_and_never_lock_each_other_out(
    workspace_id: str,
) -> None:
    dice = Random(3)
    nodes = list(AgentNode.objects.order_by("id").values_list("id", flat=True))
    waiting, ended = tasks(workspace_id, 20), tasks(workspace_id, 30)
    results = [(task, dice.choice(nodes), dice.random()) for task in ended]

    came = together(
        *[lambda result=result: settle(*result) for result in results],
        *[lambda task=task: hold(task) for task in waiting],
    )

    assert Counter(came) == {"settled": 30, "won": 15, "busy": 5}
    assert_slots_add_up()
    assert sum(Family.objects.values_list("rev", flat=True)) == 30
    assert Market.objects.get(workspace_id=workspace_id).rev == 30
    assert sum(Calibration.objects.values_list("n", flat=True)) == 30
    told = market_audit(workspace_id=workspace_id)
    assert (told.families, told.nodes, told.lines, told.drift) == (2, 5, 30, ())
