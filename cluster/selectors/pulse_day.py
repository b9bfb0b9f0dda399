"""What the last 24 hours did and cost, hour by hour, for the workspaces of one person.

What is summed is summed over the newest rows, to a bound: a million ends in a day would cost more
than the page. Where the bound cut something off, the result says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import FilteredRelation, Q, Sum

from agents.models import Budget
from agents.selectors.health import Calls

Workspaces = Sequence[UUID] | None  # None: all of them, for who may see everything
SUM_MOST: Final = 50_000
HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What ended within one hour, parts of split tasks not counted, and what calls cost in it."""

    starts_at: datetime
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    cost_usd: Decimal = Decimal(0)
    tokens: int = 0

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class _Used:
    """What one endpoint's calls of one hour used."""

    hour: datetime
    endpoint: str
    model: str
    calls: int
    last_at: datetime
    cost_usd: Decimal
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The last 24 hours, oldest first, and what of them is today (UTC).

    `cut`: more ended, or was called, than is read; then the sums are of the newest alone. `calls`
    are those of this hour and the one before, by endpoint.
    """

    hours: tuple[Hour, ...]
    midnight: datetime
    cut: bool
    calls: Mapping[str, Calls]

    @property
    def today(self) -> Hour:
        """Return the sums since midnight."""
        hours = [hour for hour in self.hours if hour.starts_at >= self.midnight]
        return Hour(
            starts_at=self.midnight,
            succeeded=sum(hour.succeeded for hour in hours),
            failed=sum(hour.failed for hour in hours),
            cancelled=sum(hour.cancelled for hour in hours),
            cost_usd=sum((hour.cost_usd for hour in hours), Decimal(0)),
            tokens=sum(hour.tokens for hour in hours),
        )

    @property
    def success_rate(self) -> float | None:
        """Return the share of today's ends that were successes; None when nothing was judged."""
        today = self.today
        judged = today.succeeded + today.failed
        return today.succeeded / judged if judged else None

    @property
    def per_hour(self) -> float:
        """Return how many tasks ended in an hour, over the whole hours of this day."""
        whole = self.hours[:-1]
        return sum(hour.ended for hour in whole) / max(len(whole), 1)

    @property
    def ended(self) -> int:
        """Return how many tasks ended in this day, the hour that has begun included."""
        return sum(hour.ended for hour in self.hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The workspaces' daily limits and what was spent and reserved under them; None: no limit."""

    limit_usd: Decimal | None
    spent_usd: Decimal
    reserved_usd: Decimal


def within_sql(workspace_ids: Workspaces) -> str:
    """Return the SQL that keeps rows of these workspaces; nothing but UUIDs gets into it."""
    if workspace_ids is None:
        return ""
    ids = ", ".join(f"'{UUID(str(each))}'" for each in workspace_ids)
    return f"AND t.workspace_id IN ({ids})" if ids else "AND false"


def pulse_day(*, workspace_ids: Workspaces, now: datetime) -> Day:
    """Return what ended and what was spent in each of the last 24 hours."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    since = this_hour - timedelta(hours=HOURS - 1)
    ended, cut = _ended(workspace_ids, since)
    used = _used(workspace_ids, since)
    return Day(
        hours=tuple(
            Hour(
                starts_at=at,
                **ended.get(at, {}),
                cost_usd=sum((each.cost_usd for each in used if each.hour == at), Decimal(0)),
                tokens=sum(each.tokens for each in used if each.hour == at),
            )
            for at in (since + timedelta(hours=number) for number in range(HOURS))
        ),
        midnight=now.replace(hour=0, minute=0, second=0, microsecond=0),
        cut=cut or sum(each.calls for each in used) >= SUM_MOST,
        calls=_calls(used, this_hour - timedelta(hours=1)),
    )


def _calls(used: Sequence[_Used], recent: datetime) -> dict[str, Calls]:
    found: dict[str, Calls] = {}
    for each in sorted(used, key=lambda one: one.last_at):
        before = found.get(each.endpoint)
        count = each.calls if each.hour >= recent else 0
        found[each.endpoint] = Calls(
            count=count + (before.count if before else 0), last_at=each.last_at, model=each.model
        )
    return found


def _ended(
    workspace_ids: Workspaces, since: datetime
) -> tuple[dict[datetime, dict[str, int]], bool]:
    mine = within_sql(workspace_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('hour', finished_at, 'UTC'), status, count(*),"  # noqa: S608 -- constants of this file
            " count(*) FILTER (WHERE parent_id IS NULL)"
            " FROM (SELECT finished_at, status, parent_id FROM cluster_task t"
            f" WHERE t.finished_at >= %s {mine} ORDER BY finished_at DESC LIMIT {SUM_MOST}) AS n"
            " GROUP BY 1, 2",
            [since],
        )
        rows = cursor.fetchall()
    hours: dict[datetime, dict[str, int]] = {}
    for hour, status, _, whole in rows:
        hours.setdefault(hour, {})[status] = whole
    return hours, sum(row[2] for row in rows) >= SUM_MOST


def _used(workspace_ids: Workspaces, since: datetime) -> list[_Used]:
    mine = within_sql(workspace_ids)
    # Entries are written when they happen: the newest by number are the newest by time.
    order = "id" if workspace_ids is None else "at"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('hour', at, 'UTC'), endpoint, max(model), count(*), max(at),"  # noqa: S608 -- constants of this file
            " sum(cost_usd), sum(prompt_tokens + completion_tokens) FROM"
            " (SELECT at, endpoint, model, cost_usd, prompt_tokens, completion_tokens"
            f" FROM agents_usageentry t WHERE true {mine} ORDER BY {order} DESC LIMIT {SUM_MOST})"
            " AS n WHERE at >= %s GROUP BY 1, 2",
            [since],
        )
        return [_Used(*row) for row in cursor.fetchall()]


def pulse_money(*, workspace_ids: Workspaces, now: datetime) -> Money:
    """Return the daily limits of the workspaces, and what is spent under them."""
    rows = Budget.objects.filter(
        scope=Budget.Scope.WORKSPACE, period=Budget.Period.DAY, enabled=True
    )
    if workspace_ids is not None:
        rows = rows.filter(workspace_id__in=list(workspace_ids))
    today = FilteredRelation("windows", condition=Q(windows__starts_on=now.date()))
    found = rows.annotate(today=today).aggregate(
        limit=Sum("limit_usd"), spent=Sum("today__spent_usd"), reserved=Sum("today__reserved_usd")
    )
    return Money(
        limit_usd=found["limit"],
        spent_usd=found["spent"] or Decimal(0),
        reserved_usd=found["reserved"] or Decimal(0),
    )
