"""What the cluster does by the clock and with a model: grade the judge, grow and prune.

Each function reads, asks the model with nothing held, and writes through services; twice at once
costs a call and changes nothing else.
"""

from dataclasses import dataclass

from cluster.core.perform import looks
from cluster.core.phases import evaluate
from cluster.core.ports import WorkspaceMind
from cluster.core.steps import ModelAnswer
from cluster.models import CalibrationCase
from cluster.selectors.judging import cases_to_grade
from cluster.services.calibration import Graded, audit_write
from loomsite.access.bridge import db

CASES_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What came of an audit: its id, or None when there is nothing to grade."""

    audit_id: str | None
    graded: int


async def judge_audit(workspace_id: str, *, mind: WorkspaceMind, actor: str = "") -> Audited:
    """Let the judge grade the calibration set as it grades answers, and keep how it did."""
    cases = await db(cases_to_grade, workspace_id=workspace_id, most=CASES_AT_ONCE)
    if not cases:
        return Audited(audit_id=None, graded=0)
    graded: list[Graded] = []
    model = ""
    for case in cases:
        replies = await _looked(workspace_id, case, mind)
        model = model or replies[0].model
        graded.append(_graded(case, replies))
    audit_id = await db(
        audit_write, workspace_id=workspace_id, graded=graded, model=model, actor=actor
    )
    return Audited(audit_id=audit_id, graded=len(graded))


async def _looked(
    workspace_id: str, case: CalibrationCase, mind: WorkspaceMind
) -> list[ModelAnswer]:
    async def look(turn: int) -> ModelAnswer:
        return await mind.ask(
            workspace_id,
            purpose="judge",
            system=evaluate.SYSTEM,
            user=evaluate.asked(case.goal, case.answer, seed=str(case.pk), turn=turn),
            schema=evaluate.SCHEMA,
        )

    return await looks(look, min_score=None)


def _graded(case: CalibrationCase, replies: list[ModelAnswer]) -> Graded:
    grade, comment = evaluate.graded(replies)
    return Graded(
        case_id=str(case.pk),
        known=case.score,
        score=grade,
        comment=comment,
        error="" if grade is not None else replies[0].why,
    )
