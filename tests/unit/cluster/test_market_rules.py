"""The rules over a few hundred tasks: liars lose, falls are seen, newcomers are tried."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pytest

from cluster.core import auction, factors, market, skill

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORK = {"law": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A node of the play: what it delivers, since when, and what from task 100 on (`later`)."""

    quality: float
    family: str
    declared: bool = False
    since: int = 0
    later: float | None = None


def outcome(quality: float, rng: Random) -> float:
    """Return the score of an answer that is good as often as the quality says."""
    return (0.9 if rng.random() < quality else 0.1) + rng.gauss(0, 0.05)


def grade(quality: float, rng: Random) -> float:
    """Return a score that is the quality itself, with noise."""
    return quality + rng.gauss(0, 0.08)


SCORES = pytest.mark.parametrize("told", [outcome, grade])


def play(
    members: Sequence[Member], tasks: int, seed: int, told: Callable[[float, Random], float]
) -> list[int]:
    """Return who won each task; `told` draws the score of a quality."""
    rng = Random(seed)
    at = factors.space({"law": [1.0, 0.0], "art": [0.0, 1.0]})
    book = market.Book(space=at)
    names = sorted({m.family for m in members})
    nodes = [skill.node_start(at, declared=["law"] if m.declared else []) for m in members]
    families = [skill.family_start() for _ in names]
    family_of = [names.index(m.family) for m in members]
    field = skill.Field(at, node_count=len(members), family_of=family_of)
    field.put_nodes(0, nodes)
    field.put_families(0, families)
    winners: list[int] = []
    for task in range(tasks):
        work = market.Work(weights=WORK, x=rng.random(), similarities={"law": 0.9}, label="law")
        result = market.choose(
            book,
            field,
            {
                i: auction.Candidate(node_id=str(i), family_id=m.family)
                for i, m in enumerate(members)
                if task >= m.since
            },
            work=work,
            requirement=auction.Requirement(x=work.x),
            seed=auction.Seed(task_id=f"{seed}-{task}", cycle=1),
            now=NOW,
            terms=auction.BidTerms(),
        )
        assert result.winner is not None
        i = int(result.winner.node_id)
        one, f = members[i], family_of[i]
        quality = one.quality if one.later is None or task < 100 else one.later
        score = min(max(told(quality, rng), 0.0), 1.0)
        standing = skill.Standing(node=nodes[i], family=families[f])
        found = market.learn(book, standing, work, score)
        book, nodes[i], families[f] = found.book, found.settled.node, found.settled.family
        field.put_nodes(i, [nodes[i]])
        field.put_families(f, [families[f]])
        winners.append(i)
    return winners


@SCORES
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_liar_hardly_wins_after_sixty_tasks(seed, told):
    liar = Member(quality=0.2, family="a", declared=True)
    others = [Member(quality=q, family=f) for q, f in ((0.7, "b"), (0.75, "c"), (0.6, "d"))]

    winners = play([liar, *others], 160, seed, told)

    assert winners[60:].count(0) < 5


@SCORES
def test_a_newcomer_of_the_same_family_gets_its_first_task_within_sixty(told):
    old = [Member(quality=0.9, family="a"), Member(quality=0.5, family="b")]
    newcomer = Member(quality=0.95, family="a", since=80)

    assert all(2 in play([*old, newcomer], 140, seed, told)[80:] for seed in range(4))


@SCORES
def test_a_newcomer_of_another_family_gets_its_first_task_within_120(told):
    members = [Member(quality=0.9, family="a"), Member(quality=0.95, family="b", since=80)]

    assert all(1 in play(members, 200, seed, told)[80:] for seed in range(4))


@pytest.mark.parametrize("seed", range(3))
def test_a_leader_that_falls_loses_its_place(seed):
    leader = Member(quality=0.9, family="a", later=0.2)
    others = [Member(quality=0.6, family="b"), Member(quality=0.55, family="c")]

    winners = play([leader, *others], 220, seed, outcome)

    assert winners[60:100].count(0) > 20
    assert winners[-20:].count(0) <= 5
