"""Money as a hard limit: amounts set aside before calls and settled after them.

Every transaction takes its locks in one order: the caller's fence, the reservation, then windows by
id. So concurrent calls wait for each other and never deadlock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, LiteralString, NamedTuple

from django.db import connection, transaction
from django.db.models import Q

from agents.core.errors import BudgetExceeded
from agents.core.types import Usage
from agents.models import Budget, BudgetWindow, Reservation, UsageEntry

_EPOCH = date(1970, 1, 1)


# Before and after every model call: one statement each, where the ORM would take two and three.
# The count makes sure that what was there is locked and read before it is replaced.
_SET_ASIDE = """
WITH earlier AS MATERIALIZED (
    SELECT state, amount_usd, windows FROM agents_reservation
    WHERE workspace_id = %(workspace)s AND key = %(key)s FOR UPDATE
), kept AS (
    INSERT INTO agents_reservation (workspace_id, key, task_id, root_task_id, amount_usd, windows,
        state, created_at, expires_at)
    SELECT %(workspace)s, %(key)s, %(task)s, %(root)s, %(amount)s, %(windows)s::bigint[],
        'open', %(now)s, %(expires)s
    FROM (SELECT count(*) FROM earlier) AS looked
    ON CONFLICT (workspace_id, key) DO UPDATE SET task_id = EXCLUDED.task_id,
        root_task_id = EXCLUDED.root_task_id, amount_usd = EXCLUDED.amount_usd,
        windows = EXCLUDED.windows, state = EXCLUDED.state, expires_at = EXCLUDED.expires_at
)
SELECT state, amount_usd, windows FROM earlier
"""
_SETTLE = """
WITH held AS MATERIALIZED (
    SELECT id, state, amount_usd, windows FROM agents_reservation
    WHERE workspace_id = %(workspace)s AND key = %(key)s AND state <> 'settled' FOR UPDATE
)
UPDATE agents_reservation r SET state = 'settled' FROM held WHERE r.id = held.id
RETURNING held.state, held.amount_usd, held.windows
"""


class _Held(NamedTuple):
    """What a reservation was before it was replaced or settled."""

    state: str
    amount_usd: Decimal
    windows: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """On whose account model calls are made; every budget that covers any of these must hold.

    Attributes:
        budget_usd: What the task's whole tree may cost in all, spent money included.
        endpoint: The slug of the endpoint called.
    """

    workspace_id: str
    task_id: str
    root_task_id: str
    purpose: str
    endpoint: str
    model: str
    priced: bool
    budget_usd: Decimal | None = None
    run_id: str | None = None
    agent_id: str | None = None
    user_id: str = ""


def reserve(
    payer: Payer, *, key: str, amount_usd: Decimal, now: datetime, expires_at: datetime
) -> None:
    """Set money aside for one call; the same key again replaces what it had set aside.

    Call it in a transaction, which what is raised has to end.

    Raises:
        BudgetExceeded: A budget would be passed; nothing is to be set aside.
    """
    budgets = _budgets(payer)
    windows_wanted = [_window_ensure(payer, budget, now).pk for budget in budgets]
    earlier = _set_aside(
        payer,
        key=key,
        amount_usd=amount_usd,
        windows=windows_wanted,
        now=now,
        expires_at=expires_at,
    )
    still_open = earlier is not None and earlier.state == Reservation.State.OPEN
    given_back = set(earlier.windows) if earlier is not None and still_open else set()
    windows = _locked({*windows_wanted, *given_back})
    if earlier is not None and still_open:
        for window_id in given_back & windows.keys():
            windows[window_id].reserved_usd -= earlier.amount_usd
    limits = dict(zip(windows_wanted, budgets, strict=True))
    for window_id in windows_wanted:
        window, budget = windows[window_id], limits[window_id]
        if window.spent_usd + window.reserved_usd + amount_usd > budget.limit_usd:
            raise BudgetExceeded(_refusal(budget, window, amount_usd), limit="cost")
        window.reserved_usd += amount_usd
    BudgetWindow.objects.bulk_update(windows.values(), ["reserved_usd"])


def settle(payer: Payer, *, key: str, usage: Usage, now: datetime) -> None:
    """Turn what was set aside under a key into what was spent; again changes nothing.

    Call it in a transaction. A usage of nothing only gives the money back.
    """
    row = _found(_SETTLE, workspace=payer.workspace_id, key=key)
    if row is None:
        return
    windows = _locked(row.windows)
    for window in windows.values():
        if row.state == Reservation.State.OPEN:
            window.reserved_usd -= row.amount_usd
        window.spent_usd += usage.cost_usd
    BudgetWindow.objects.bulk_update(windows.values(), ["reserved_usd", "spent_usd"])
    if usage != Usage():
        _enter(payer, usage, now)


def release(reservations: Iterable[Reservation]) -> int:
    """Give back what these locked, open reservations hold; return how many there were.

    Call it in the transaction that locked them. A call that is still settled later is counted then.
    """
    rows = list(reservations)
    windows = _locked({window_id for row in rows for window_id in row.windows})
    for row in rows:
        for window_id in row.windows:
            if window_id in windows:
                windows[window_id].reserved_usd -= row.amount_usd
    BudgetWindow.objects.bulk_update(windows.values(), ["reserved_usd"])
    Reservation.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=Reservation.State.RELEASED
    )
    return len(rows)


def release_expired(*, now: datetime, workspace_id: str | None = None, limit: int = 1000) -> int:
    """Give back what calls hold that nobody can still be making; return how many there were."""
    with transaction.atomic():
        rows = Reservation.objects.filter(state=Reservation.State.OPEN, expires_at__lt=now)
        if workspace_id is not None:
            rows = rows.filter(workspace_id=workspace_id)
        return release(rows.select_for_update(skip_locked=True).order_by("pk")[:limit])


def window_start(period: str, now: datetime) -> date:
    """Return the first day, in UTC, of the period that `now` is in."""
    today = now.astimezone(UTC).date()
    match period:
        case Budget.Period.DAY:
            return today
        case Budget.Period.MONTH:
            return today.replace(day=1)
        case _:
            return _EPOCH


def _set_aside(
    payer: Payer,
    *,
    key: str,
    amount_usd: Decimal,
    windows: list[int],
    now: datetime,
    expires_at: datetime,
) -> _Held | None:
    """Write a reservation down, locked; return what stood there under its key."""
    return _found(
        _SET_ASIDE,
        workspace=payer.workspace_id,
        key=key,
        task=payer.task_id,
        root=payer.root_task_id,
        amount=amount_usd,
        windows=windows,
        now=now,
        expires=expires_at,
    )


def _found(statement: LiteralString, **named: Any) -> _Held | None:  # noqa: ANN401 -- SQL's values
    with connection.cursor() as cursor:
        cursor.execute(statement, named)
        row = cursor.fetchone()
    return None if row is None else _Held(*row)


def _budgets(payer: Payer) -> list[Budget]:
    if payer.budget_usd is not None:
        Budget.objects.update_or_create(
            workspace_id=payer.workspace_id,
            scope=Budget.Scope.TASK,
            scope_id=payer.root_task_id,
            period=Budget.Period.TOTAL,
            defaults={"limit_usd": payer.budget_usd},
        )
    covers = Q(scope=Budget.Scope.WORKSPACE)
    covers |= Q(scope=Budget.Scope.TASK, scope_id=payer.root_task_id)
    if payer.user_id:
        covers |= Q(scope=Budget.Scope.USER, scope_id=payer.user_id)
    if payer.agent_id is not None:
        covers |= Q(scope=Budget.Scope.AGENT, scope_id=payer.agent_id)
    rows = Budget.objects.filter(covers, workspace_id=payer.workspace_id, enabled=True)
    return list(rows.order_by("pk"))


def _window_ensure(payer: Payer, budget: Budget, now: datetime) -> BudgetWindow:
    row, _ = BudgetWindow.objects.get_or_create(
        budget=budget,
        starts_on=window_start(budget.period, now),
        defaults={"workspace_id": payer.workspace_id},
    )
    return row


def _locked(window_ids: Iterable[int]) -> dict[int, BudgetWindow]:
    rows = BudgetWindow.objects.select_for_update().filter(pk__in=set(window_ids))
    return {row.pk: row for row in rows.order_by("pk")}


def _refusal(budget: Budget, window: BudgetWindow, amount_usd: Decimal) -> str:
    whose = "the task" if budget.scope == Budget.Scope.TASK else f"the {budget.scope}"
    return (
        f"The budget of {whose} is {budget.limit_usd:.6f} USD ({budget.period}): "
        f"{window.spent_usd:.6f} spent, {window.reserved_usd:.6f} set aside for calls in flight, "
        f"and this call may cost {amount_usd:.6f}."
    )


def _enter(payer: Payer, usage: Usage, now: datetime) -> None:
    UsageEntry.objects.create(
        workspace_id=payer.workspace_id,
        task_id=payer.task_id,
        root_task_id=payer.root_task_id,
        run_id=payer.run_id,
        agent_id=payer.agent_id,
        user_id=payer.user_id,
        purpose=payer.purpose,
        endpoint=payer.endpoint,
        model=payer.model[:200],
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cost_usd=usage.cost_usd,
        priced=payer.priced,
        estimated=usage.estimated,
        at=now,
    )
