"""What a merge does to evidence: it moves once, the ledger tells it, and undo leaves it there."""

from typing import Any

import numpy as np
import pytest

from agents.models import Agent
from cluster.core import factors, market, skill
from cluster.core.market import LedgerEntry
from cluster.core.posterior import Gaussian
from cluster.models import AgentNode, Family, LifecycleEvent, MarketEntry
from cluster.selectors.books import beliefs_of
from cluster.services import lifecycle
from cluster.services.books import book_load
from cluster.services.population import node_create
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, submit, work

pytestmark = pytest.mark.django_db
WHY = {"reason": "one of them is enough", "actor": "ada"}


@pytest.fixture
def workspace_id() -> str:
    return make_tenant().workspace_id


def nodes(workspace_id: str, **families: str) -> None:
    for slug, family in families.items():
        agent = Agent.objects.get(id=make_agent(workspace_id, slug=slug, domains=["general"]))
        node_create(agent=agent, family=family, reason="test")


def node(slug: str) -> AgentNode:
    return AgentNode.objects.get(agent__slug=slug)


def ask(workspace_id: str, slug: str, score: float, times: int) -> None:
    for _ in range(times):
        submit(workspace_id, agent=slug, max_cycles=1)
    work(FakeWorld(replies={"judge": {"score": score, "comment": ""}}))


def merge(workspace_id: str, slug: str, into: str) -> None:
    lifecycle.node_merge(
        workspace_id=workspace_id, node_id=str(node(slug).pk), into_id=str(node(into).pk), **WHY
    )


def belief(workspace_id: str, slug: str) -> Gaussian:
    rows = AgentNode.objects.filter(agent__slug=slug)
    return beliefs_of(workspace_id=workspace_id, nodes=rows, domain="general")[0][1]


def rebuilt(workspace_id: str, family: Family) -> dict[str, skill.Standing]:
    """Return the nodes of a family from its ledger's lines alone."""

    def entry(row: MarketEntry) -> LedgerEntry:
        if row.kind == "merge":
            source: dict[str, Any] = {"source_id": row.terms["source"]}
            return LedgerEntry(rev=row.rev, node_id=str(row.node_id), kind="merge", **source)
        seen = row.terms
        return LedgerEntry(
            rev=row.rev, node_id=str(row.node_id), features=tuple(seen["features"]),
            good=seen["good"], bad=seen["bad"],
        )  # fmt: skip

    return market.rebuild(
        book_load(workspace_id=workspace_id).space,
        [entry(row) for row in MarketEntry.objects.filter(family=family)],
        declared={str(n.pk): tuple(n.declared) for n in AgentNode.objects.filter(family=family)},
    )


def test_all_that_was_seen_of_one_is_known_of_the_other_and_the_ledger_tells_it(
    workspace_id: str,
) -> None:
    nodes(workspace_id, eve="line", ada="line", bob="bobs")
    ask(workspace_id, "eve", 0.95, times=5)
    ask(workspace_id, "ada", 0.9, times=2)
    before, seen = belief(workspace_id, "ada"), node("eve").evidence

    merge(workspace_id, "eve", "ada")
    ask(workspace_id, "ada", 0.9, times=1)

    after, family = belief(workspace_id, "ada"), Family.objects.get(slug="line")
    assert any(seen)
    assert after.m > before.m
    assert after.v < before.v
    assert family.rev == 9
    assert [row.kind for row in MarketEntry.objects.filter(family=family).order_by("rev")] == [
        *["score"] * 7, "merge", "score",
    ]  # fmt: skip
    told = rebuilt(workspace_id, family)
    for one in AgentNode.objects.filter(family=family):
        assert one.evidence == skill.node_row(told[str(one.pk)].node)
    assert family.evidence == skill.family_row(told[str(node("ada").pk)].family)


def test_nothing_counts_twice_and_undo_leaves_what_was_given(workspace_id: str) -> None:
    nodes(workspace_id, eve="line", ada="line", bob="bobs")
    ask(workspace_id, "eve", 0.95, times=6)
    merge(workspace_id, "eve", "ada")
    given = node("ada").evidence

    said = lifecycle.node_undo(workspace_id=workspace_id, node_id=str(node("eve").pk), **WHY)

    assert said == "merged"
    assert (node("eve").state, node("eve").merged_into_id) == ("active", None)
    assert not np.array(node("eve").evidence).any()
    assert node("ada").evidence == given
    at = book_load(workspace_id=workspace_id).space
    fresh = skill.Standing(
        node=skill.node_from_row((), node("eve").declared),
        family=skill.family_from_row(Family.objects.get(slug="line").evidence),
    )
    asked = factors.features(at, {"general": 1.0}, 0.5)
    assert belief(workspace_id, "eve") == pytest.approx(skill.predict(at, fresh, asked))


def test_of_another_family_only_record_and_facts_go_along(workspace_id: str) -> None:
    nodes(workspace_id, eve="line", ada="others", bob="bobs")
    ask(workspace_id, "eve", 0.95, times=3)
    kept, before = node("eve").evidence, node("ada").evidence

    merge(workspace_id, "eve", "ada")

    assert (node("eve").evidence, node("ada").evidence) == (kept, before)
    assert node("ada").scored_n == pytest.approx(3, abs=0.1)  # it fades
    assert not MarketEntry.objects.filter(kind="merge").exists()
    event = LifecycleEvent.objects.get(kind="merged")
    assert (event.detail["evidence"], event.detail["into"]) == (False, str(node("ada").pk))
