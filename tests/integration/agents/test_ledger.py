"""Money as a hard limit: what is set aside, spent and given back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from agents.core.errors import BudgetExceeded
from agents.core.types import Usage
from agents.models import Budget, BudgetWindow, Reservation, UsageEntry
from agents.services.catalogue import budget_set
from agents.services.runs import task_release
from agents.store import ledger
from tests.factories.agents import make_agent, make_payer, make_workspace

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def reserve(payer, key, amount="0.10", *, now=NOW, expires_at=LATER):
    with transaction.atomic():
        ledger.reserve(payer, key=key, amount_usd=Decimal(amount), now=now, expires_at=expires_at)


def settle(payer, key, cost, *, now=NOW):
    with transaction.atomic():
        usage = Usage(prompt_tokens=10, completion_tokens=5, cost_usd=Decimal(cost))
        ledger.settle(payer, key=key, usage=usage, now=now)


def windows(workspace_id):
    rows = BudgetWindow.objects.filter(workspace_id=workspace_id).order_by("pk")
    return [(row.spent_usd, row.reserved_usd) for row in rows]


@pytest.mark.django_db
def test_a_settled_call_turns_what_was_set_aside_into_what_was_spent():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal(1))
    payer = make_payer(workspace_id)

    reserve(payer, "a", "0.40")
    between = windows(workspace_id)
    settle(payer, "a", "0.15")

    assert between == [(0, Decimal("0.40"))]
    assert windows(workspace_id) == [(Decimal("0.15"), 0)]
    used = UsageEntry.objects.get(root_task_id=payer.root_task_id)
    assert (used.prompt_tokens, used.completion_tokens, used.cost_usd) == (10, 5, Decimal("0.15"))


@pytest.mark.django_db
def test_settling_twice_counts_once():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal(1))
    payer = make_payer(workspace_id)

    reserve(payer, "a")
    settle(payer, "a", "0.05")
    settle(payer, "a", "0.05")

    assert windows(workspace_id) == [(Decimal("0.05"), 0)]
    assert UsageEntry.objects.filter(workspace_id=workspace_id).count() == 1


@pytest.mark.django_db
def test_a_call_that_is_made_again_after_a_crash_replaces_its_reservation():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal(1))
    payer = make_payer(workspace_id)

    reserve(payer, "a", "0.60")
    reserve(payer, "a", "0.70")

    assert windows(workspace_id) == [(0, Decimal("0.70"))]
    assert Reservation.objects.filter(workspace_id=workspace_id).count() == 1


@pytest.mark.django_db
def test_a_call_over_the_limit_is_refused_and_sets_nothing_aside():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal("0.50"))
    payer = make_payer(workspace_id)
    reserve(payer, "a", "0.45")

    with pytest.raises(BudgetExceeded) as refused:
        reserve(payer, "b", "0.10")

    assert refused.value.limit == "cost"
    assert windows(workspace_id) == [(0, Decimal("0.45"))]
    assert list(Reservation.objects.values_list("key", flat=True)) == ["a"]


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["workspace", "user", "agent", "task"])
def test_every_budget_that_covers_a_call_holds(scope):
    workspace_id = make_workspace()
    agent_id = make_agent(workspace_id)
    payer = make_payer(workspace_id, agent_id=agent_id, user_id="7")
    scope_id = {"workspace": "", "user": "7", "agent": agent_id, "task": payer.root_task_id}[scope]
    for other in ("workspace", "user"):
        budget_set(
            workspace_id=workspace_id,
            scope=other,
            scope_id="" if other == "workspace" else "7",
            limit_usd=Decimal(100),
        )
    budget_set(workspace_id=workspace_id, scope=scope, scope_id=scope_id, limit_usd=Decimal("0.05"))

    with pytest.raises(BudgetExceeded):
        reserve(payer, "a", "0.06")

    assert all(reserved == 0 for _, reserved in windows(workspace_id))


@pytest.mark.django_db
def test_the_budget_of_a_task_covers_its_whole_tree():
    workspace_id = make_workspace()
    root = make_payer(workspace_id, budget_usd=Decimal("0.50"))
    child = make_payer(workspace_id, root_task_id=root.root_task_id, budget_usd=Decimal("0.50"))
    reserve(root, "a", "0.30")
    settle(root, "a", "0.30")

    with pytest.raises(BudgetExceeded):
        reserve(child, "b", "0.21")
    reserve(child, "b", "0.20")

    assert windows(workspace_id) == [(Decimal("0.30"), Decimal("0.20"))]


@pytest.mark.django_db
def test_a_new_day_has_a_window_of_its_own():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal("0.10"))
    payer = make_payer(workspace_id)
    reserve(payer, "a")
    settle(payer, "a", "0.10")

    reserve(payer, "b", now=NOW + timedelta(days=1))

    assert windows(workspace_id) == [(Decimal("0.10"), 0), (0, Decimal("0.10"))]


@pytest.mark.django_db
def test_a_call_without_a_price_passes_a_budget_that_is_used_up_to_the_cent():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal(0))

    reserve(make_payer(workspace_id), "a", "0")

    assert windows(workspace_id) == [(0, 0)]


@pytest.mark.django_db
def test_reservations_of_callers_that_died_are_given_back_once_they_expire():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal(1))
    payer = make_payer(workspace_id)
    reserve(payer, "dead", "0.30", expires_at=NOW)
    reserve(payer, "alive", "0.20", expires_at=LATER)

    released = ledger.release_expired(now=NOW + timedelta(seconds=1))

    assert released == 1
    assert windows(workspace_id) == [(0, Decimal("0.20"))]


@pytest.mark.django_db
def test_a_released_call_that_is_settled_late_is_still_counted():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal(1))
    payer = make_payer(workspace_id)
    reserve(payer, "slow", "0.30", expires_at=NOW)
    ledger.release_expired(now=LATER)

    settle(payer, "slow", "0.25")

    assert windows(workspace_id) == [(Decimal("0.25"), 0)]


@pytest.mark.django_db
def test_a_task_that_ends_gives_back_what_its_dead_worker_held():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal(1))
    payer, other = make_payer(workspace_id), make_payer(workspace_id)
    reserve(payer, "a", "0.30")
    reserve(other, "b", "0.20")

    with transaction.atomic():
        task_release(workspace_id=workspace_id, task_id=payer.task_id)

    assert windows(workspace_id) == [(0, Decimal("0.20"))]


@pytest.mark.django_db
def test_another_workspaces_budget_and_keys_are_not_touched():
    first, second = make_workspace(), make_workspace()
    budget_set(workspace_id=first, limit_usd=Decimal(1))
    budget_set(workspace_id=second, limit_usd=Decimal(1))

    reserve(make_payer(first), "same", "0.30")
    reserve(make_payer(second), "same", "0.20")

    assert windows(first) == [(0, Decimal("0.30"))]
    assert windows(second) == [(0, Decimal("0.20"))]


@pytest.mark.django_db(transaction=True)
def test_twenty_threads_on_one_budget_never_overspend():
    workspace_id = make_workspace()
    budget_set(workspace_id=workspace_id, limit_usd=Decimal("1.00"))
    budget_set(workspace_id=workspace_id, period="total", limit_usd=Decimal("0.75"))
    start = threading.Barrier(20)

    def caller(number):
        payer = make_payer(workspace_id)
        start.wait(timeout=30)
        allowed = 0
        try:
            for call in range(3):
                try:
                    reserve(payer, f"{number}:{call}", "0.05")
                except BudgetExceeded:
                    continue
                settle(payer, f"{number}:{call}", "0.05")
                allowed += 1
        finally:
            connection.close()
        return allowed

    with ThreadPoolExecutor(max_workers=20) as pool:
        allowed = sum(pool.map(caller, range(20)))

    assert allowed == 15  # 0.75 of the tighter limit, exactly used up
    assert windows(workspace_id) == [(Decimal("0.75"), 0), (Decimal("0.75"), 0)]
    assert Budget.objects.filter(workspace_id=workspace_id).count() == 2
