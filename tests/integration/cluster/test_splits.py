"""What a split comes to in the database: bad plans, caps, replanning, credit, cost, citations."""

import asyncio
import math
from decimal import Decimal
from typing import Any

import pytest
from django.db.models.functions import Now

from agents.models import UsageEntry
from cluster.core import amoeba
from cluster.core.codec import value_load
from cluster.core.perform import perform
from cluster.core.rewards import credit
from cluster.core.steps import InsideStep, ModelAnswer, PlanSplit, RunAgent, RunOutcome
from cluster.core.types import CitedSpan, Claim, Matched, Scaled, TaskView
from cluster.models import MarketEntry, PhaseRecord, Reward, SplitCell, Task
from cluster.runner import Happenings
from cluster.selectors.spine import task_view
from cluster.selectors.tasks import task_detail, task_events
from cluster.services.spine import step_record
from loomsite.access.models import Workspace
from tests.factories.cluster import (
    FakeWorld,
    answered,
    assert_all_let_go,
    assert_sound,
    before,
    failed,
    go,
    submit,
    take,
    together,
    work,
)
from tests.processes import poll
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
HARD = {"complexity": 0.95, "confidence": 0.9, "domain": "general", "tools": []}
EASY = {**HARD, "complexity": 0.1}
LIST = "Write about:\n1. cats\n2. dogs, see part 1\n3. birds"


def plan(*parts: tuple[str, list[str]]) -> dict[str, Any]:
    return {"parts": [{"key": k, "goal": f"Do {k}.", "depends_on": d} for k, d in parts]}


def hard_once(user: str) -> dict[str, Any]:
    """Sense the whole as hard, and its parts as easy."""
    return EASY if "Do " in user else HARD


def scaled_of(task_id: str, cycle: int = 1) -> Scaled:
    row = PhaseRecord.objects.get(task_id=task_id, cycle=cycle, phase="scale")
    return value_load(Scaled, row.result)


# ---------------------------------------------------------------- plans that are none


@requirement("bad_days.junk")
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (plan(("a", ["b"]), ("b", ["a"])), "the dependencies form a circle"),
        (plan(("a", ["a"]), ("b", [])), "the dependencies form a circle"),
        (plan(*[(f"p{n}", []) for n in range(200)]), "200 parts, at most 8 are possible"),
        (plan(("a", ["zzz"]), ("b", [])), "'a' depends on 'zzz', which is no part"),
        ({"parts": []}, "there are no parts"),
        ({"parts": "two"}, "is not of type 'array'"),
        ({"steps": []}, "'parts' is a required property"),
        ({"parts": [{"key": "a"}]}, "'goal' is a required property"),
    ],
    ids=["circle", "itself", "200", "unknown", "empty", "no list", "no parts", "no goals"],
)
def test_a_bad_plan_is_repaired_once_and_then_the_task_is_done_whole_with_the_reason(
    workspace_id: str, bad: dict[str, Any], said: str
) -> None:
    world = FakeWorld(replies={"sense": HARD, "plan": bad})
    task_id = submit(workspace_id, max_cycles=1)

    work(world)

    assert world.purposes["plan"] == 2
    assert said in world.asked[2][1]  # the second attempt is told what was wrong with the first
    scaled = scaled_of(task_id)
    assert not scaled.split
    assert scaled.reason.startswith("the plan could not be used: ")
    assert said in scaled.reason
    assert task_detail(workspace_id=workspace_id, task_id=task_id)["status"] == "succeeded"
    assert Task.objects.count() == 1
    assert_all_let_go()


def test_a_plan_that_is_repaired_is_carried_out_and_says_so(workspace_id: str) -> None:
    plans = iter([plan(("a", ["a"])), plan(("a", []), ("b", ["a"]))])
    task_id = submit(workspace_id, max_cycles=1)

    work(FakeWorld(replies={"sense": hard_once, "plan": lambda _user: next(plans)}))

    assert scaled_of(task_id).notes == ("repaired once",)
    assert Task.objects.filter(parent_id=task_id, status="succeeded").count() == 2
    assert_all_let_go()


