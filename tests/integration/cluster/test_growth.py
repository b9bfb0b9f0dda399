"""Blueprints in the database: forged for a weak field, reviewed, raced, promoted, rolled back."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from agents.models import Agent, Approval, MemoryEntry, Scene, Skill, Tool
from agents.services.memories import memory_remember
from cluster.core.errors import BlueprintInvalid, BlueprintUnknown, PopulationConflict
from cluster.models import AgentNode, Blueprint, BlueprintEvent, Event, Forging, MarketEntry, Task
from cluster.selectors import blueprints as reads
from cluster.services import blueprints
from cluster.services.population import blueprints_ensure, nodes_ensure
from cluster.services.races import races_left_out, races_look
from cluster.services.replies import task_reply
from loomsite.access.models import Workspace
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, go, submit, take, together, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
POOR = {"judge": {"score": 0.02, "comment": "wrong harbour"}}
JUDGED = {"judge": {"score": 0.9, "comment": "good"}}
SPECIALIST = {
    "name": "Tide Tables",
    "description": "Knows tides.",
    "instructions": "You look tides up and say when you do not know.",
    "tools": ["calculator"],
    "domains": ["general"],
}
SKILL = {
    "name": "Read tide tables",
    "description": "How to read a tide table.",
    "instructions": "Find the harbour, then the day.",
    "keywords": ["tide"],
}
WHY = {"reason": "looks right", "actor": "ada"}


def setting(workspace_id: str, **values: Any) -> None:
    Workspace.objects.filter(id=workspace_id).update(settings=values)


def tools(workspace_id: str, **tags: list[str]) -> None:
    for name, tagged in tags.items():
        Tool.objects.create(workspace_id=workspace_id, name=name, tags=tagged, description=name)


def lonely(workspace_id: str, **settings: Any) -> str:
    """Return a task that needs a tool which no agent and no blueprint has."""
    setting(workspace_id, **settings)
    make_agent(workspace_id, slug="ada")
    tools(workspace_id, calculator=["read"], search_knowledge=["read"], shell=["exec"])
    blueprints_ensure(workspace_id=workspace_id)
    Blueprint.objects.all().delete()
    Blueprint.objects.create(
        workspace_id=workspace_id, slug="other", spec={**SPECIALIST, "tools": []}
    )
    task_id = submit(workspace_id)
    Task.objects.filter(id=task_id).update(tools=["calculator"])
    return task_id


def weak(workspace_id: str, **settings: Any) -> None:
    """Let the only agent be known to be bad at everything."""
    setting(workspace_id, **settings)
    make_agent(workspace_id, slug="ada")
    nodes_ensure(workspace_id=workspace_id)
    blueprints_ensure(workspace_id=workspace_id)
    Blueprint.objects.update(state="retired")
    for _ in range(14):
        submit(workspace_id, agent="ada", max_cycles=1)
        work(FakeWorld(replies=POOR))


def leader(workspace_id: str, **settings: Any) -> Blueprint:
    """Return a blueprint at work, with its node."""
    setting(workspace_id, blueprint_approval="auto", **settings)
    make_agent(workspace_id, slug="ada")
    make_agent(workspace_id, slug="bob")
    nodes_ensure(workspace_id=workspace_id)
    row_id = blueprints.blueprint_import(
        workspace_id=workspace_id, document={"slug": "tides", "spec": SPECIALIST}, actor="ada"
    )
    return Blueprint.objects.get(pk=row_id)


def results(blueprint: Blueprint, *scores: float) -> None:
    """Let a version's node have been judged so."""
    node = AgentNode.objects.get(blueprint=blueprint)
    for score in scores:
        submit(str(blueprint.workspace_id), agent=node.agent.slug, max_cycles=1)
        work(FakeWorld(replies={"judge": {"score": score, "comment": "as told"}}))


# ---------------------------------------------------------------- a weak field


@requirement("life.forge")
def test_nobody_with_the_tool_a_specialist_is_forged_and_does_the_task(workspace_id: str) -> None:
    task_id = lonely(workspace_id, blueprint_approval="auto")
    world = FakeWorld(replies={**JUDGED, "forge": SPECIALIST})

    work(world)

    blueprint = Blueprint.objects.get(slug="tide-tables")
    agent = Agent.objects.get(slug="tide-tables")
    task = Task.objects.get(id=task_id)
    assert (task.status, blueprint.origin, blueprint.state) == ("succeeded", "forged", "active")
    assert (agent.tools, agent.instructions) == (["calculator"], SPECIALIST["instructions"])
    assert [step.agent for _, step in world.runs] == ["tide-tables"]
    assert world.purposes["forge"] == 1
    asked = next(user for purpose, user in world.asked if purpose == "forge")
    assert "- calculator" in asked
    assert "shell" not in asked.partition("Tools on offer")[2].partition("<goal>")[0]
    assert list(
        Event.objects.filter(task=task, type__startswith="forge").values_list("type", flat=True)
    ) == ["forge.wanted", "forge.ended"]


