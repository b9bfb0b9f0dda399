"""Declared checks of steps: learned from as they finish, or at the end, and never twice."""

from typing import Any

import pytest
from django.db.models.functions import Now

from agents.models import Scene, ToolEffect
from agents.services.runs import run_open
from cluster.core import market, skill
from cluster.core.errors import CheckInvalid, ClaimLost
from cluster.core.market import LedgerEntry
from cluster.core.steps import RunAgent
from cluster.core.types import Claim
from cluster.models import AgentNode, Family, MarketEntry, Reward, Task
from cluster.runner import run_id
from cluster.selectors.tasks import task_events
from cluster.services.books import book_load
from cluster.services.replies import task_reply
from cluster.services.step_checks import step_checks_settle
from loomsite.access.models import Workspace
from tests.factories.agents import make_agent, make_request, open_fence
from tests.factories.cluster import (
    FakeWorld,
    assert_sound,
    before,
    go,
    lapse,
    submit,
    take,
    together,
)
from tests.processes import poll
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
# It calculates, then asks a person before it remembers, and answers.
GOAL = (
    'Reckon. [[tool=calculator {"expression": "6*7"}]] [[tool=remember {"text": "It is 42."}]]'
    " [[answer=It is 42.]] [[judge=0.95]]"
)
RECKONED: dict[str, Any] = {"kind": "contains", "value": "42", "step": "calculator"}
NEVER: dict[str, Any] = {"kind": "contains", "value": "43", "step": "calculator"}
UNCALLED: dict[str, Any] = {"kind": "contains", "value": "x", "step": "search_knowledge"}
ANSWERED: dict[str, Any] = {"kind": "contains", "value": "42"}


def make_careful_agent(workspace_id: str) -> None:
    Scene.objects.create(workspace_id=workspace_id, slug="careful", ask_tags=["write"])
    make_agent(
        workspace_id, slug="ada", tools=["calculator", "remember"], scenes=["careful"],
        domains=["general"],
    )  # fmt: skip


def reckon(workspace_id: str, *checks: dict[str, Any], online: bool = True) -> Task:
    """Return a task whose first step has finished and whose second waits for a person."""
    Workspace.objects.filter(id=workspace_id).update(settings={"online_learning": online})
    make_careful_agent(workspace_id)
    task_id = submit(workspace_id, GOAL, checks=list(checks), max_cycles=1)
    poll(lambda: Task.objects.get(id=task_id).status == "input_required")
    return Task.objects.get(id=task_id)


def finish(task: Task) -> Task:
    task_reply(
        workspace_id=str(task.workspace_id), task_id=str(task.id), actor="ada", decision="approve"
    )
    poll(lambda: Task.objects.get(id=task.id).finished_at)
    return Task.objects.get(id=task.id)


def lines(task: Task) -> list[tuple[str, float | None, float]]:
    """Return the ledger of a task: kind, score and share of each line, in order."""
    rows = MarketEntry.objects.filter(task=task).order_by("rev")
    return [(r.kind, r.score, round(r.terms.get("share", 1.0), 3)) for r in rows]


def rebuilt(workspace_id: str, node: AgentNode) -> skill.Standing:
    """Return the only node of a family, and the family, from the ledger alone."""
    entries = [
        LedgerEntry(
            rev=row.rev, node_id=str(row.node_id), features=tuple(row.terms["features"]),
            likelihood=tuple(row.terms["likelihood"]),
        )
        for row in MarketEntry.objects.filter(family_id=node.family_id)
    ]  # fmt: skip
    at = book_load(workspace_id=workspace_id).space
    declared = {str(node.pk): tuple(node.declared)}
    return market.rebuild(at, entries, declared=declared)[str(node.pk)]


@requirement("life.settle_once", "life.ledger")
def test_online_a_step_teaches_when_it_has_finished_and_the_end_teaches_the_rest(
    live_workspace_id: str,
) -> None:
    task = reckon(live_workspace_id, RECKONED, NEVER, ANSWERED)

    assert lines(task) == [("step", 1.0, 0.286), ("step", 0.0, 0.286)]  # 1 of 3.5 each
    heard = [
        e["data"]
        for e in task_events(workspace_id=live_workspace_id, task_id=str(task.id))
        if e["type"] == "check.settled"
    ]
    assert [(e["check"], e["step"], e["score"]) for e in heard] == [
        (0, "calculator", 1.0), (1, "calculator", 0.0),
    ]  # fmt: skip

    ended = finish(task)

    assert (ended.status, ended.verified) == ("succeeded", True)
    assert ended.score == pytest.approx((1 + 0 + 1 + 0.5 * 0.95) / 3.5)
    kinds = lines(task)
    assert kinds[:2] == [("step", 1.0, 0.286), ("step", 0.0, 0.286)]
    assert kinds[2:] == [("score", ended.score, 0.429)]
    last = MarketEntry.objects.get(task=task, kind="score")
    assert last.terms["fresh"] == pytest.approx((1 + 0.5 * 0.95) / 1.5)  # the two steps left out
    node = AgentNode.objects.get(agent__slug="ada")
    assert node.scored_n == 1.0  # one task, however many of its steps were looked at
    told = rebuilt(live_workspace_id, node)
    assert node.evidence == skill.node_row(told.node)
    assert Family.objects.get(id=node.family_id).evidence == skill.family_row(told.family)
    assert_sound()