@pytest.mark.django_db(transaction=True)
def test_through_the_real_runtime_a_plan_of_200_parts_leaves_one_task(
    live_workspace_id: str,
) -> None:
    goal = "Do it. [[split=200]] [[complexity=0.95]] [[answer=done]]"
    task_id = submit(live_workspace_id, goal, max_cycles=1)

    poll(lambda: Task.objects.get(id=task_id).finished_at)

    task = Task.objects.get(id=task_id)
    assert (task.status, Task.objects.count()) == ("succeeded", 1)
    assert scaled_of(task_id).reason == "the planner gave no plan: invalid"
    assert UsageEntry.objects.filter(task_id=task_id, purpose="plan").count() == 2


# ---------------------------------------------------------------- caps


def test_a_list_that_is_too_wide_shares_tasks_and_says_so(workspace_id: str) -> None:
    goal = "Write about:\n" + "\n".join(f"{n}. animal {n}" for n in range(1, 13))
    task_id = submit(workspace_id, goal, max_cycles=1)

    work(FakeWorld())

    assert scaled_of(task_id).notes == ("12 parts in 6 tasks: at most 8 side by side",)
    parts = Task.objects.filter(parent_id=task_id)
    assert [parts.filter(goal__contains=f"animal {n}").exists() for n in range(1, 13)] == [
        True
    ] * 12
    told = [e["data"] for e in task_events(workspace_id=workspace_id, task_id=task_id)]
    assert any(data.get("summary", {}).get("notes") for data in told)
    assert_all_let_go()


def test_parts_of_parts_stop_at_the_greatest_depth_and_say_so(workspace_id: str) -> None:
    deep = plan(("a", []), ("b", []))

    submit(workspace_id, max_cycles=1)
    work(FakeWorld(replies={"sense": HARD, "plan": deep}))

    assert sorted(set(Task.objects.values_list("depth", flat=True))) == [0, 1, 2]
    for task in Task.objects.filter(depth=2):
        assert scaled_of(str(task.id)).reason == "at the greatest depth (2)"
    assert_all_let_go()


@pytest.mark.django_db(transaction=True)
def test_many_parents_that_split_at_once_keep_the_tree_under_its_cap_and_say_who_was_refused(
    workspace_id: str,
) -> None:
    eight = plan(*[(f"p{n}", []) for n in range(8)])
    world = FakeWorld(replies={"sense": HARD, "plan": eight})
    root_id = submit(workspace_id, max_cycles=1)
    (claim,) = take()
    go(claim, world)
    claims = take(limit=16)
    assert len(claims) == 8

    def planned(claim: Claim) -> tuple[TaskView, InsideStep]:
        """Return a plan that is made while the tree still has room for it, not yet recorded."""
        step = go(claim, world, until=before(PlanSplit))
        assert isinstance(step, PlanSplit)
        view = task_view(claim=claim)
        return view, amoeba.conclude(view, step, asyncio.run(perform(view, step, world.ports())))

    def record(claim: Claim, view: TaskView, step: InsideStep) -> None:
        step_record(claim=claim, view=view, step=step, happenings=Happenings())

    plans = [(claim, *planned(claim)) for claim in claims]
    came = together(*[lambda one=one: record(*one) for one in plans])

    assert came == [None] * 8
    assert Task.objects.filter(root_id=root_id).count() + 1 == 9 + 6 * 8
    scaled = [scaled_of(claim.task_id) for claim in claims]
    assert sorted(s.split for s in scaled) == [False] * 2 + [True] * 6
    assert {s.reason for s in scaled if not s.split} == {
        "a split into 8 was planned, but the tree has 57 of at most 64 tasks"
    }
    assert_sound()


# ---------------------------------------------------------------- replanning


