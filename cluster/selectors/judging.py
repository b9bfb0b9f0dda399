"""How good the judge is: its audits over known answers, and against what people said."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import groupby
from typing import Any

from django.db.models import Count, Max
from django.utils import timezone

from cluster.core import judging
from cluster.core.errors import CaseUnknown, RequestInvalid
from cluster.core.judging import Measured
from cluster.core.rewards import JUDGE_WEIGHT
from cluster.models import Assignment, CalibrationCase, JudgeAudit, JudgeGrade, Reward
from loomsite.access.ids import uuid_of, uuids_of
from loomsite.access.paging import page_by_time

RECENT = 200
AUDIT_EACH = timedelta(days=1)
Shown = dict[str, Any]


def judge_trust(*, workspace_id: str) -> float:
    """Return how far the workspace's judge is believed, from 0 to 1; 1 until it is measured."""
    return min(_trusts(_last_audit(workspace_id), *_live(workspace_id)))


def authors_of(*, task_ids: Sequence[str]) -> list[str]:
    """Return the names and slugs of all agents that have worked on these tasks."""
    rows = Assignment.objects.filter(task_id__in=uuids_of(task_ids))
    pairs = rows.values_list("node__agent__slug", "node__agent__name").order_by().distinct()
    return sorted({name for pair in pairs for name in pair if name})


def judge_report(*, workspace_id: str) -> Shown:
    """Return how the judge does: its last audit, and where people rated the same answers.

    `trust` is what its weight is multiplied by; `flags` say what is wrong with it.
    """
    audit = _last_audit(workspace_id)
    live, stuck = _live(workspace_id)
    trust = min(_trusts(audit, live, stuck))
    flags = [*(audit.flags if audit else []), *(f"live: {flag}" for flag in live.flags)]
    if stuck:
        flags.append("live: constant")
    reasons = [audit.reason if audit else "never audited on known answers"]
    if live.n:
        reasons.append(f"against people: {live.reason}")
    if stuck:
        reasons.append("it grades everything alike while the checks of the same answers differ")
    return {
        "trust": trust,
        "weight": JUDGE_WEIGHT * trust,
        "flags": flags,
        "reason": "; ".join(reasons),
        "audit": _audit(audit) if audit else None,
        "live": {"pairs": live.n, **measured_shown(live)},
    }


def measured_shown(measured: Measured) -> Shown:
    """Return a measurement as doors and rows keep it."""
    return {
        "mae": measured.mae,
        "brier": measured.brier,
        "agreement": measured.agreement,
        "correlation": measured.correlation,
        "spread": measured.spread,
        "bins": [asdict(bin_) for bin_ in measured.reliability.bins],
    }