def test_a_drafted_specialist_waits_for_a_person_and_the_task_with_it(workspace_id: str) -> None:
    task_id = lonely(workspace_id)
    world = FakeWorld(replies={**JUDGED, "forge": SPECIALIST})
    work(world)

    task = Task.objects.get(id=task_id)
    asked = Approval.objects.get(task_id=task_id)
    assert (task.status, asked.options) == ("input_required", ["approve", "refuse"])
    assert "tide-tables" in asked.question
    assert not Agent.objects.filter(slug="tide-tables").exists()

    task_reply(workspace_id=workspace_id, task_id=task_id, actor="ada", decision="approve")
    work(world)

    task.refresh_from_db()
    assert (task.status, [s.agent for _, s in world.runs]) == ("succeeded", ["tide-tables"])
    events = BlueprintEvent.objects.filter(blueprint__slug="tide-tables").order_by("id")
    assert [(e.kind, e.actor) for e in events] == [("created", "forge"), ("approved", "ada")]
    assert world.purposes["forge"] == 1


def test_a_refused_specialist_never_works_and_the_task_says_why_it_failed(
    workspace_id: str,
) -> None:
    task_id = lonely(workspace_id)
    work(FakeWorld(replies={**JUDGED, "forge": SPECIALIST}))

    task_reply(
        workspace_id=workspace_id, task_id=task_id, actor="ada", decision="refuse", text="no tides"
    )
    work(FakeWorld(replies=JUDGED))

    task = Task.objects.get(id=task_id)
    assert (task.status, task.error_code) == ("failed", "cluster.no_capable_agent")
    assert "refused by ada: no tides" in task.error_message
    assert Blueprint.objects.get(slug="tide-tables").state == "retired"


def test_a_blueprint_that_is_approved_elsewhere_lets_the_task_go_on(workspace_id: str) -> None:
    task_id = lonely(workspace_id)
    work(FakeWorld(replies={**JUDGED, "forge": SPECIALIST}))

    blueprint = Blueprint.objects.get(slug="tide-tables")
    blueprints.blueprint_approve(workspace_id=workspace_id, blueprint_id=str(blueprint.pk), **WHY)
    work(FakeWorld(replies=JUDGED))

    assert Task.objects.get(id=task_id).status == "succeeded"
    assert Approval.objects.get(task_id=task_id).status == "withdrawn"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instructions": "   "}, "instructions must not be empty"),
        ({"tools": ["calculator", "shell"]}, "it asks for the tool 'shell'"),
        ({"tools": []}, "it lacks the tool 'calculator'"),
        ({"name": "  "}, "name must not be empty"),
        ({"root": True}, "'root' is no field of a blueprint"),
    ],
)
def test_what_a_model_forges_is_checked_repaired_once_and_then_given_up(
    workspace_id: str, changes: dict[str, Any], said: str
) -> None:
    task_id = lonely(workspace_id, blueprint_approval="auto")
    world = FakeWorld(replies={**JUDGED, "forge": {**SPECIALIST, **changes}})

    work(world)

    task = Task.objects.get(id=task_id)
    second = [user for purpose, user in world.asked if purpose == "forge"][1]
    assert said in second
    assert (task.status, task.error_code) == ("failed", "cluster.no_capable_agent")
    assert said in task.error_message
    assert not Agent.objects.filter(slug="tide-tables").exists()


def test_a_repaired_blueprint_is_taken(workspace_id: str) -> None:
    task_id = lonely(workspace_id, blueprint_approval="auto")
    said = iter([{**SPECIALIST, "instructions": " "}, SPECIALIST])

    work(FakeWorld(replies={**JUDGED, "forge": lambda _user: next(said)}))

    assert Task.objects.get(id=task_id).status == "succeeded"


