"""ADAPT in the database: one update of capability per task, cycle, node and evaluation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from cluster.core import factors, lifecycle, market, skill
from cluster.core.checks import CheckResult, step_of
from cluster.core.market import Book, Learned, Work
from cluster.core.policy import growth_policy
from cluster.core.posterior import Gaussian
from cluster.core.rewards import rest_of
from cluster.core.steps import Settle
from cluster.core.types import Adapted, Sensed, Verdict
from cluster.models import AgentNode, MarketEntry, Task
from cluster.selectors.books import OpenBook
from cluster.selectors.step_checks import steps_settled
from cluster.services.books import (
    Forecast,
    book_keep,
    family_evidence_set,
    market_open,
    node_evidence,
    node_evidence_set,
)
from cluster.services.lives import CIRCUIT_FIELDS, node_answered, node_erred, node_scored
from cluster.services.rewards import reward_write
from cluster.services.standings import Held, Line, standing_lock, standing_write

STEP_FIRST = 10_000
"""Evaluation number of the first declared check of a step: far behind all that people say."""


def verdict_settle(
    *, task: Task, step: Settle, sensed: Sensed, predicted: float | None, now: datetime
) -> Adapted:
    """Write the reward of a locked task's cycle, and let the market learn from it, once."""
    reward_write(task=task, verdict=step.verdict, node_id=step.node_id, evaluation=0)
    if step.node_id is None:
        return Adapted(settled=0, reason=step.reason)
    if step.hard_error:
        return _hard_error(task, step, sensed, now)
    assert step.verdict.score is not None  # adapt.step names a node only with a score
    terms = score_settle(
        task=task,
        node_id=step.node_id,
        score=step.verdict.score,
        sensed=sensed,
        evaluation=0,
        predicted=predicted,
        now=now,
        fresh=_news(task, step.verdict, step.node_id),
    )
    return Adapted(settled=1, reason="capability updated", terms=terms)


def _news(task: Task, verdict: Verdict, node_id: str) -> tuple[float, float] | None:
    """Return what of a verdict was not learned from yet, and its share; None for all of it."""
    if not any(map(step_of, task.checks)):
        return None
    settled = steps_settled(task_id=task.id, cycle=task.cycle, node_id=node_id)
    if not settled:
        return None
    assert verdict.score is not None
    shares = {number: found.share for number, found in settled.items()}
    return rest_of(verdict.components, verdict.score, shares)


