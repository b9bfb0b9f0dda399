"""The market's two moves: hold an auction, learn from a score.

The shells keep the rows and call these two; the simulator's adapter calls them too, so that what is
measured is what runs.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from cluster.core import auction, evaluator, factors, sensing, skill
from cluster.core.auction import AuctionResult, BidTerms, Candidate, FirstStage, Requirement, Seed
from cluster.core.evaluator import CHANNEL_START, Channel
from cluster.core.factors import Space
from cluster.core.posterior import Gaussian, checked_score, invalid
from cluster.core.sensing import Trust
from cluster.core.skill import NodeEvidence, Observation, SkillSettlement, Standing

SUM_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What a workspace's market knows beside its nodes: factors, its evaluators, its SENSE."""

    space: Space
    channel: Channel = CHANNEL_START
    trust: Trust = field(default_factory=Trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A piece of work as SENSE saw it.

    Attributes:
        weights: How much of each domain it is; sums to 1, or is empty.
        x: Complexity, in [0, 1].
        similarities: Cosine to each domain's centroid.
        label: The domain that was named, or None.
    """

    weights: Mapping[str, float]
    x: float
    similarities: Mapping[str, float] = field(default_factory=dict[str, float])
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What one score changed, and the line of the ledger that repeats it.

    Attributes:
        expected: The score that was expected.
        surprise: Score minus expectation, on the scale from a bad answer's usual score to a good's.
    """

    book: Book
    settled: SkillSettlement
    observation: Observation
    expected: float
    surprise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of a family's ledger; `rev` comes from the family row, under its lock.

    Attributes:
        kind: `score`; `merge`, where `source_id` gave all its evidence to `node_id`; or `undo`: the
            merge with the number `undoes` has never been.
    """

    rev: int
    node_id: str
    kind: Literal["score", "merge", "undo"] = "score"
    features: tuple[float, ...] = ()
    likelihood: tuple[float, ...] = (1.0,)
    source_id: str = ""
    undoes: int = 0


def choose(
    book: Book,
    population: skill.Field,
    candidates: Mapping[int, Candidate],
    *,
    work: Work,
    requirement: Requirement,
    seed: Seed,
    now: datetime,
    terms: BidTerms,
    before: FirstStage | None = None,
) -> AuctionResult:
    """Hold the auction of a piece of work.

    Args:
        book: The workspace's.
        population: The beliefs about everybody.
        candidates: Who might bid, by place in `population`; their `skill` is filled in here.
        work: What is to be done.
        requirement: The hard filters.
        seed: Names the auction; the same rows and seed give the same winner.
        now: Circuits and probes go by it.
        terms: The workspace's exchange rates; the score scale is filled in here.
        before: What a first stage elsewhere has left out.
    """
    skills = population.predict(factors.features(book.space, work.weights, work.x))
    lo, hi = evaluator.scale(book.channel)
    return auction.hold(
        [replace(one, skill=skills[place]) for place, one in candidates.items()],
        requirement,
        seed=seed,
        now=now,
        terms=replace(terms, lo=lo, hi=hi),
        before=before,
    )


def learn(
    book: Book, standing: Standing, work: Work, score: float, *, share: float = 1.0
) -> Learned:
    """Learn from one evaluated score; hard errors never come here.

    Args:
        book: As read for this settlement; the evaluators' part may lag behind by results in flight.
        standing: The rows as they are under their locks, not as they were when the bid was made.
        work: What was done.
        score: In [0, 1].
        share: How much of the whole evaluation it is; what it says is tempered by it, so that one
            judged in parts counts as one.

    Raises:
        ScoreInvalid: A number is missing, not finite, or out of its range.
    """
    checked_work(work)
    checked_score(share, field="share")
    seen = evaluator.read(book.channel, checked_score(score))
    observation = Observation(
        features=factors.features(book.space, work.weights, work.x),
        likelihood=tuple(one**share for one in seen),
    )
    settled = skill.settle(book.space, standing, observation)
    lo, hi = evaluator.scale(book.channel)
    expected = lo + (hi - lo) * settled.p
    return Learned(
        book=book_learned(book, work, score, settled.before),
        settled=settled,
        observation=observation,
        expected=expected,
        surprise=(score - expected) / (hi - lo),
    )


def book_learned(book: Book, work: Work, score: float, before: Gaussian) -> Book:
    """Return the workspace's part after a score of work whose skill was believed `before`."""
    return replace(
        book,
        channel=evaluator.learn(book.channel, score, before),
        trust=sensing.learn(book.trust, work.similarities, work.label, work.weights),
    )


def rebuild(
    at: Space, entries: Iterable[LedgerEntry], *, declared: Mapping[str, tuple[float, ...]]
) -> dict[str, Standing]:
    """Return the standing of every node of one family, from its ledger alone.

    Args:
        at: The workspace's factors.
        entries: All of one family's entries that moved skill, in any order.
        declared: By node id, the head start; its keys are the nodes of the family.

    Raises:
        ScoreInvalid: Two entries carry the same `rev`.
    """
    ordered = sorted(entries, key=lambda entry: entry.rev)
    for earlier, later in pairwise(ordered):
        if earlier.rev == later.rev:
            raise invalid("rev", later.rev, "a number of its own for each entry")
    nodes: dict[str, NodeEvidence] = {
        node_id: skill.node_from_row((), start) for node_id, start in sorted(declared.items())
    }
    family = skill.family_start()
    never = {entry.undoes for entry in ordered if entry.kind == "undo"}
    for entry in ordered:
        if entry.kind == "undo" or entry.rev in never:
            continue
        node = nodes[entry.node_id]
        if entry.kind == "merge":
            node, emptied, family = skill.absorb(
                at, into=node, source=nodes[entry.source_id], family=family
            )
            nodes[entry.source_id] = emptied
        else:
            seen = Observation(features=np.array(entry.features), likelihood=entry.likelihood)
            settled = skill.settle(at, Standing(node=node, family=family), seen)
            node, family = settled.node, settled.family
        nodes[entry.node_id] = node
    return {node_id: Standing(node=node, family=family) for node_id, node in nodes.items()}


def checked_work(work: Work) -> None:
    """Raise `ScoreInvalid` where a piece of work has numbers that nothing can be learned from."""
    checked_score(work.x, field="x")
    for domain, w in work.weights.items():
        checked_score(w, field=f"weight of {domain!r}")
    total = math.fsum(work.weights.values())
    if work.weights and not math.isclose(total, 1.0, abs_tol=SUM_TOLERANCE):
        raise invalid("weights", dict(work.weights), "numbers that sum to 1")
