"""Reads of one skill: as the runtime has it, and how runs did with and without it."""

from typing import Any

from django.db.models import Avg, Count

from agents.models import Skill, SkillUse
from agents.skills import loader

_LAST = 200
_SHOWN = 15


def skill_value(row: Skill) -> loader.Skill:
    """Return a skill as files and the runtime know it."""
    return loader.Skill(
        name=row.name,
        description=row.description,
        instructions=row.instructions,
        keywords=tuple(row.keywords),
        patterns=tuple(row.patterns),
        files=dict(row.files),
    )


def skill_record(*, skill: Skill) -> dict[str, Any]:
    """Return the last runs whose goals called for a skill, and the means with and without it."""
    uses = SkillUse.objects.filter(skill=skill).order_by("-id")
    last = SkillUse.objects.filter(pk__in=uses.values("pk")[:_LAST], run__score__isnull=False)
    means = {
        each["held_out"]: {"n": each["n"], "mean": each["mean"]}
        for each in last.order_by()
        .values("held_out")
        .annotate(n=Count("pk"), mean=Avg("run__score"))
    }
    nothing = {"n": 0, "mean": None}
    return {
        "with": means.get(False, nothing),
        "without": means.get(True, nothing),
        "uses": [
            {
                "run_id": use.run.pk,
                "goal": use.run.goal,
                "score": use.run.score,
                "by": use.by,
                "held_out": use.held_out,
                "at": use.created_at,
            }
            for use in uses.select_related("run")[:_SHOWN]
        ],
    }
