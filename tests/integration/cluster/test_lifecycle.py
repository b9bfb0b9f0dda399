"""Who stays in the market, in the database: what scores, errors and operators do to a node."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agents.models import MemoryEntry
from agents.services.memories import memory_remember
from cluster.core.errors import NodeUnknown, PopulationConflict, RequestInvalid
from cluster.core.steps import Settle
from cluster.models import AgentNode, Family, LifecycleEvent, Task
from cluster.services import lifecycle
from cluster.services.population import nodes_ensure
from cluster.services.tasks import task_feedback
from cluster.tasks import health_job
from loomsite.access.models import Workspace
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, before, failed, go, submit, take, work

pytestmark = pytest.mark.django_db
WHY = {"reason": "it invents figures", "actor": "ada"}


def nodes(workspace_id: str, *slugs: str) -> list[AgentNode]:
    """Return the nodes of new agents of these names."""
    for slug in slugs:
        make_agent(workspace_id, slug=slug)
    nodes_ensure(workspace_id=workspace_id)
    return [node(slug) for slug in slugs]


def node(slug: str) -> AgentNode:
    return AgentNode.objects.get(agent__slug=slug)


def history(slug: str) -> list[str]:
    rows = LifecycleEvent.objects.filter(node__agent__slug=slug).order_by("id")
    return [row.kind for row in rows]


def judged(score: float) -> FakeWorld:
    return FakeWorld(replies={"judge": {"score": score, "comment": "as told"}})


def ask(workspace_id: str, slug: str, score: float, times: int = 1) -> list[str]:
    """Let an agent do so many tasks that are judged alike; return their ids."""
    made = [submit(workspace_id, agent=slug, max_cycles=1) for _ in range(times)]
    work(judged(score))
    return made


# ---------------------------------------------------------------- by evidence


def test_a_node_that_scores_low_is_quarantined_and_the_event_says_on_what(
    workspace_id: str,
) -> None:
    nodes(workspace_id, "ada", "bob", "eve")

    ask(workspace_id, "eve", 0.05, times=9)

    event = LifecycleEvent.objects.get(node__agent__slug="eve", kind="quarantined")
    assert node("eve").state == "quarantined"
    assert node("eve").quarantined_at is not None
    assert "below the floor 0.35" in event.reason
    assert event.detail["mean"] == 0.05
    assert history("ada") == ["born"]


def test_the_last_nodes_are_never_quarantined_however_they_score(workspace_id: str) -> None:
    nodes(workspace_id, "ada", "eve")

    ask(workspace_id, "eve", 0.05, times=12)

    assert node("eve").state == "active"
    assert history("eve") == ["born"]


def test_two_that_fall_at_once_do_not_both_go_when_only_one_may(workspace_id: str) -> None:
    Workspace.objects.filter(id=workspace_id).update(settings={"min_nodes": 1})
    nodes(workspace_id, "eve", "mallory")
    for slug in ("eve", "mallory"):
        AgentNode.objects.filter(agent__slug=slug).update(scored_n=20, scored_total=1.0)

    lifecycle.health_look()

    assert sorted(node(slug).state for slug in ("eve", "mallory")) == ["active", "quarantined"]


def test_fresh_probes_release_or_retire_and_late_words_about_old_work_do_not_count(
    workspace_id: str,
) -> None:
    nodes(workspace_id, "ada", "bob", "eve")
    old = ask(workspace_id, "eve", 0.05, times=9)
    assert node("eve").state == "quarantined"

    for task_id in old:
        task_feedback(workspace_id=workspace_id, task_id=task_id, score=0.0, actor="ada")
    assert (node("eve").state, node("eve").probe_n) == ("quarantined", 0)

    ask(workspace_id, "eve", 0.95, times=6)
    assert node("eve").state == "active"
    assert history("eve")[-2:] == ["quarantined", "released"]


def test_probes_that_fail_retire_the_node_which_can_be_undone(workspace_id: str) -> None:
    nodes(workspace_id, "ada", "bob", "eve")
    ask(workspace_id, "eve", 0.05, times=9)

    ask(workspace_id, "eve", 0.0, times=6)
    assert node("eve").state == "retired"

    undone = lifecycle.node_undo(workspace_id=workspace_id, node_id=str(node("eve").pk), **WHY)
    row = node("eve")
    assert (undone, row.state, row.scored_n, row.retired_at) == ("retired", "active", 0, None)
    assert history("eve") == ["born", "quarantined", "retired", "undone"]


def test_outages_open_the_circuit_with_a_reason_and_never_touch_the_place(
    workspace_id: str,
) -> None:
    nodes(workspace_id, "ada", "bob", "eve")
    outage = FakeWorld(run=lambda _v, _s: failed(stop="timed_out", error_code="agents.timed_out"))

    for _ in range(2):
        submit(workspace_id, agent="eve", max_cycles=1)
        work(outage)

    row = node("eve")
    assert (row.state, row.hard_errors, row.scored_n) == ("active", 2, 0)
    event = LifecycleEvent.objects.get(node=row, kind="circuit_opened")
    assert "2 hard errors in a row" in event.reason

    earlier = row.created_at - timedelta(hours=1)
    AgentNode.objects.filter(pk=row.pk).update(retry_at=earlier)
    Family.objects.filter(pk=row.family_id).update(retry_at=earlier)
    ask(workspace_id, "eve", 0.9)
    assert history("eve") == ["born", "circuit_opened", "circuit_closed"]
    assert node("eve").hard_errors == 0


def test_an_answer_that_nobody_scored_ends_a_row_of_errors_too(workspace_id: str) -> None:
    nodes(workspace_id, "ada", "bob", "eve")
    outage = FakeWorld(run=lambda _v, _s: failed(stop="timed_out", error_code="agents.timed_out"))

    for world in (outage, FakeWorld(), outage):
        submit(workspace_id, agent="eve", max_cycles=1)
        work(world)

    row = node("eve")
    assert (row.hard_errors, row.retry_at) == (1, None)
    family = Family.objects.get(pk=row.family_id)
    assert (family.hard_errors, family.retry_at) == (1, None)
    assert history("eve") == ["born"]


def test_a_persons_word_on_an_outage_touches_neither_skill_nor_circuit(workspace_id: str) -> None:
    nodes(workspace_id, "ada", "bob", "eve")
    (good,) = ask(workspace_id, "eve", 0.9)
    before = node("eve").evidence
    outage = FakeWorld(run=lambda _v, _s: failed(stop="timed_out", error_code="agents.timed_out"))
    lost = [submit(workspace_id, agent="eve", max_cycles=1) for _ in range(2)]
    work(outage)

    task_feedback(workspace_id=workspace_id, task_id=lost[0], score=0.0, actor="ada")
    row = node("eve")
    assert (row.hard_errors, row.scored_n, row.evidence) == (2, 1, before)

    task_feedback(workspace_id=workspace_id, task_id=good, score=0.8, actor="ada")
    row = node("eve")
    assert (row.hard_errors, row.scored_n, row.evidence == before) == (2, 1.98, False)


def test_a_busy_node_is_judged_when_it_is_done_by_the_look_at_its_health(
    workspace_id: str,
) -> None:
    nodes(workspace_id, "ada", "bob", "eve")
    busy = submit(workspace_id, agent="eve", max_cycles=1)
    (claim,) = take(limit=1)
    go(claim, judged(0.05), until=before(Settle))
    ask(workspace_id, "eve", 0.05, times=9)
    health_job()
    assert node("eve").state == "active"

    go(claim, judged(0.9))
    assert Task.objects.get(id=busy).status == "succeeded"
    AgentNode.objects.filter(agent__slug="eve").update(scored_n=9, scored_total=0.45)
    health_job()

    assert node("eve").state == "quarantined"


def test_a_node_that_waits_for_its_parts_is_not_judged(workspace_id: str) -> None:
    nodes(workspace_id, "ada", "bob", "eve")
    parent = submit(workspace_id, "Write about:\n1. cats\n2. dogs", max_cycles=1)
    (claim,) = take(limit=1)
    go(claim, judged(0.9))
    winner = AgentNode.objects.get(auctions_won__task=parent)
    AgentNode.objects.filter(pk=winner.pk).update(scored_n=20, scored_total=1.0)

    health_job()

    winner.refresh_from_db()
    assert (winner.state, winner.busy) == ("active", 0)
    with pytest.raises(PopulationConflict, match="waits for the parts"):
        lifecycle.node_retire(workspace_id=workspace_id, node_id=str(winner.pk), **WHY)


def test_nobody_is_touched_for_having_no_history(workspace_id: str) -> None:
    nodes(workspace_id, "ada", "bob", "eve")

    health_job()
    health_job()

    assert {row.state for row in AgentNode.objects.all()} == {"active"}
    assert LifecycleEvent.objects.exclude(kind="born").count() == 0


# ---------------------------------------------------------------- by operators


def test_an_operator_quarantines_releases_retires_and_takes_back_each_with_a_reason(
    workspace_id: str,
) -> None:
    _, _, eve = nodes(workspace_id, "ada", "bob", "eve")
    where = {"workspace_id": workspace_id, "node_id": str(eve.pk), **WHY}

    lifecycle.node_quarantine(**where)
    lifecycle.node_release(**where)
    lifecycle.node_retire(**where)
    assert node("eve").state == "retired"
    assert lifecycle.node_undo(**where) == "retired"

    assert history("eve") == ["born", "quarantined", "released", "retired", "undone"]
    said = LifecycleEvent.objects.filter(node=eve).exclude(kind="born")
    assert {(row.actor, row.reason) for row in said} == {("ada", "it invents figures")}
    assert node("eve").state == "active"


@pytest.mark.parametrize("act", ["node_quarantine", "node_retire"])
def test_too_few_may_not_be_left_by_operators_either(workspace_id: str, act: str) -> None:
    eve, _ = nodes(workspace_id, "eve", "ada")
    call: Callable[..., Any] = getattr(lifecycle, act)

    with pytest.raises(PopulationConflict, match="Only 2 nodes are active, and 2 have to stay"):
        call(workspace_id=workspace_id, node_id=str(eve.pk), **WHY)

    assert node("eve").state == "active"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2_001, None])
def test_without_a_reason_nothing_is_done(workspace_id: str, reason: Any) -> None:
    eve, *_ = nodes(workspace_id, "eve", "ada", "bob")

    with pytest.raises(RequestInvalid, match="Say why"):
        lifecycle.node_retire(
            workspace_id=workspace_id, node_id=str(eve.pk), reason=reason, actor="ada"
        )

    assert (node("eve").state, history("eve")) == ("active", ["born"])


def test_a_foreign_node_is_like_a_missing_one(workspace_id: str) -> None:
    eve, *_ = nodes(workspace_id, "eve", "ada", "bob")
    other = make_tenant().workspace_id

    for workspace, node_id in ((other, str(eve.pk)), (workspace_id, "no-id")):
        with pytest.raises(NodeUnknown):
            lifecycle.node_retire(workspace_id=workspace, node_id=node_id, **WHY)


def test_a_merge_hands_evidence_and_key_facts_to_the_heir_once(workspace_id: str) -> None:
    eve, ada, _ = nodes(workspace_id, "eve", "ada", "bob")
    where: dict[str, Any] = {"scope": "agent", "workspace_id": workspace_id}
    memory_remember(
        text="Invoices are due in May.", importance=0.9, scope_id=str(eve.agent_id), **where
    )
    memory_remember(
        text="The weather was nice.", importance=0.2, scope_id=str(eve.agent_id), **where
    )
    AgentNode.objects.filter(pk=eve.pk).update(scored_n=4, scored_total=3.0)

    lifecycle.node_merge(workspace_id=workspace_id, node_id=str(eve.pk), into_id=str(ada.pk), **WHY)
    health_job()
    health_job()

    own = MemoryEntry.objects.filter(scope="agent", scope_id=str(ada.agent_id))
    assert [entry.text for entry in own] == ["Invoices are due in May."]
    assert own.get().provenance["handed_by"] == str(eve.agent_id)
    assert (node("ada").scored_n, node("ada").scored_total) == (4, 3.0)
    assert (node("eve").state, node("eve").merged_into_id) == ("retired", ada.pk)
    assert history("eve") == ["born", "merged"]
    assert history("ada") == ["born", "absorbed"]


def test_merging_the_two_into_one_another_at_once_leaves_one(workspace_id: str) -> None:
    eve, ada, _ = nodes(workspace_id, "eve", "ada", "bob")
    with pytest.raises(RequestInvalid, match="into itself"):
        lifecycle.node_merge(
            workspace_id=workspace_id, node_id=str(ada.pk), into_id=str(ada.pk), **WHY
        )

    lifecycle.node_merge(workspace_id=workspace_id, node_id=str(eve.pk), into_id=str(ada.pk), **WHY)

    with pytest.raises(PopulationConflict, match="is retired"):
        lifecycle.node_merge(
            workspace_id=workspace_id, node_id=str(ada.pk), into_id=str(eve.pk), **WHY
        )
