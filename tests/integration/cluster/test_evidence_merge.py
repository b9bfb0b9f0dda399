"""What a merge does to evidence: it moves once, the ledger tells it, and undo takes it back."""

import numpy as np
import pytest
from django.db import transaction

from agents.models import Agent
from cluster.core import factors, skill
from cluster.core.posterior import Gaussian
from cluster.models import AgentNode, Family, LifecycleEvent, MarketEntry
from cluster.selectors.books import beliefs_of
from cluster.services import lifecycle
from cluster.services.books import book_load
from cluster.services.ledger import market_rebuilt
from cluster.services.population import node_create
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, submit, work

pytestmark = pytest.mark.django_db
WHY = {"reason": "one of them is enough", "actor": "ada"}


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


def rebuilt(workspace_id: str) -> dict[str, skill.Standing]:
    """Return the nodes of the line from its ledger alone."""
    at = book_load(workspace_id=workspace_id).space
    return market_rebuilt(family=Family.objects.get(slug="line"), at=at)


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
    told = rebuilt(workspace_id)
    for one in AgentNode.objects.filter(family=family):
        assert one.evidence == skill.node_row(told[str(one.pk)].node)
    assert family.evidence == skill.family_row(told[str(node("ada").pk)].family)


def test_undo_gives_back_what_was_given_and_keeps_what_was_learned_since(
    workspace_id: str,
) -> None:
    nodes(workspace_id, eve="line", ada="line", cy="line", bob="bobs")
    for slug, score, times in (("eve", 0.95, 6), ("ada", 0.3, 2), ("cy", 0.6, 1)):
        ask(workspace_id, slug, score, times)
    merge(workspace_id, "eve", "ada")
    given = node("ada").evidence
    ask(workspace_id, "ada", 0.2, times=2)
    ask(workspace_id, "cy", 0.7, times=1)
    with transaction.atomic():  # what the ledger says without the merge
        MarketEntry.objects.filter(kind="merge").delete()
        never = rebuilt(workspace_id)
        transaction.set_rollback(True)

    said = lifecycle.node_undo(workspace_id=workspace_id, node_id=str(node("eve").pk), **WHY)

    assert said == "merged"
    assert (node("eve").state, node("eve").merged_into_id) == ("active", None)
    assert LifecycleEvent.objects.filter(kind="undone").latest("id").detail["evidence"] is True
    assert node("ada").evidence != given
    for slug in ("eve", "ada", "cy"):
        assert node(slug).evidence == skill.node_row(never[str(node(slug).pk)].node)
    assert belief(workspace_id, "eve").m > belief(workspace_id, "ada").m
    ask(workspace_id, "eve", 0.9, times=1)  # and the ledger goes on
    told = rebuilt(workspace_id)
    for slug in ("eve", "ada", "cy"):
        assert node(slug).evidence == skill.node_row(told[str(node(slug).pk)].node)


def test_a_merge_that_is_undone_can_be_made_and_undone_again(workspace_id: str) -> None:
    nodes(workspace_id, eve="line", ada="line", bob="bobs")
    ask(workspace_id, "eve", 0.95, times=3)
    own = node("eve").evidence

    for _ in range(2):
        merge(workspace_id, "eve", "ada")
        assert not np.array(node("eve").evidence).any()
        lifecycle.node_undo(workspace_id=workspace_id, node_id=str(node("eve").pk), **WHY)
        assert node("eve").evidence == own

    kinds = MarketEntry.objects.filter(family__slug="line").exclude(kind="score")
    assert [row.kind for row in kinds.order_by("rev")] == ["merge", "undo"] * 2


def test_where_the_ledger_does_not_tell_all_undo_leaves_what_was_given(workspace_id: str) -> None:
    nodes(workspace_id, eve="line", ada="line", bob="bobs")
    ask(workspace_id, "eve", 0.95, times=6)
    merge(workspace_id, "eve", "ada")
    given = node("ada").evidence
    MarketEntry.objects.filter(kind="score").earliest("rev").delete()  # as when a task is erased

    lifecycle.node_undo(workspace_id=workspace_id, node_id=str(node("eve").pk), **WHY)

    assert LifecycleEvent.objects.filter(kind="undone").latest("id").detail["evidence"] is False
    assert node("eve").state == "active"
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