def test_a_tool_that_policy_forbids_is_never_forged_for(workspace_id: str) -> None:
    task_id = lonely(workspace_id, blueprint_approval="auto")
    Task.objects.filter(id=task_id).update(tools=["shell"])
    world = FakeWorld(replies={**JUDGED, "forge": {**SPECIALIST, "tools": ["shell"]}})

    work(world)

    assert world.purposes["forge"] == 0
    assert "no blueprint may have the tool 'shell'" in Task.objects.get(id=task_id).error_message


def test_nobody_is_made_for_a_task_that_was_asked_of_one_agent(workspace_id: str) -> None:
    lonely(workspace_id, blueprint_approval="auto")
    Task.objects.update(agent=Agent.objects.get(slug="ada"))
    Agent.objects.update(enabled=False)

    work(FakeWorld(replies={**JUDGED, "forge": SPECIALIST}))

    assert Task.objects.get().error_code == "cluster.no_capable_agent"
    assert not Forging.objects.exists()
    assert not AgentNode.objects.exclude(agent__slug="ada").exists()


def test_without_a_model_the_task_fails_as_clearly_as_before(workspace_id: str) -> None:
    task_id = lonely(workspace_id)

    work(FakeWorld(replies=JUDGED))

    task = Task.objects.get(id=task_id)
    assert (task.status, task.error_code) == ("failed", "cluster.no_capable_agent")
    assert "the model gave nothing: model cannot" in task.error_message


def test_the_best_of_a_weak_field_gets_a_skill_first_and_only_then_is_somebody_forged(
    workspace_id: str,
) -> None:
    weak(workspace_id, blueprint_approval="auto")
    world = FakeWorld(replies={**POOR, "skill": SKILL, "forge": SPECIALIST})

    submit(workspace_id, max_cycles=1)
    work(world)
    skill = Skill.objects.get(name="read-tide-tables")
    assert (skill.state, skill.origin, world.purposes["forge"]) == ("active", "crystallized", 0)
    assert [s.agent for _, s in world.runs] == ["ada"]

    submit(workspace_id, max_cycles=1)
    work(world)
    child = AgentNode.objects.get(agent__slug="tide-tables")
    assert world.purposes["forge"] == 1
    assert child.parent is not None
    assert child.parent.agent.slug == "ada"
    handed = MemoryEntry.objects.get(scope="agent", scope_id=str(child.agent_id))
    assert handed.text == "What was wrong with ada's answers: wrong harbour"


def test_where_skills_are_reviewed_the_weak_field_goes_on_and_the_draft_waits(
    workspace_id: str,
) -> None:
    weak(workspace_id)
    task_id = submit(workspace_id, max_cycles=1)

    work(FakeWorld(replies={**JUDGED, "skill": SKILL}))

    assert Task.objects.get(id=task_id).status == "succeeded"
    assert Skill.objects.get(name="read-tide-tables").state == "draft"
    assert Forging.objects.get(task_id=task_id).comment == "a draft that waits for review"


def test_a_child_gets_its_parents_key_facts(workspace_id: str) -> None:
    weak(workspace_id, blueprint_approval="auto")
    parent = AgentNode.objects.get(agent__slug="ada")
    memory_remember(
        workspace_id=workspace_id, text="High water in Emden is at noon.", importance=0.9,
        scope="agent", scope_id=str(parent.agent_id),
    )  # fmt: skip
    world = FakeWorld(replies={**POOR, "skill": SKILL, "forge": SPECIALIST})
    for _ in range(2):
        submit(workspace_id, max_cycles=1)
        work(world)

    child = AgentNode.objects.get(agent__slug="tide-tables")
    texts = MemoryEntry.objects.filter(scope="agent", scope_id=str(child.agent_id))
    assert "High water in Emden is at noon." in {entry.text for entry in texts}


def test_a_worker_that_dies_while_it_forges_leaves_one_specialist(workspace_id: str) -> None:
    lonely(workspace_id, blueprint_approval="auto")
    world = FakeWorld(replies={**JUDGED, "forge": SPECIALIST})
    (claim,) = take(limit=1)
    stopped = go(claim, world, until=lambda view, _step: view.forging is not None)
    assert stopped is not None

    go(claim, world)

    assert Forging.objects.count() == 1
    assert Blueprint.objects.filter(origin="forged").count() == 1


# ---------------------------------------------------------------- import, export, versions