def case_list(
    *,
    workspace_id: str,
    enabled: bool | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> tuple[list[Shown], str | None]:
    """Return a page of the calibration set, newest first, and the cursor of the next page."""
    rows = CalibrationCase.objects.filter(workspace_id=workspace_id)
    if enabled is not None:
        rows = rows.filter(enabled=enabled)
    return page_by_time(rows, "created_at", _case, cursor=cursor, limit=_limit(limit))


def case_detail(*, workspace_id: str, case_id: str) -> Shown:
    """Return a case with what the judge said of it in each audit.

    Raises:
        CaseUnknown: There is none with this id here.
    """
    row = CalibrationCase.objects.filter(workspace_id=workspace_id, id=uuid_of(case_id)).first()
    if row is None:
        raise CaseUnknown(f"There is no calibration case {case_id!r}.", field="case_id")
    grades = JudgeGrade.objects.filter(case=row).select_related("audit").order_by("-id")[:50]
    return {
        **_case(row),
        "grades": [
            {
                "audit_id": str(grade.audit.pk),
                "at": grade.audit.at.isoformat(),
                "model": grade.audit.model,
                "score": grade.score,
                "comment": grade.comment,
                "error": grade.error,
            }
            for grade in grades
        ],
    }


def cases_to_grade(*, workspace_id: str, most: int) -> list[CalibrationCase]:
    """Return the cases an audit goes over: enabled ones, the newest first."""
    rows = CalibrationCase.objects.filter(workspace_id=workspace_id, enabled=True)
    return list(rows.order_by("-created_at", "-id")[:most])


def audits_due() -> list[str]:
    """Return the workspaces whose judge is to be measured: a changed set, or a day gone by."""
    sets = (
        CalibrationCase.objects.filter(enabled=True)
        .values("workspace_id")
        .annotate(n=Count("id"), newest=Max("changed_at"))
        .filter(n__gte=judging.FEW)
    )
    last = dict(
        JudgeAudit.objects.values("workspace_id")
        .annotate(at=Max("at"))
        .values_list("workspace_id", "at")
    )
    stale = timezone.now() - AUDIT_EACH
    return [
        str(row["workspace_id"])
        for row in sets
        if (at := last.get(row["workspace_id"])) is None or at < max(row["newest"], stale)
    ]


def audit_list(
    *, workspace_id: str, cursor: str | None = None, limit: int = 20
) -> tuple[list[Shown], str | None]:
    """Return a page of the judge's audits, newest first, and the cursor of the next page."""
    rows = JudgeAudit.objects.filter(workspace_id=workspace_id)
    return page_by_time(rows, "at", _audit, cursor=cursor, limit=_limit(limit))


def audit_detail(*, workspace_id: str, audit_id: str) -> Shown:
    """Return an audit with every grade.

    Raises:
        CaseUnknown: There is none with this id here.
    """
    row = JudgeAudit.objects.filter(workspace_id=workspace_id, id=uuid_of(audit_id)).first()
    if row is None:
        raise CaseUnknown(f"There is no audit {audit_id!r}.", field="audit_id")
    grades = JudgeGrade.objects.filter(audit=row).select_related("case")
    return {
        **_audit(row),
        "grades": [
            {
                "case_id": str(grade.case_id),
                "goal": grade.case.goal,
                "known": grade.known,
                "score": grade.score,
                "comment": grade.comment,
                "error": grade.error,
            }
            for grade in grades
        ],
    }


def _last_audit(workspace_id: str) -> JudgeAudit | None:
    rows = JudgeAudit.objects.filter(workspace_id=workspace_id, n__gt=0)
    return rows.order_by("-at", "-id").first()


def _trusts(audit: JudgeAudit | None, live: Measured, stuck: bool) -> Iterable[float]:  # noqa: FBT001 -- what `_live` gives
    return (audit.trust if audit else 1.0, live.trust, 0.0 if stuck else 1.0)


def _live(workspace_id: str) -> tuple[Measured, bool]:
    """Return how the judge did against people, and whether it says the same of everything."""
    recent = (
        Reward.objects.filter(task__workspace_id=workspace_id)
        .order_by("-id")
        .values_list("task_id", "cycle", "components")[:RECENT]
    )
    ordered = sorted(recent, key=lambda row: (str(row[0]), row[1]))
    pairs: list[tuple[float, float]] = []
    grades: list[float] = []
    checks: list[float] = []
    for _, rows in groupby(ordered, key=lambda row: (row[0], row[1])):
        parts = [part for _, _, components in rows for part in components]
        judged = _mean(parts, "judge")
        if judged is None:
            continue
        grades.append(judged)
        checked, person = _mean(parts, "check"), _mean(parts, "person")
        if checked is not None:
            checks.append(checked)
        if person is not None:
            pairs.append((person, judged))
    return judging.measure(pairs), judging.stuck(grades, checks)


def _mean(parts: Sequence[Shown], source: str) -> float | None:
    scores = [float(part["score"]) for part in parts if part.get("source") == source]
    return sum(scores) / len(scores) if scores else None


def _case(row: CalibrationCase) -> Shown:
    return {
        "id": str(row.id),
        "goal": row.goal,
        "answer": row.answer,
        "score": row.score,
        "note": row.note,
        "enabled": row.enabled,
        "created_by": row.created_by,
        "created_at": row.created_at.isoformat(),
    }


def _audit(row: JudgeAudit) -> Shown:
    return {
        "id": str(row.id),
        "model": row.model,
        "n": row.n,
        "failed": row.failed,
        "mae": row.mae,
        "brier": row.brier,
        "agreement": row.agreement,
        "correlation": row.correlation,
        "spread": row.spread,
        "bins": row.bins,
        "trust": row.trust,
        "flags": row.flags,
        "reason": row.reason,
        "created_by": row.created_by,
        "at": row.at.isoformat(),
    }


def _limit(limit: int) -> int:
    if not 1 <= limit <= 100:  # noqa: PLR2004 -- as every list
        raise RequestInvalid("limit: Use a number from 1 to 100.", field="limit")
    return limit
