"""By the clock: lines evolve from failures, skills crystallize, what is useless goes."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from agents.core.types import RunResult
from agents.models import Run, Skill, SkillUse
from agents.services.runs import run_close, run_open
from cluster import growing
from cluster.core.ports import Weakness
from cluster.core.steps import ModelAnswer, RunAgent
from cluster.core.types import Json, TaskView
from cluster.models import AgentNode, Blueprint, BlueprintEvent
from cluster.selectors.lift import lift_report
from cluster.selectors.spine import database_now
from cluster.services import blueprints, evolution
from cluster.services.population import blueprints_ensure, nodes_ensure
from loomsite.access.models import Workspace
from tests.factories.agents import make_agent, make_request, open_fence
from tests.factories.cluster import FakeWorld, answered, submit, work

pytestmark = pytest.mark.django_db(transaction=True)
SPEC: dict[str, Any] = {
    "name": "Tides",
    "description": "Knows tides.",
    "instructions": "You look tides up.",
    "tools": [],
    "domains": ["general"],
}
BETTER = {
    "instructions": "You look tides up in the harbour's own table.",
    "description": "Knows tides by harbour.",
    "why": "the failures mixed up harbours",
}
SKILL = {
    "name": "Read tide tables",
    "description": "How to read a tide table.",
    "instructions": "Find the harbour, then the day.",
    "keywords": ["tide"],
}


class FakeMind:
    """`WorkspaceMind` that says what it was told to, by purpose."""

    def __init__(self, **replies: Json | None) -> None:
        self.replies = replies
        self.asked: list[tuple[str, str]] = []

    async def ask(
        self, workspace_id: str, *, purpose: Any, system: str, user: str, schema: Json
    ) -> ModelAnswer:
        self.asked.append((purpose, user))
        reply = self.replies.get(purpose)
        why = "" if reply else "model cannot"
        return ModelAnswer(value=reply, why=why, model="writer-1")


class LibraryEvolver:
    """`Evolver` as a library would be one: no prompt of ours."""

    def __init__(self, value: Json) -> None:
        self.value = value
        self.seen: list[Weakness] = []

    async def propose(self, due: Weakness) -> ModelAnswer:
        self.seen.append(due)
        return ModelAnswer(value=self.value, model="library")


def line(workspace_id: str, **settings: Any) -> Blueprint:
    """Return a line whose leader has been judged poor eight times."""
    Workspace.objects.filter(id=workspace_id).update(
        settings={"blueprint_approval": "auto", **settings}
    )
    for slug in ("ada", "bob"):
        make_agent(workspace_id, slug=slug)
    nodes_ensure(workspace_id=workspace_id)
    made = blueprints.blueprint_import(
        workspace_id=workspace_id, document={"slug": "tides", "spec": SPEC}, actor="ada"
    )
    for _ in range(10):
        submit(workspace_id, "When is high water in Emden?", agent="tides", max_cycles=1)
        work(FakeWorld(replies={"judge": {"score": 0.02, "comment": "wrong harbour"}}))
    return Blueprint.objects.get(pk=made)


def successes(workspace_id: str, goals: Sequence[str], score: float = 0.95) -> None:
    """Let an agent have done work that was judged so, with the runs that real ones leave."""

    def run(view: TaskView, step: RunAgent) -> Any:
        request = make_request(
            workspace_id, step.agent_id, task_id=view.task.id, goal=step.goal,
            run_id=str(uuid.uuid4()),
        )  # fmt: skip
        run_open(request=request, fence=open_fence)
        result = RunResult(stop="answered", text=f"Done: {step.goal}")
        run_close(request=request, result=result, model="m", fence=open_fence)
        return answered(f"Done: {step.goal}", run_id=request.run_id)

    for goal in goals:
        submit(workspace_id, goal, max_cycles=1)
        work(FakeWorld(run=run, replies={"judge": {"score": score, "comment": "as it should be"}}))


def alike(texts: Sequence[str]) -> list[list[float]]:
    """Embed: texts about tides are alike, others are like nothing else."""
    length = len(texts) + 1
    return [
        [1.0 if place == (0 if "tide" in text else i + 1) else 0.0 for place in range(length)]
        for i, text in enumerate(texts)
    ]


# ---------------------------------------------------------------- evolution


def test_a_weak_leader_gets_a_challenger_made_from_its_failures_and_comments(
    workspace_id: str,
) -> None:
    row = line(workspace_id)
    mind = FakeMind(evolve=BETTER)

    (made,) = asyncio.run(growing.evolve(evolver=growing.ReflectiveEvolver(mind=mind)))

    child = Blueprint.objects.get(pk=made)
    assert (child.version, child.parent_id, child.state) == (2, row.pk, "challenger")
    assert child.origin == "evolved"
    assert child.spec == {
        **SPEC,
        "instructions": BETTER["instructions"],
        "description": BETTER["description"],
    }
    assert "below the floor" in child.reason
    assert BETTER["why"] in child.reason
    (asked,) = [user for purpose, user in mind.asked if purpose == "evolve"]
    assert "wrong harbour" in asked
    assert "You look tides up." in asked
    assert AgentNode.objects.get(blueprint=child).agent.slug == "tides-v2"
    assert asyncio.run(growing.evolve(evolver=growing.ReflectiveEvolver(mind=mind))) == []


def test_another_evolver_can_take_the_models_place(workspace_id: str) -> None:
    line(workspace_id)
    library = LibraryEvolver(BETTER)

    (made,) = asyncio.run(growing.evolve(evolver=library))

    assert [len(due.failures) for due in library.seen] == [8]
    assert Blueprint.objects.get(pk=made).created_by == "evolve:library"


def test_where_blueprints_are_reviewed_a_mutation_is_a_draft(workspace_id: str) -> None:
    line(workspace_id)
    Workspace.objects.filter(id=workspace_id).update(settings={"blueprint_approval": "review"})

    (made,) = asyncio.run(growing.evolve(evolver=LibraryEvolver(BETTER)))

    assert Blueprint.objects.get(pk=made).state == "draft"
    blueprints.blueprint_approve(
        workspace_id=workspace_id, blueprint_id=made, reason="worth a try", actor="ada"
    )
    assert Blueprint.objects.get(pk=made).state == "challenger"


@pytest.mark.parametrize("changes", [{"instructions": "  "}, {"instructions": "x" * 20_001}])
def test_a_mutation_that_cannot_be_used_changes_nothing(
    workspace_id: str, changes: dict[str, str]
) -> None:
    line(workspace_id)

    assert asyncio.run(growing.evolve(evolver=LibraryEvolver({**BETTER, **changes}))) == []

    assert Blueprint.objects.filter(slug="tides").count() == 1


def test_a_line_that_does_well_is_left_alone(workspace_id: str) -> None:
    line(workspace_id, quality_floor=0.0)

    assert asyncio.run(growing.evolve(evolver=LibraryEvolver(BETTER))) == []


# ---------------------------------------------------------------- skills


def test_what_worked_several_times_becomes_a_draft_skill_with_its_evidence(
    workspace_id: str,
) -> None:
    make_agent(workspace_id, slug="ada")
    successes(workspace_id, ["tide in Emden", "tide in Husum", "tide in Kiel", "bake bread"])
    mind = FakeMind(skill=SKILL)

    name = asyncio.run(growing.crystallize(workspace_id, mind=mind, embed=alike))

    skill = Skill.objects.get(name=name)
    assert (skill.name, skill.state, skill.origin) == ("read-tide-tables", "draft", "crystallized")
    evidence = skill.evidence
    assert sorted(run["goal"] for run in evidence["runs"]) == [
        "tide in Emden", "tide in Husum", "tide in Kiel",
    ]  # fmt: skip
    assert {run["score"] for run in evidence["runs"]} == {0.95}
    assert (evidence["mean_score"], evidence["domain"]) == (pytest.approx(0.95), "general")
    assert evidence["written_by"] == "writer-1"
    assert {Run.objects.get(pk=run["run_id"]).score for run in evidence["runs"]} == {0.95}
    assert asyncio.run(growing.crystallize(workspace_id, mind=mind, embed=alike)) is None


def test_above_the_workspaces_threshold_a_skill_works_at_once(workspace_id: str) -> None:
    Workspace.objects.filter(id=workspace_id).update(settings={"skill_auto_score": 0.9})
    make_agent(workspace_id, slug="ada")
    successes(workspace_id, ["tide in Emden", "tide in Husum", "tide in Kiel"])

    name = asyncio.run(growing.crystallize(workspace_id, mind=FakeMind(skill=SKILL), embed=alike))

    assert Skill.objects.get(name=name).state == "active"


@pytest.mark.parametrize(
    ("goals", "score", "reply"),
    [
        (["tide in Emden", "tide in Husum"], 0.95, SKILL),
        (["tide in Emden", "tide in Husum", "tide in Kiel"], 0.5, SKILL),
        (["tide in Emden", "bake bread", "fix a bike"], 0.95, SKILL),
        (["tide in Emden", "tide in Husum", "tide in Kiel"], 0.95, None),
        (["tide in Emden", "tide in Husum", "tide in Kiel"], 0.95, {**SKILL, "name": "…"}),
    ],
    ids=["too few", "too poor", "not alike", "no model", "no name"],
)
def test_no_skill_is_made_of_too_little(
    workspace_id: str, goals: list[str], score: float, reply: Json | None
) -> None:
    make_agent(workspace_id, slug="ada")
    successes(workspace_id, goals, score)

    made = asyncio.run(growing.crystallize(workspace_id, mind=FakeMind(skill=reply), embed=alike))

    assert made is None
    assert not Skill.objects.exists()


def used(workspace_id: str, skill: Skill, scores: Sequence[float], *, held_out: bool) -> None:
    agent_id = make_agent(workspace_id)
    for score in scores:
        request = make_request(workspace_id, agent_id)
        run_open(request=request, fence=open_fence)
        Run.objects.filter(pk=request.run_id).update(score=score)
        SkillUse.objects.create(skill=skill, run_id=request.run_id, by="meaning", held_out=held_out)


def crystallized(workspace_id: str, name: str) -> Skill:
    return Skill.objects.create(
        workspace_id=workspace_id, name=name, description=name, instructions=name,
        state="active", origin="crystallized",
    )  # fmt: skip


def test_a_skill_that_does_not_help_is_retired_with_its_numbers_and_others_stay(
    workspace_id: str,
) -> None:
    harms, helps, unknown = (crystallized(workspace_id, n) for n in ("harms", "helps", "unknown"))
    used(workspace_id, harms, [0.5] * 10, held_out=False)
    used(workspace_id, harms, [0.9] * 6, held_out=True)
    used(workspace_id, helps, [0.9] * 10, held_out=False)
    used(workspace_id, helps, [0.5] * 6, held_out=True)
    used(workspace_id, unknown, [0.5] * 3, held_out=False)

    assert evolution.skills_retire(workspace_id=workspace_id) == ["harms"]

    harms.refresh_from_db()
    assert harms.state == "retired"
    assert harms.evidence["retired_because"] == (
        "10 runs with it scored 0.50, 6 that went without 0.90"
    )
    report = lift_report(workspace_id=workspace_id)
    verdicts = {row["skill"]: row["verdict"] for row in report["by_skill"]}
    assert verdicts == {"harms": "harms", "helps": "helps", "unknown": "too few"}
    assert report["skills"]["with"]["n"] == 23
    assert report["skills"]["without"]["n"] == 12


def test_a_skill_whose_runs_are_poor_on_the_whole_is_retired_too(workspace_id: str) -> None:
    poor = crystallized(workspace_id, "poor")
    used(workspace_id, poor, [0.02] * 9, held_out=False)

    assert evolution.skills_retire(workspace_id=workspace_id) == ["poor"]


# ---------------------------------------------------------------- pruning


def test_pruning_keeps_to_the_caps_and_says_why(workspace_id: str) -> None:
    row = line(workspace_id)
    blueprints_ensure(workspace_id=workspace_id)
    Blueprint.objects.create(
        workspace_id=workspace_id, slug="old", state="draft", spec=SPEC,
        created_at=database_now() - timedelta(days=31),
    )  # fmt: skip
    good = blueprints.blueprint_import(
        workspace_id=workspace_id, document={"slug": "good", "spec": SPEC}, actor="ada"
    )
    Workspace.objects.filter(id=workspace_id).update(settings={"max_blueprints": 1})

    assert evolution.prune(now=database_now()) == 2

    row.refresh_from_db()
    assert (row.state, Blueprint.objects.get(pk=good).state) == ("retired", "active")
    assert Blueprint.objects.get(slug="old").state == "retired"
    reasons = BlueprintEvent.objects.filter(kind="pruned").values_list("reason", flat=True)
    assert "nobody looked at the draft for 30 days" in reasons
    assert evolution.prune(now=database_now()) == 0