def test_an_exported_blueprint_is_imported_elsewhere_as_it_was(workspace_id: str) -> None:
    row = leader(workspace_id)
    document = reads.blueprint_export(workspace_id=workspace_id, blueprint_id=str(row.pk))
    other = make_tenant().workspace_id

    again = blueprints.blueprint_import(workspace_id=other, document=document, actor="bob")

    copy = Blueprint.objects.get(pk=again)
    assert (copy.slug, copy.spec, copy.state) == ("tides", SPECIALIST, "draft")
    blueprints.blueprint_approve(workspace_id=other, blueprint_id=again, **WHY)
    assert AgentNode.objects.get(blueprint=copy).agent.tools == ["calculator"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("text", "is a JSON object"),
        ({"spec": SPECIALIST}, "slug"),
        ({"slug": "a b", "spec": SPECIALIST}, "slug"),
        ({"slug": "a", "spec": []}, "spec must be"),
        (
            {"slug": "a", "spec": {**SPECIALIST, "instructions": ""}},
            "instructions must not be empty",
        ),
        ({"slug": "a", "spec": {**SPECIALIST, "tools": ["rm"]}}, "asks for the tool 'rm'"),
        ({"slug": "a", "spec": {**SPECIALIST, "tools": ["x", "x"]}}, "tools has a word twice"),
        ({"slug": "a", "spec": {**SPECIALIST, "max_steps": 0}}, "max_steps"),
        ({"slug": "a", "spec": SPECIALIST, "format": "other/9"}, "format"),
    ],
)
def test_what_cannot_be_a_blueprint_is_refused_and_nothing_is_kept(
    workspace_id: str, document: Any, said: str
) -> None:
    with pytest.raises(BlueprintInvalid, match=said):
        blueprints.blueprint_import(workspace_id=workspace_id, document=document, actor="ada")

    assert not Blueprint.objects.exists()


def test_names_are_unique_and_lines_are_capped(workspace_id: str) -> None:
    leader(workspace_id, max_blueprints=1)

    for slug, said in (("tides", "already"), ("waves", "as many as this workspace may have")):
        with pytest.raises(PopulationConflict, match=said):
            blueprints.blueprint_import(
                workspace_id=workspace_id, document={"slug": slug, "spec": SPECIALIST}, actor="ada"
            )


def test_an_operators_scene_decides_what_blueprints_may_have(workspace_id: str) -> None:
    tools(workspace_id, calculator=["read"], http_fetch=["network"])
    Scene.objects.create(workspace_id=workspace_id, slug="forge", deny_tags=["network"])
    document = {"slug": "a", "spec": {**SPECIALIST, "tools": ["http_fetch"]}}

    with pytest.raises(BlueprintInvalid, match="which policy does not allow"):
        blueprints.blueprint_import(workspace_id=workspace_id, document=document, actor="ada")


def test_a_version_never_changes_and_a_revision_says_what_it_changed(workspace_id: str) -> None:
    row = leader(workspace_id)
    child = blueprints.blueprint_revise(
        workspace_id=workspace_id,
        blueprint_id=str(row.pk),
        changes={"instructions": "You look tides up twice.\nYou say when you do not know."},
        **WHY,
    )

    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        Blueprint.objects.filter(pk=row.pk).update(spec={})
    diff = reads.blueprint_diff(workspace_id=workspace_id, blueprint_id=child)
    assert (diff["from"]["version"], diff["to"]["version"]) == (1, 2)
    assert [change["field"] for change in diff["changes"]] == ["instructions"]
    assert "+You look tides up twice." in diff["changes"][0]["lines"]
    with pytest.raises(BlueprintInvalid, match="Nothing would change"):
        blueprints.blueprint_revise(
            workspace_id=workspace_id, blueprint_id=str(row.pk), changes={}, **WHY
        )


def test_a_foreign_blueprint_is_like_a_missing_one(workspace_id: str) -> None:
    row = leader(workspace_id)
    other = make_tenant().workspace_id

    for call in (
        lambda: reads.blueprint_detail(workspace_id=other, blueprint_id=str(row.pk)),
        lambda: reads.blueprint_export(workspace_id=other, blueprint_id="no-id"),
        lambda: blueprints.blueprint_retire(workspace_id=other, blueprint_id=str(row.pk), **WHY),
    ):
        with pytest.raises(BlueprintUnknown):
            call()


# ---------------------------------------------------------------- races


def revised(row: Blueprint) -> Blueprint:
    child = blueprints.blueprint_revise(
        workspace_id=str(row.workspace_id),
        blueprint_id=str(row.pk),
        changes={"instructions": "You look tides up twice."},
        **WHY,
    )
    return Blueprint.objects.get(pk=child)


