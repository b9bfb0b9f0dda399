"""Whether skills and memories help: runs that had them against runs that went without by lot."""

import math
from typing import Any

from django.db.models import Avg, Count, Q, QuerySet, StdDev

from agents.models import Run, SkillUse

Shown = dict[str, Any]
SURE = 1.64
FEW = 5
SPREAD = 0.33
"""Of scores, where too few runs went without to see it."""


def lift_report(*, workspace_id: str) -> Shown:
    """Return what skills and memories are worth, overall and skill by skill.

    Each part has `with` and `without` (n, mean score of the runs), their difference `lift` with its
    standard error `se`, and a `verdict`: helps, harms, not clear, or too few.
    """
    runs = Run.objects.filter(workspace_id=workspace_id, score__isnull=False)
    return {
        "skills": _compared(
            runs.filter(skill_uses__held_out=False), runs.filter(skill_uses__held_out=True)
        ),
        "memories": _compared(
            runs.filter(memory_uses__held_out=False), runs.filter(memory_uses__held_out=True)
        ),
        "by_skill": skills_lift(workspace_id=workspace_id),
    }


def skills_lift(*, workspace_id: str) -> list[Shown]:
    """Return the same for each skill that a scored run's goal called for, by name."""
    had, went_without = Q(held_out=False), Q(held_out=True)
    rows = (
        SkillUse.objects.filter(skill__workspace_id=workspace_id, run__score__isnull=False)
        .values("skill__name", "skill__state", "skill__origin")
        .annotate(
            n=Count("id", filter=had),
            mean=Avg("run__score", filter=had),
            sd=StdDev("run__score", filter=had),
            out_n=Count("id", filter=went_without),
            out_mean=Avg("run__score", filter=went_without),
            out_sd=StdDev("run__score", filter=went_without),
        )
        .order_by("skill__name")
    )
    return [
        {
            "skill": row["skill__name"],
            "state": row["skill__state"],
            "origin": row["skill__origin"],
            **_lift(
                (row["n"], row["mean"], row["sd"]),
                (row["out_n"], row["out_mean"], row["out_sd"]),
            ),
        }
        for row in rows
    ]


def _compared(had: "QuerySet[Run]", without: "QuerySet[Run]") -> Shown:
    return _lift(_seen(had), _seen(without))


def _seen(runs: "QuerySet[Run]") -> tuple[int, float | None, float | None]:
    ids = runs.order_by().values("pk").distinct()
    found = Run.objects.filter(pk__in=ids).aggregate(
        n=Count("pk"), mean=Avg("score"), sd=StdDev("score")
    )
    return found["n"], found["mean"], found["sd"]


def _lift(
    had: tuple[int, float | None, float | None], without: tuple[int, float | None, float | None]
) -> Shown:
    (n, mean, sd), (out_n, out_mean, out_sd) = had, without
    shown: Shown = {
        "with": {"n": n, "mean": mean},
        "without": {"n": out_n, "mean": out_mean},
        "lift": None,
        "se": None,
        "verdict": "too few",
    }
    if mean is None or out_mean is None:
        return shown
    lift = mean - out_mean
    se = math.sqrt(_variance(n, sd) + _variance(out_n, out_sd))
    shown |= {"lift": lift, "se": se}
    if min(n, out_n) >= FEW:
        shown["verdict"] = (
            "helps" if lift > SURE * se else "harms" if lift < -SURE * se else "not clear"
        )
    return shown


def _variance(n: int, sd: float | None) -> float:
    """Return the variance of a mean; few equal scores do not make it certain."""
    return max(sd or 0.0, SPREAD if n < FEW else 0.05) ** 2 / n
