"""The front page: how the cluster is doing right now."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from agents import wiring
from agents.selectors.health import endpoints_health
from cluster.admin.sidebar import questions_waiting
from cluster.admin.task_page import said
from cluster.selectors import pulse, pulse_day
from loomsite.access.admin.reach import OPERATOR, VIEWER, reach_of

_LIVE_S = 3

admin.site.index_template = "loom/admin/pulse.html"
admin.site.index_title = "Pulse"
admin.site.enable_nav_sidebar = True


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the front page's values; unfold calls it."""
    reach = reach_of(request)
    ids = reach.workspace_ids(VIEWER)
    if ids == []:
        return {**context, "nowhere": True}
    now = timezone.now()
    day = pulse_day.pulse_day(workspace_ids=ids, now=now)
    money = pulse_day.pulse_money(workspace_ids=ids, now=now)
    phases = pulse.pulse_phases(workspace_ids=ids)
    queue = pulse.pulse_queue(workspace_ids=ids)
    return {
        **context,
        "may_submit": reach.allows_somewhere(OPERATOR),
        "live_s": _LIVE_S,
        "most": pulse.COUNT_MOST,
        "queue": queue,
        "queue_age_s": _age(queue, now),
        "day": day,
        "today": day.today,
        "money": money,
        "money_share": _share(money, day.today.cost_usd),
        "stuck": pulse.pulse_stuck(workspace_ids=ids, now=now),
        "feed": [_fed(each) for each in pulse.pulse_feed(workspace_ids=ids)],
        "workers": pulse.pulse_workers(now=now),
        "endpoints": endpoints_health(
            workspace_ids=ids,
            calls=day.calls,
            failing=wiring.endpoints_failing(),
            rowless=wiring.endpoints_rowless(),
        ),
        "phases": phases,
        "questions": questions_waiting(request),
        "population": pulse.pulse_population(workspace_ids=ids, now=now),
        "charts": {
            "ended": ended_chart(day.hours),
            "cost": cost_chart(day.hours),
            "phases": phases_chart(phases),
        },
        "now": now,
    }


def ended_chart(hours: Sequence[pulse_day.Hour]) -> dict[str, Any]:
    """Return the chart of how many tasks ended in each hour, and how."""
    return {
        "type": "bar",
        "stacked": True,
        "whole": True,
        "labels": [hour.starts_at.strftime("%H:00") for hour in hours],
        "series": [
            {"name": "succeeded", "tone": "good", "values": [hour.succeeded for hour in hours]},
            {"name": "failed", "tone": "bad", "values": [hour.failed for hour in hours]},
            {"name": "cancelled", "tone": "faint", "values": [hour.cancelled for hour in hours]},
        ],
    }


def cost_chart(hours: Sequence[pulse_day.Hour]) -> dict[str, Any]:
    """Return the chart of what each hour cost."""
    return {
        "type": "line",
        "prefix": "$",
        "labels": [hour.starts_at.strftime("%H:00") for hour in hours],
        "series": [
            {
                "name": "cost",
                "tone": "accent",
                "values": [float(hour.cost_usd) for hour in hours],
            }
        ],
    }


def phases_chart(phases: Sequence[pulse.PhaseTime]) -> dict[str, Any]:
    """Return the chart of how long each phase takes, usually and at worst."""
    return {
        "type": "bar",
        "sideways": True,
        "suffix": " s",
        "labels": [each.phase.upper() for each in phases],
        "series": [
            {"name": "median", "tone": "accent", "values": [round(p.p50_s, 3) for p in phases]},
            {"name": "95 %", "tone": "warn", "values": [round(p.p95_s, 3) for p in phases]},
        ],
    }


def _age(queue: pulse.Queue, now: Any) -> float | None:
    return max((now - queue.oldest_due_at).total_seconds(), 0) if queue.oldest_due_at else None


def _share(money: pulse_day.Money, cost_usd: Decimal) -> int | None:
    """Return how much of the day's limit is gone, in percent; None without a limit."""
    if not money.limit_usd:
        return None
    gone = max(money.spent_usd, cost_usd) if money.spent_usd else cost_usd
    return min(round(100 * (gone + money.reserved_usd) / money.limit_usd), 100)


def _fed(happening: pulse.Happening) -> dict[str, Any]:
    return {
        "task_id": happening.task_id,
        "goal": happening.goal,
        "type": happening.type,
        "at": happening.at,
        "said": _told(happening.type, happening.data),
    }


def _told(type_: str, data: Mapping[str, Any]) -> str:
    """Return what an event means, in few words."""
    if type_ == "phase.ended":
        return f"{str(data.get('phase', '')).upper()} of cycle {data.get('cycle', 1)}"
    if type_ == "task.finished":
        score = data.get("score")
        judged = f", score {score:.2f}" if isinstance(score, int | float) else ", not judged"
        return str(data.get("outcome") or data.get("status") or "").replace("_", " ") + judged
    return said(data)
