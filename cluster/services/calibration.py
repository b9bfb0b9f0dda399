"""The judge's calibration set, and what an audit over it found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from cluster.core import judging
from cluster.core.errors import CaseUnknown, RequestInvalid
from cluster.core.posterior import checked_score
from cluster.core.submission import text_problem
from cluster.models import CalibrationCase, JudgeAudit, JudgeGrade
from cluster.selectors.judging import measured_shown
from loomsite.access.ids import uuid_of

TEXT_MAX = 50_000
NOTE_MAX = 2_000
CASES_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """What the judge said of one case; `score` is None when it said nothing usable."""

    case_id: str
    known: float
    score: float | None
    comment: str = ""
    error: str = ""


def case_add(
    *, workspace_id: str, goal: str, answer: str, score: object, note: str = "", actor: str = ""
) -> str:
    """Keep an answer of known worth for the judge to be measured on, and return its id.

    Raises:
        RequestInvalid: A text is empty, too long or cannot be stored, or the set is full.
        ScoreInvalid: The score is not a number in [0, 1].
    """
    values = _checked({"goal": goal, "answer": answer, "score": score, "note": note})
    if CalibrationCase.objects.filter(workspace_id=workspace_id).count() >= CASES_MAX:
        raise RequestInvalid(f"There are {CASES_MAX:,} cases already: remove some.", field="goal")
    row = CalibrationCase.objects.create(
        workspace_id=workspace_id, created_by=actor[:200], **values
    )
    return str(row.pk)


def case_update(*, workspace_id: str, case_id: str, **changes: Any) -> None:  # noqa: ANN401 -- checked below
    """Change a case: `goal`, `answer`, `score`, `note`, `enabled`.

    Raises:
        CaseUnknown: There is none with this id here.
        RequestInvalid, ScoreInvalid: As `case_add`.
    """
    values = _checked(changes)
    with transaction.atomic():
        row = _locked(workspace_id, case_id)
        for name, value in values.items():
            setattr(row, name, value)
        row.save(update_fields=[*values, "changed_at"])


def case_remove(*, workspace_id: str, case_id: str) -> None:
    """Remove a case, and what was said of it.

    Raises:
        CaseUnknown: There is none with this id here.
    """
    with transaction.atomic():
        _locked(workspace_id, case_id).delete()


def audit_write(*, workspace_id: str, graded: Sequence[Graded], model: str, actor: str = "") -> str:
    """Keep what the judge said of the calibration set, with what it is believed by since."""
    measured = judging.measure([(g.known, g.score) for g in graded if g.score is not None])
    failed = [g for g in graded if g.score is None]
    reason = measured.reason
    if failed:
        reason += f"; {len(failed)} cases got no grade ({failed[0].error or 'no answer'})"
    with transaction.atomic():
        audit = JudgeAudit.objects.create(
            workspace_id=workspace_id,
            model=model[:200],
            n=measured.n,
            failed=len(failed),
            trust=measured.trust,
            flags=[*measured.flags, *(["silent"] if failed and not measured.n else [])],
            reason=reason,
            created_by=actor[:200],
            **measured_shown(measured),
        )
        known = set(
            CalibrationCase.objects.filter(
                workspace_id=workspace_id, id__in=[g.case_id for g in graded]
            ).values_list("id", flat=True)
        )
        JudgeGrade.objects.bulk_create(
            [
                JudgeGrade(
                    audit=audit, case_id=g.case_id, known=g.known, score=g.score,
                    comment=g.comment, error=g.error,
                )
                for g in graded
                if UUID(g.case_id) in known  # removed in the meantime: the measurement stands
            ]
        )  # fmt: skip
    return str(audit.pk)


def _locked(workspace_id: str, case_id: str) -> CalibrationCase:
    rows = CalibrationCase.objects.select_for_update().filter(workspace_id=workspace_id)
    row = rows.filter(id=uuid_of(case_id)).first()
    if row is None:
        raise CaseUnknown(f"There is no calibration case {case_id!r}.", field="case_id")
    return row


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    limits = {"goal": (1, TEXT_MAX), "answer": (0, TEXT_MAX), "note": (0, NOTE_MAX)}
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name in limits:
            checked[name] = _text(name, value, *limits[name])
        elif name == "score":
            checked[name] = checked_score(value)
        elif name == "enabled" and isinstance(value, bool):
            checked[name] = value
        else:
            raise RequestInvalid(f"{name}: cannot be set to {value!r}.", field=name)
    return checked


def _text(name: str, value: object, least: int, most: int) -> str:
    if not isinstance(value, str) or len(value.strip()) < least or len(value) > most:
        raise RequestInvalid(
            f"{name} must be a text of {least} to {most:,} characters.", field=name
        )
    problem = text_problem(value)
    if problem:
        raise RequestInvalid(f"{name} {problem}.", field=name)
    return value
