"""What the cluster does by the clock and with a model: grade the judge, evolve, crystallize.

Each function reads, asks the model with nothing held, and writes through services; twice at once
costs a call and changes nothing else.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from cluster.core import forging
from cluster.core.forging import Failure
from cluster.core.perform import looks
from cluster.core.phases import evaluate
from cluster.core.ports import Evolver, Weakness, WorkspaceMind
from cluster.core.steps import ModelAnswer
from cluster.models import CalibrationCase
from cluster.selectors.judging import cases_to_grade
from cluster.services import evolution
from cluster.services.calibration import Graded, audit_write
from cluster.services.evolution import Success
from loomsite.access.bridge import db

logger = logging.getLogger(__name__)

CASES_AT_ONCE = 100
LINES_AT_ONCE = 4
ALIKE = 0.6
"""Cosine from which two goals are the same kind of work."""
Embed = Callable[[Sequence[str]], list[list[float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What came of an audit: its id, or None when there is nothing to grade."""

    audit_id: str | None
    graded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """What a look at everything that grows came to."""

    races: int = 0
    pruned: int = 0
    evolved: tuple[str, ...] = ()
    crystallized: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectiveEvolver:
    """`Evolver` that shows a model the failures and the judge's comments, and asks for better."""

    mind: WorkspaceMind

    async def propose(self, due: Weakness) -> ModelAnswer:
        return await self.mind.ask(
            due.workspace_id,
            purpose="evolve",
            system=forging.EVOLVE_SYSTEM,
            user=forging.evolve_question(due.spec, due.failures, why=due.why),
            schema=forging.evolve_schema(),
        )


async def evolve(*, evolver: Evolver) -> list[str]:
    """Let lines that are too weak, or unchanged for long, have a challenger; return their ids."""
    made: list[str] = []
    for due in await db(evolution.lines_due, now=timezone.now(), most=LINES_AT_ONCE):
        reply = await evolver.propose(due)
        if reply.value is None:
            logger.info("blueprint %s does not evolve: %s", due.blueprint_id, reply.why)
            continue
        child = await db(evolution.evolved_keep, due=due, value=reply.value, by=reply.model)
        made += [child] if child else []
    return made


async def crystallize(workspace_id: str, *, mind: WorkspaceMind, embed: Embed) -> str | None:
    """Make a draft skill of work that went well several times; return its name, if there is one."""
    found = await db(evolution.successes_of, workspace_id=workspace_id)
    group = await asyncio.to_thread(_alike, found, embed)
    if len(group) < evolution.SUCCESSES_MIN:
        return None
    examples = [
        Failure(goal=s.goal, answer=s.answer, score=s.score, comment=s.comment) for s in group[:5]
    ]
    why = f"{len(group)} such tasks went well; say what made them go well"
    question = forging.skill_question(goal=group[0].goal, why=why, examples=examples)
    reply = await mind.ask(
        workspace_id,
        purpose="skill",
        system=forging.SKILL_SYSTEM,
        user=question,
        schema=forging.skill_schema(),
    )
    if forging.skill_problems(reply.value) or reply.value is None:
        logger.info("no skill crystallizes in %s: %s", workspace_id, reply.why or "unusable reply")
        return None
    return await db(
        evolution.skill_keep,
        workspace_id=workspace_id,
        value=reply.value,
        successes=group,
        model=reply.model,
    )


def _alike(found: Sequence[Success], embed: Embed) -> list[Success]:
    """Return the largest group of successes of one domain whose goals are alike, best first."""
    if len(found) < evolution.SUCCESSES_MIN:
        return []
    vectors = embed([success.goal for success in found])
    best: list[Success] = []
    for i, seed in enumerate(found):
        group = [
            other
            for j, other in enumerate(found)
            if other.domain == seed.domain
            and sum(a * b for a, b in zip(vectors[i], vectors[j], strict=True)) >= ALIKE
        ]
        best = group if len(group) > len(best) else best
    return best


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
