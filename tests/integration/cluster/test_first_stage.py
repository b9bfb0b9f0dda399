"""The first stage in the database says what the pure rules say."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import numpy as np
import pytest

from agents.models import Agent
from cluster.core import auction, evaluator, factors, lifecycle
from cluster.core.auction import BidTerms, Requirement, Seed
from cluster.core.factors import SIZE
from cluster.core.lifecycle import Circuit, NodeLife
from cluster.core.market import Work
from cluster.core.skill import FamilyEvidence, NodeEvidence
from cluster.models import AgentNode, Family
from cluster.selectors.books import population_field
from cluster.services import books
from cluster.services.books import book_load, family_evidence_set, node_evidence_set
from cluster.services.first_stage import shortlist_read
from cluster.services.population import domains_ensure
from cluster.services.second_stage import entrants_read

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 1, 1, tzinfo=UTC)
PROBE_GAP = timedelta(seconds=lifecycle.PROBE_GAP_S)
SEED = Seed(task_id="00000000-0000-4000-8000-000000000009", cycle=2)
WORK = Work(weights={"code": 0.7, "writing": 0.3}, x=0.6)


def populate(workspace_id: str, count: int) -> list[AgentNode]:
    """Make nodes of every kind: known and unknown, dear, busy, resting, without tools."""
    domains_ensure(workspace_id=workspace_id)
    at = book_load(workspace_id=workspace_id).space
    rng = Random(7)

    def evidence(scale: float) -> tuple[list[list[float]], list[float]]:
        f = [rng.gauss(0, 1) for _ in range(SIZE)]
        return [[scale * x * y for y in f] for x in f], [scale * rng.gauss(0, 2) for _ in f]

    families = [
        Family(workspace_id=workspace_id, slug=f"f{i:03}", hard_errors=2 * (i % 9 == 0))
        for i in range(max(count // 25, 4))
    ]
    for family in families:
        precision, shift = evidence(rng.uniform(0, 2))
        family_evidence_set(
            family, FamilyEvidence(precision=np.array(precision), shift=np.array(shift)), at
        )
        if family.hard_errors:
            family.retry_at = NOW + timedelta(seconds=rng.choice([-5, 5]))
    Family.objects.bulk_create(families)
    agents = [
        Agent(
            workspace_id=workspace_id, slug=f"a{i:04}", name=f"a{i}",
            tools=["fetch", "shell"] if i % 3 else ["fetch"], enabled=i % 11 != 0,
        )
        for i in range(count)
    ]  # fmt: skip
    Agent.objects.bulk_create(agents)
    nodes = []
    for i, agent in enumerate(agents):
        node = AgentNode(
            workspace_id=workspace_id, agent=agent, family=families[i % len(families)],
            slots=2, busy=i % 4, task_count=i % 5, cost_usd=Decimal(i % 7) / 10, seconds=i % 13,
            state="quarantined" if i % 8 == 5 else "retired" if i % 17 == 3 else "active",
            probed_at=NOW - timedelta(seconds=rng.choice([5, 500])) if i % 2 else None,
        )  # fmt: skip
        if i % 6 == 1:
            node.hard_errors, node.retry_at = 3, NOW + timedelta(seconds=rng.choice([-9, 9]))
        precision, shift = evidence(rng.uniform(0, 1))
        node_evidence_set(
            node,
            NodeEvidence(
                precision=np.array(precision), shift=np.array(shift), declared=np.zeros(SIZE)
            ),
            at,
        )
        nodes.append(node)
    AgentNode.objects.bulk_create(nodes)
    return list(
        AgentNode.objects.filter(workspace_id=workspace_id, agent__enabled=True)
        .exclude(state="retired")
        .select_related("agent", "family")
        .order_by("id")
    )


def waits(node: AgentNode) -> float:
    if node.busy < node.slots:
        return 0.0
    usual_s = node.seconds / node.task_count if node.task_count else 1.0
    return usual_s * (node.busy - node.slots + 1) / node.slots


def by_the_pure_rules(
    workspace_id: str, nodes: list[AgentNode], requirement: Requirement
) -> tuple[set[str], dict[str, int], int, Decimal]:
    book = book_load(workspace_id=workspace_id)
    lo, hi = evaluator.scale(book.channel)
    terms = BidTerms(lo=lo, hi=hi)
    asked = factors.features(book.space, WORK.weights, WORK.x)
    skills = population_field(book.space, nodes).predict(asked)
    means = {n.pk: n.cost_usd / n.task_count for n in nodes if n.task_count}
    usual = sorted(means.values())[(len(means) - 1) // 2]
    candidates = [
        auction.Candidate(
            node_id=str(n.pk), family_id=str(n.family_id), skill=skill,
            price=float(means[n.pk] / usual) if n.pk in means and usual else 1.0,
            expected_cost_usd=means.get(n.pk),
            wait_s=waits(n),
            busy=n.busy, slots=n.slots, life=NodeLife(n.state), tools=frozenset(n.agent.tools),
            circuits=(
                Circuit(hard_errors=n.hard_errors, retry_at=n.retry_at),
                Circuit(hard_errors=n.family.hard_errors, retry_at=n.family.retry_at),
            ),
            probe_due=n.state == "quarantined"
                and (n.probed_at is None or NOW - n.probed_at >= PROBE_GAP),
        )
        for n, skill in zip(nodes, skills, strict=True)
    ]  # fmt: skip
    passed, barred = auction.eligible(candidates, requirement, now=NOW)
    resting = [c for c in passed if c.probe_due and requirement.only is None]
    active = [c for c in passed if c not in resting]
    listed = auction.shortlist(active, WORK.x, terms, SEED)
    chosen = {c.node_id for c in listed} | {c.node_id for c in resting}
    return chosen, barred, len(active) - len(listed), usual


@pytest.mark.parametrize("count", [3, 60, 400])
@pytest.mark.parametrize("case", ["free", "tools", "budget", "excluded", "only"])
def test_sql_and_the_pure_rules_let_the_same_nodes_through(
    workspace_id: str, count: int, case: str
) -> None:
    nodes = populate(workspace_id, count)
    some = frozenset(str(n.pk) for n in nodes[: count // 3])
    requirement = {
        "free": Requirement(x=WORK.x),
        "tools": Requirement(x=WORK.x, tools=frozenset({"shell"})),
        "budget": Requirement(x=WORK.x, budget_usd=Decimal("0.2")),
        "excluded": Requirement(x=WORK.x, excluded=some),
        "only": Requirement(x=WORK.x, only=some),
    }[case]

    found = shortlist_read(
        workspace_id=workspace_id, book=book_load(workspace_id=workspace_id), work=WORK,
        requirement=requirement, terms=BidTerms(), seed=SEED, now=NOW,
    )  # fmt: skip

    chosen, barred, left_out, usual = by_the_pure_rules(workspace_id, nodes, requirement)
    assert set(found.node_ids) == chosen
    assert len(found.node_ids) == len(chosen)
    assert dict(found.before.excluded) == barred
    assert found.before.left_out == left_out
    assert found.usual_cost == usual


def test_what_is_read_of_those_who_bid_is_what_is_believed_of_them(workspace_id: str) -> None:
    nodes = populate(workspace_id, 12)
    AgentNode.objects.filter(pk=nodes[0].pk).update(evidence=[], declared=[])
    AgentNode.objects.filter(pk=nodes[1].pk).update(declared=[0.1 * n for n in range(SIZE)])
    nodes = [AgentNode.objects.select_related("agent", "family").get(pk=n.pk) for n in nodes]
    at = book_load(workspace_id=workspace_id).space
    asked = factors.features(at, WORK.weights, WORK.x)

    entrants, field = entrants_read(
        node_ids=[str(n.pk) for n in reversed(nodes)], usual_cost=Decimal("0.1"), at=at, now=NOW
    )

    assert field.predict(asked) == population_field(at, nodes).predict(asked)
    assert [
        (e.candidate.node_id, e.agent_id, e.agent, e.candidate.tools, e.candidate.wait_s)
        for e in entrants
    ] == [
        (str(n.pk), str(n.agent_id), n.agent.slug, frozenset(n.agent.tools), waits(n))
        for n in nodes
    ]


def test_a_workspace_sees_its_own_nodes_only(workspace_id: str) -> None:
    populate(workspace_id, 5)

    found = shortlist_read(
        workspace_id="00000000-0000-4000-8000-00000000dead",
        book=books.book_load(workspace_id=workspace_id), work=WORK,
        requirement=Requirement(x=0.5), terms=BidTerms(), seed=SEED, now=NOW,
    )  # fmt: skip

    assert found.node_ids == ()