def score_settle(
    *,
    task: Task,
    node_id: str,
    score: float,
    sensed: Sensed,
    evaluation: int,
    predicted: float | None,
    now: datetime,
    fresh: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Update the posterior by one score.

    Locks are taken in the order family, node, node in domain, the workspace's market, forecasts.
    Where a part of the score was learned from as its steps finished, `fresh` is the rest, and its
    share.

    Raises:
        IntegrityError: This evaluation of this cycle was settled before.
    """
    known = _learned(task, node_id, sensed, *(fresh or (score, 1.0)))
    held, family, node = known.held, known.held.family, known.held.node
    if evaluation == 0:  # a later word says nothing about who can be reached now
        family.hard_errors, family.retry_at = 0, None
        node_answered(node=node)
    policy = growth_policy(known.opened.settings)
    event = node_scored(node=node, task=task, score=score, policy=policy, now=now)
    terms = {**known.terms, "score": score, "life": event}
    terms |= {"domain": known.main, "predicted": predicted}
    if fresh is not None:
        terms |= {"fresh": fresh[0], "share": fresh[1]}
    line = Line(
        task=task, evaluation=evaluation, kind="score", score=score,
        complexity=sensed.complexity, weights=known.work.weights, terms=terms,
    )  # fmt: skip
    standing_write(held, line, belief=known.belief, now=now)
    forecast = None
    if predicted is not None and held.domain_id is not None:
        forecast = Forecast(domain_id=held.domain_id, predicted=predicted)
    book_keep(
        workspace_id=str(task.workspace_id),
        work=known.work,
        score=score,
        before=known.learned.settled.before,
        forecast=forecast,
    )
    return terms


def node_reached(*, node_id: str) -> None:
    """Close the circuits of a node that answered, and of its line, though nobody scored it.

    Errors on either side of an answer are not errors in a row.
    """
    waits = Q(hard_errors__gt=0) | Q(family__hard_errors__gt=0)
    if not AgentNode.objects.filter(waits, id=node_id).exists():
        return
    held = standing_lock(node_id=node_id, main=None)
    node_answered(node=held.node)
    held.node.save(update_fields=[*CIRCUIT_FIELDS])
    held.family.hard_errors, held.family.retry_at = 0, None
    held.family.save(update_fields=[*CIRCUIT_FIELDS])


def step_settle(
    *, task: Task, node_id: str, number: int, result: CheckResult, share: float, sensed: Sensed,
    now: datetime,
) -> None:  # fmt: skip
    """Update the posterior by a declared check of a step that has finished; once per number.

    Whether the node stays, how forecasts come true and how far scores are believed is decided on
    whole tasks, at their end.

    Raises:
        IntegrityError: It was settled before.
    """
    known = _learned(task, node_id, sensed, result.score, share)
    told = {"check": number, "kind": result.kind, "step": result.step, "detail": result.detail}
    line = Line(
        task=task, evaluation=STEP_FIRST + number, kind="step", score=result.score,
        complexity=sensed.complexity, weights=known.work.weights,
        terms={**known.terms, **told, "score": result.score, "share": share},
    )  # fmt: skip
    standing_write(known.held, line, belief=None, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Locked rows with what they say since a result, not yet written, and the terms of it.

    Attributes:
        main: Slug of the work's main domain; None where there is none (any more).
        belief: What is believed of the node now in it.
    """

    opened: OpenBook
    held: Held
    main: str | None
    work: Work
    learned: Learned
    belief: Gaussian
    terms: dict[str, Any]


def _learned(task: Task, node_id: str, sensed: Sensed, score: float, share: float) -> _Known:
    """Lock a node and its family, and put into their rows what a score says of them."""
    opened = market_open(workspace_id=str(task.workspace_id))
    book, at = opened.book, opened.book.space
    work = _work(sensed, book)
    main = max(work.weights, key=lambda d: (work.weights[d], d)) if work.weights else None
    held = standing_lock(node_id=node_id, main=main)
    family, node = held.family, held.node
    standing = skill.Standing(
        node=node_evidence(node), family=skill.family_from_row(family.evidence)
    )
    learned = market.learn(book, standing, work, score, share=share)
    settled = learned.settled
    family.rev += 1
    family_evidence_set(family, settled.family, at)
    node_evidence_set(node, settled.node, at)
    field = skill.Field(at, node_count=1, family_of=[0])
    field.put_nodes(0, [settled.node])
    field.put_families(0, [settled.family])
    asked = factors.features(at, {main: 1.0} if main else {}, 0.5)
    (node.m, node.v), belief = field.predict(at.level)[0], field.predict(asked)[0]
    return _Known(
        opened=opened,
        held=held,
        main=None if held.domain_id is None else main,
        work=work,
        learned=learned,
        belief=belief,
        terms={
            "expected": learned.expected,
            "p": settled.p,
            "surprise": learned.surprise,
            "before": list(settled.before),
            "after": list(settled.after),
            "features": learned.observation.features.tolist(),
            "likelihood": list(learned.observation.likelihood),
            "tau": settled.tau,
            "nu": settled.nu,
            "jumped": settled.jumped,
        },
    )


def _work(sensed: Sensed, book: Book) -> Work:
    places = book.space.loadings
    # Without a model the label is the embedding's own: it says nothing about labels.
    named = sensed.source == "model" and sensed.domain in places
    return Work(
        weights=_known_weights(sensed.weights, book),
        x=sensed.complexity,
        similarities={d: c for d, c in sensed.similarities.items() if d in places},
        label=sensed.domain if named else None,
    )


def _known_weights(weights: Mapping[str, float], book: Book) -> dict[str, float]:
    """Leave out domains that were deleted since; the rest share their weight."""
    known = {slug: w for slug, w in weights.items() if slug in book.space.loadings}
    total = math.fsum(known.values())
    return {slug: w / total for slug, w in sorted(known.items())} if total else {}


def _hard_error(task: Task, step: Settle, sensed: Sensed, now: datetime) -> Adapted:
    """Count a hard error towards the node's circuit; skill is not touched."""
    assert step.node_id is not None  # by the caller
    held = standing_lock(node_id=step.node_id, main=None)
    family, node = held.family, held.node
    circuit = node_erred(node=node, reason=step.reason, now=now)
    node.save(update_fields=[*CIRCUIT_FIELDS])
    # Outages belong to providers: a second error in a row in a family rests all of it.
    shared = lifecycle.hard_error(
        lifecycle.Circuit(hard_errors=family.hard_errors, retry_at=family.retry_at), now=now
    )
    family.hard_errors, family.retry_at = shared.hard_errors, shared.retry_at
    family.rev += 1
    family.save(update_fields=["rev", "hard_errors", "retry_at"])
    MarketEntry.objects.create(
        family=family,
        rev=family.rev,
        task=task,
        cycle=task.cycle,
        node=node,
        kind="hard_error",
        complexity=sensed.complexity,
        weights=dict(sensed.weights),
        terms={"reason": step.reason, "hard_errors": circuit.hard_errors},
        at=now,
    )
    return Adapted(
        settled=1, reason=f"hard error ({step.reason}): availability noted, skill untouched"
    )