@requirement("life.dag_failure")
def test_a_failed_part_has_the_whole_planned_anew_once_with_what_was_right_kept(
    workspace_id: str,
) -> None:
    Workspace.objects.filter(id=workspace_id).update(settings={"dependency_policy": "replan"})
    plans = iter([
        plan(("cats", []), ("dogs", []), ("sum", ["dogs"])),
        plan(("cats", []), ("wolves", []), ("total", ["wolves"])),
    ])  # fmt: skip
    asked: list[str] = []

    def replan(user: str) -> dict[str, Any]:
        asked.append(user)
        return next(plans)

    def run(_view: TaskView, step: RunAgent) -> RunOutcome:
        return failed("no dogs") if step.goal == "Do dogs." else answered(f"{step.goal} done")

    world = FakeWorld(run=run, replies={"sense": hard_once, "plan": replan})
    task_id = submit(workspace_id, max_cycles=1)
    work(world)

    task = task_detail(workspace_id=workspace_id, task_id=task_id)
    assert (task["status"], task["cycle"]) == ("succeeded", 2)
    assert "part 'dogs' failed: no dogs" in asked[1]
    parts = Task.objects.filter(parent_id=task_id).order_by("parent_cycle", "plan_order")
    assert [(p.parent_cycle, p.plan_key, p.status) for p in parts] == [
        (1, "cats", "succeeded"), (1, "dogs", "failed"), (1, "sum", "failed"),
        (2, "wolves", "succeeded"), (2, "total", "succeeded"),
    ]  # fmt: skip
    assert [step.goal for _, step in world.runs].count("Do cats.") == 1
    assert_all_let_go()


def test_replanning_ends_after_one_more_cycle(workspace_id: str) -> None:
    Workspace.objects.filter(id=workspace_id).update(settings={"dependency_policy": "replan"})
    world = FakeWorld(
        run=lambda _view, _step: failed("nothing works"),
        replies={"sense": hard_once, "plan": plan(("a", []), ("b", ["a"]))},
    )
    task_id = submit(workspace_id, max_cycles=1)

    work(world)

    task = task_detail(workspace_id=workspace_id, task_id=task_id)
    assert (task["status"], task["cycle"]) == ("failed", 2)
    assert "part 'a' failed: nothing works" in task["error"]["message"]
    assert_all_let_go()


# ---------------------------------------------------------------- credit and cost


@pytest.mark.parametrize("whole", [0.0, 0.25, 1.0])
def test_parts_that_nobody_scored_share_in_the_whole_by_what_was_expected_of_them(
    workspace_id: str, whole: float
) -> None:
    def judge(user: str) -> Any:
        if "Write about" not in user:
            return ModelAnswer(value=None, why="silent")
        return {"score": whole, "comment": "of the whole"}

    task_id = submit(workspace_id, LIST, max_cycles=1)
    work(FakeWorld(replies={"judge": judge}))

    parts = list(Task.objects.filter(parent_id=task_id))
    expected: dict[str, float] = {}
    for part in parts:
        row = PhaseRecord.objects.get(task=part, phase="match")
        chance = value_load(Matched, row.result).success_probability
        assert chance is not None
        expected[str(part.id)] = chance
    all_well = math.prod(expected.values())
    lent = {
        key: 1.0 if whole == 1.0 else whole + (1 - whole) * (p - all_well) / (1 - all_well)
        for key, p in expected.items()
    }
    assert lent == pytest.approx(credit(expected, whole))
    settled = {str(e.task_id): e.score for e in MarketEntry.objects.all()}
    assert settled == pytest.approx(lent)  # and nothing for whoever won the whole
    shares = Reward.objects.filter(task__parent_id=task_id, source="credit")
    assert {str(r.task_id): r.score for r in shares} == pytest.approx(lent)
    assert_all_let_go()


@requirement("life.settle_once")
@pytest.mark.parametrize("online", [True, False])
def test_parts_teach_as_they_finish_or_at_the_end_of_the_whole_and_once(
    workspace_id: str, *, online: bool
) -> None:
    Workspace.objects.filter(id=workspace_id).update(settings={"online_learning": online})
    seen: list[int] = []

    def run(_view: TaskView, step: RunAgent) -> RunOutcome:
        seen.append(MarketEntry.objects.count())  # learned before this part begins
        return answered(f"{step.goal} done")

    goal = "Write about:\n1. cats\n2. dogs, see part 1\n3. birds, see part 2"
    task_id = submit(workspace_id, goal, max_cycles=1)
    work(FakeWorld(run=run, replies={"judge": {"score": 0.8, "comment": ""}}))

    assert seen == ([0, 1, 2] if online else [0, 0, 0])
    lines = MarketEntry.objects.order_by("rev", "id")
    assert [(e.kind, e.score) for e in lines] == [("score", 0.8)] * 3
    assert {e.task_id for e in lines} == {t.id for t in Task.objects.filter(parent_id=task_id)}
    assert Reward.objects.filter(task__parent_id=task_id).count() == 3
    assert_all_let_go()