def test_a_challenger_stands_in_for_the_leader_on_a_capped_share_only(workspace_id: str) -> None:
    row = leader(workspace_id)
    child = revised(row)
    old, new = (str(AgentNode.objects.get(blueprint=b).pk) for b in (row, child))

    out = [
        races_left_out(workspace_id=workspace_id, task_id=f"task-{n}", cycle=1) for n in range(400)
    ]

    assert set(out) == {(old,), (new,)}
    assert 50 <= sum(names == (old,) for names in out) <= 110
    assert AgentNode.objects.get(pk=new).parent_id == AgentNode.objects.get(pk=old).pk
    with pytest.raises(PopulationConflict, match="challenger already"):
        revised(row)


def test_a_better_challenger_is_promoted_and_the_old_leader_goes_with_a_reason(
    workspace_id: str,
) -> None:
    row = leader(workspace_id)
    child = revised(row)
    results(row, *[0.3] * 8)
    results(child, *[0.95] * 8)

    assert races_look() == 1

    row.refresh_from_db()
    child.refresh_from_db()
    assert (row.state, child.state) == ("retired", "active")
    assert AgentNode.objects.get(blueprint=row).state == "retired"
    promoted = BlueprintEvent.objects.get(blueprint=child, kind="promoted")
    assert "better with probability" in promoted.reason
    assert races_look() == 0


def test_a_worse_challenger_is_rolled_back_and_one_with_no_results_goes_on(
    workspace_id: str,
) -> None:
    row = leader(workspace_id)
    child = revised(row)
    assert races_look() == 0
    results(row, *[0.9] * 8)
    results(child, *[0.1] * 8)

    assert races_look() == 1

    child.refresh_from_db()
    assert child.state == "retired"
    assert Blueprint.objects.get(slug="tides", state="active") == row
    assert BlueprintEvent.objects.filter(blueprint=child, kind="rolled_back").exists()


def test_an_operator_promotes_and_rolls_back_and_the_old_node_works_again(
    workspace_id: str,
) -> None:
    row = leader(workspace_id)
    child = revised(row)
    where = {"workspace_id": workspace_id, "blueprint_id": str(child.pk), **WHY}

    blueprints.blueprint_promote(**where)
    assert AgentNode.objects.get(blueprint=row).state == "retired"
    assert blueprints.blueprint_rollback(**where) == str(row.pk)

    assert AgentNode.objects.get(blueprint=row).state == "active"
    assert AgentNode.objects.get(blueprint=child).state == "retired"
    kinds = BlueprintEvent.objects.filter(blueprint=row).order_by("id")
    assert [event.kind for event in kinds] == ["created", "approved", "retired", "revived"]
    with pytest.raises(PopulationConflict, match="nothing to go back to"):
        blueprints.blueprint_rollback(workspace_id=workspace_id, blueprint_id=str(row.pk), **WHY)


@pytest.mark.django_db(transaction=True)
def test_promotions_and_rollbacks_at_once_leave_one_leader_and_no_one_waits_in_a_circle(
    workspace_id: str,
) -> None:
    row = leader(workspace_id)
    child = revised(row)
    both = [{"workspace_id": workspace_id, "blueprint_id": str(b.pk), **WHY} for b in (row, child)]

    for _ in range(4):
        came = together(
            lambda: blueprints.blueprint_promote(**both[0]),
            lambda: blueprints.blueprint_promote(**both[1]),
            lambda: blueprints.blueprint_rollback(**both[1]),
            lambda: blueprints.blueprint_promote(**both[0]),
            races_look,
        )

        wrong = [each for each in came if isinstance(each, Exception)]
        assert all(isinstance(each, PopulationConflict) for each in wrong), wrong
        leads = Blueprint.objects.get(workspace_id=workspace_id, slug="tides", state="active")
        nodes = AgentNode.objects.filter(blueprint__slug="tides", state="active")
        assert [node.blueprint_id for node in nodes] == [leads.pk]


def test_results_of_a_version_are_those_of_the_ledger(workspace_id: str) -> None:
    row = leader(workspace_id)
    results(row, 0.25, 0.75)

    detail = reads.blueprint_detail(workspace_id=workspace_id, blueprint_id=str(row.pk))

    assert (detail["n"], detail["mean"]) == (2, 0.5)
    assert MarketEntry.objects.filter(node__blueprint=row).count() == 2
    lineage = reads.blueprint_lineage(workspace_id=workspace_id)
    assert [b["slug"] for b in lineage["blueprints"]] == ["tides"]