@requirement("life.settle_once")
def test_with_online_learning_off_nothing_is_learned_before_the_end(
    live_workspace_id: str,
) -> None:
    task = reckon(live_workspace_id, RECKONED, NEVER, ANSWERED, online=False)

    assert lines(task) == []

    ended = finish(task)

    assert lines(task) == [("score", ended.score, 1.0)]
    (reward,) = Reward.objects.filter(task=task)
    assert [
        (part["name"], part["score"]) for part in reward.components if part["weight"]
    ] == [
        ("contains at calculator", 1.0), ("contains at calculator", 0.0), ("contains", 1.0),
        ("rubric", 0.95),
    ]  # fmt: skip


def test_both_modes_score_the_task_alike_and_a_step_that_never_came_fails_at_the_end(
    live_workspace_id: str,
) -> None:
    task = reckon(live_workspace_id, UNCALLED, ANSWERED)

    assert lines(task) == []

    ended = finish(task)

    assert ended.score == pytest.approx((0 + 1 + 0.5 * 0.95) / 2.5)
    assert lines(task) == [("score", ended.score, 1.0)]
    (reward,) = Reward.objects.filter(task=task)
    assert reward.components[0]["detail"] == "no call of the tool 'search_knowledge' succeeded"


def test_a_required_step_that_failed_caps_the_score_and_what_is_learned_at_the_end(
    live_workspace_id: str,
) -> None:
    ended = finish(reckon(live_workspace_id, {**NEVER, "required": True}, ANSWERED))

    assert (ended.status, ended.score) == ("failed", 0.2)
    step, last = MarketEntry.objects.filter(task=ended).order_by("rev")
    assert (step.kind, step.score, last.terms["fresh"]) == ("step", 0.0, 0.2)


def test_a_whole_that_was_split_is_checked_by_the_steps_of_its_parts(
    live_workspace_id: str,
) -> None:
    make_agent(live_workspace_id, slug="ada", tools=["calculator"], domains=["general"])
    goal = (
        'Do both:\n1. Reckon. [[tool=calculator {"expression": "6*7"}]] [[answer=42]]\n'
        "2. Rest. [[answer=rested]]"
    )
    task_id = submit(live_workspace_id, goal, checks=[RECKONED, NEVER], max_cycles=1)

    poll(lambda: Task.objects.get(id=task_id).finished_at)

    (reward,) = Reward.objects.filter(task_id=task_id)
    steps = [part for part in reward.components if part["source"] == "check"]
    assert [(part["name"], part["score"]) for part in steps] == [
        ("contains at calculator", 1.0), ("contains at calculator", 0.0),
    ]  # fmt: skip
    assert lines(Task.objects.get(id=task_id)) == []  # nobody but the parts did any work
    assert_sound()


def test_a_step_that_finished_before_a_worker_died_is_settled_by_the_next(
    live_workspace_id: str,
) -> None:
    task = reckon(live_workspace_id, RECKONED, online=False)
    assert lines(task) == []
    Workspace.objects.filter(id=live_workspace_id).update(settings={})  # as if nobody had looked

    finish(task)

    assert [kind for kind, *_ in lines(task)] == ["step", "score"]


def begun(workspace_id: str) -> Claim:
    """Return the claim on a task whose run has called its tool, and nobody has looked yet."""
    agent_id = make_agent(workspace_id, slug="ada", tools=["calculator"], domains=["general"])
    task_id = submit(workspace_id, agent="ada", checks=[RECKONED, ANSWERED])
    (claim,) = take()
    go(claim, FakeWorld(), until=before(RunAgent))
    run = run_id(task_id, 1)
    request = make_request(workspace_id, agent_id, run_id=run, task_id=task_id)
    run_open(request=request, fence=open_fence)
    ToolEffect.objects.create(
        workspace_id=workspace_id, run_id=run, key="call-1", step=0, tool="calculator",
        state="done", result="42", begun_at=Now(), ended_at=Now(),
    )  # fmt: skip
    return claim


@requirement("life.settle_once")
def test_many_who_look_at_once_settle_a_step_once(workspace_id: str) -> None:
    claim = begun(workspace_id)

    came = together(*[lambda: step_checks_settle(claim)] * 4)

    assert sorted(came) == [0, 0, 0, 1]
    assert lines(Task.objects.get(id=claim.task_id)) == [("step", 1.0, 0.4)]
    assert_sound()


@requirement("life.fence")
def test_a_zombie_settles_no_step_and_who_took_over_does_once(workspace_id: str) -> None:
    zombie = begun(workspace_id)
    lapse(zombie.task_id)
    (claim,) = take("worker-2")

    with pytest.raises(ClaimLost):
        step_checks_settle(zombie)

    assert not MarketEntry.objects.exists()
    assert [step_checks_settle(claim), step_checks_settle(claim)] == [1, 0]
    assert lines(Task.objects.get(id=claim.task_id)) == [("step", 1.0, 0.4)]


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"kind": "contains", "value": "a", "step": ""}, "'step' is the name of a tool, not ''"),
        ({"kind": "contains", "value": "a", "step": 1}, "'step' is the name of a tool, not 1"),
        ({"kind": "cites_sources", "step": "fetch"}, "unknown field 'step'"),
    ],
)
def test_a_step_that_cannot_be_is_refused_before_anything_is_paid_for(
    workspace_id: str, check: dict[str, Any], said: str
) -> None:
    with pytest.raises(CheckInvalid, match=said):
        submit(workspace_id, checks=[check])

    assert not Task.objects.exists()