@pytest.mark.parametrize("online", [True, False])
def test_parts_of_parts_are_learned_from_once_in_both_modes(
    workspace_id: str, *, online: bool
) -> None:
    Workspace.objects.filter(id=workspace_id).update(settings={"online_learning": online})

    def plans(user: str) -> dict[str, Any]:
        return plan(("c", []), ("d", [])) if "Do a." in user else plan(("a", []), ("b", []))

    def sense(user: str) -> dict[str, Any]:
        easy = any(f"Do {key}." in user for key in "bcd")
        return EASY if easy else HARD

    submit(workspace_id, max_cycles=1)
    judge = {"score": 0.8, "comment": ""}
    work(FakeWorld(replies={"sense": sense, "plan": plans, "judge": judge}))

    assert Task.objects.count() == 5
    settled = [e.task_id for e in MarketEntry.objects.all()]
    assert sorted(map(str, settled)) == sorted(str(t.id) for t in Task.objects.all())
    assert_all_let_go()


def test_planner_parts_and_merge_are_charged_to_the_whole_and_to_splitting(
    workspace_id: str,
) -> None:
    def spend(task_id: str, usd: str, purpose: str) -> None:
        task = Task.objects.get(id=task_id)
        UsageEntry.objects.create(
            workspace_id=workspace_id, task_id=task_id, root_task_id=task.root_id or task_id,
            purpose=purpose, cost_usd=Decimal(usd), prompt_tokens=10, completion_tokens=1, at=Now(),
        )  # fmt: skip

    def run(view: TaskView, _step: RunAgent) -> RunOutcome:
        spend(view.task.id, "0.5" if view.task.parent_id else "0.25", "run")
        return answered("done")

    task_id = submit(workspace_id, max_cycles=1)

    replies = {
        "sense": hard_once,
        "plan": plan(("a", []), ("b", ["a"])),
        "judge": {"score": 0.9, "comment": ""},
    }
    spend(task_id, "0.125", "plan")
    work(FakeWorld(run=run, replies=replies))

    task = task_detail(workspace_id=workspace_id, task_id=task_id)
    assert task["cost_usd"] == "1.375000"  # 0.125 plan + 2 · 0.5 parts + 0.25 merge
    assert task["tokens"] == {"prompt": 40, "completion": 4, "total": 44}
    cell = SplitCell.objects.get(domain="", arm="split")
    # The usual run cost .5: the whole was worth far less than its score, and less than forecast.
    assert cell.n == 1
    assert cell.total < -0.15
    # Work of .95 in two parts of .1 each: as much easier as is believed of anything.
    (own,) = SplitCell.objects.filter(arm="ease").exclude(domain="")
    assert (own.domain, own.bin, own.n, own.total) == ("general", 0, 1.0, 1.0)
    assert_all_let_go()


# ---------------------------------------------------------------- citations


def span(document: str) -> CitedSpan:
    return CitedSpan(document_id=document, chunk_id="c", start=0, end=5, quote="quote")


@pytest.mark.parametrize("how", ["assembled", "merged"])
def test_the_whole_cites_what_its_parts_cited(workspace_id: str, how: str) -> None:
    def run(view: TaskView, step: RunAgent) -> RunOutcome:
        if view.task.parent_id is None:
            return answered("all of it [1]", citations=(span("own"),))
        return answered(f"{step.goal} [1] [2]", citations=(span("shared"), span(step.goal)))

    listed = how == "assembled"
    goal = "Write about:\n1. cats\n2. dogs" if listed else "Write a book."
    replies = {"sense": EASY if listed else hard_once, "plan": plan(("cats", []), ("dogs", []))}
    task_id = submit(workspace_id, goal, max_cycles=1)
    work(FakeWorld(run=run, replies=replies))

    task = task_detail(workspace_id=workspace_id, task_id=task_id)
    cited = [c["document_id"] for c in task["citations"]]
    if how == "assembled":
        assert cited == ["shared", "cats", "dogs"]
        assert "cats [1] [2]" in task["answer"]
        assert "dogs [1] [3]" in task["answer"]
    else:
        assert cited == ["own", "shared", "Do cats.", "Do dogs."]
        assert task["answer"] == "all of it [1]"
