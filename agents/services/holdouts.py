"""Runs that go without skills or memories, by lot: that shows whether they help."""

import hashlib
from collections.abc import Callable, Mapping

from django.db import transaction

from agents.models import Run, Skill, SkillUse
from loomsite.access.models import Workspace

SKILLS, MEMORIES = "skills", "memories"
SHARE = 0.04
FROM_RUNS = 50
"""Before a workspace has had so many runs, going without would cost more than it could tell."""


def held_out_of(*, workspace_id: str, run_id: str) -> list[str]:
    """Return what a new run goes without: nothing for most.

    The lot is drawn from the run's id, for skills and memories apart. The workspace's setting
    `hold_out_share` says how many; 0 stops it.
    """
    settings = Workspace.objects.values_list("settings", flat=True).get(id=workspace_id)
    share = settings.get("hold_out_share", SHARE)
    usable = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
    share = share if usable else SHARE
    if share == 0 or not _many_runs(workspace_id):
        return []
    return [what for what in (SKILLS, MEMORIES) if _lot(what, run_id) < share]


def skill_uses_note(
    *,
    workspace_id: str,
    run_id: str,
    triggered: Mapping[str, float],
    held_out: bool,
    fence: Callable[[], None],
) -> None:
    """Note which skills a run's goal called for, and whether it got them; again changes nothing."""
    with transaction.atomic():
        fence()
        run = Run.objects.filter(workspace_id=workspace_id, pk=run_id).first()
        if run is None:
            return
        skills = Skill.objects.filter(workspace_id=workspace_id, name__in=list(triggered))
        SkillUse.objects.bulk_create(
            [
                SkillUse(
                    skill=skill,
                    run=run,
                    by="words" if triggered[skill.name] >= 1 else "meaning",
                    held_out=held_out,
                )
                for skill in skills
            ],
            ignore_conflicts=True,
        )


def _many_runs(workspace_id: str) -> bool:
    rows = Run.objects.filter(workspace_id=workspace_id).order_by()
    return len(rows.values_list("pk", flat=True)[:FROM_RUNS]) == FROM_RUNS


def _lot(what: str, run_id: str) -> float:
    return int(hashlib.sha256(f"{what}|{run_id}".encode()).hexdigest()[:8], 16) / 16**8
