"""The loop's decision: from what is recorded, what comes next."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cluster.core import amoeba
from cluster.core.steps import (
    Ask,
    Delegate,
    Finish,
    HoldAuction,
    Judge,
    JudgeOutcome,
    ModelAnswer,
    NextCycle,
    Park,
    PlanOutcome,
    PlanSplit,
    Record,
    RunAgent,
    RunOutcome,
    Sense,
    SenseOutcome,
    Settle,
    Spawn,
    Step,
    Suspended,
    Unavailable,
)
from cluster.core.types import (
    Executed,
    Matched,
    Outcome,
    Rejection,
    Scaled,
    Sensed,
    Status,
    TaskView,
    Verdict,
)
from tests.factories.cluster import (
    ADAPTED,
    ANSWERED,
    BAD,
    GOOD,
    MATCHED,
    NOW,
    SENSED,
    SOLO,
    make_child,
    make_split,
    make_view,
    usd,
)

GOAL = "Say what six times seven is."
RUN = RunAgent(node_id="node-1", agent_id="agent-1", agent="ada", goal=GOAL)
TWO = make_split("a", "b")
DONE = make_view(
    sensed=SENSED, matched=MATCHED, scaled=SOLO, executed=ANSWERED, verdict=GOOD, adapted=ADAPTED
)
REJECTED = replace(DONE, verdict=BAD)


@pytest.mark.parametrize(
    ("view", "step"),
    [
        pytest.param(make_view(), Sense(text=GOAL), id="nothing yet: look at the goal"),
        pytest.param(
            make_view(sensed=SENSED),
            HoldAuction(weights={"general": 1.0}, complexity=0.3),
            id="sensed: hold the auction",
        ),
        pytest.param(
            make_view(
                sensed=SENSED,
                matched=Matched(
                    node_id=None, agent_id=None, agent=None, auction_id=None, reason="2 retired."
                ),
            ),
            Finish(
                status=Status.FAILED,
                outcome=Outcome.FAILED,
                error_code="cluster.no_capable_agent",
                error_message="No agent can take this task: 2 retired.",
            ),
            id="nobody can do it: the end",
        ),
        pytest.param(
            make_view(spec={"agent": "ada"}, sensed=SENSED, matched=MATCHED),
            Record(result=Scaled(split=False, reason="asked of one agent")),
            id="asked of one agent: alone",
        ),
        pytest.param(
            make_view(spec={"depth": 2}, sensed=SENSED, matched=MATCHED),
            Record(result=Scaled(split=False, reason="at the greatest depth (2)")),
            id="as deep as may be: alone",
        ),
        pytest.param(
            make_view(sensed=SENSED, matched=MATCHED, tree_size=63),
            Record(result=Scaled(split=False, reason="the tree is at its cap of 64 tasks")),
            id="the tree is full: alone",
        ),
        pytest.param(
            make_view(sensed=SENSED, matched=MATCHED, scaled=SOLO), RUN, id="alone: run the winner"
        ),
        pytest.param(
            make_view(sensed=SENSED, matched=MATCHED, scaled=TWO),
            Spawn(parts=TWO.parts),
            id="split: create the parts",
        ),
        pytest.param(
            make_view(
                sensed=SENSED,
                matched=MATCHED,
                scaled=TWO,
                spawned=True,
                children=(make_child("a"), make_child("b", Status.RUNNING)),
            ),
            Park(status=Status.WAITING, reason="1 of 2 parts done"),
            id="a part is open: wait",
        ),
        pytest.param(
            make_view(
                sensed=SENSED,
                matched=MATCHED,
                scaled=TWO,
                spawned=True,
                children=(make_child("a"), make_child("b")),
            ),
            Record(
                result=Executed(
                    stop="answered",
                    answer="### Do a.\n\na is done.\n\n### Do b.\n\nb is done.",
                )
            ),
            id="all parts done: put together",
        ),
        pytest.param(
            make_view(
                sensed=SENSED,
                matched=MATCHED,
                scaled=make_split("a", "b", merge="agent"),
                spawned=True,
                children=(make_child("a"), make_child("b", Status.FAILED)),
            ),
            replace(
                RUN,
                context=(
                    "# Results of the parts\n\n## Do a.\na is done.\n\n"
                    "## Do b.\n(no answer: b broke)"
                ),
            ),
            id="a planned split: the winner writes one answer",
        ),
        pytest.param(
            make_view(sensed=SENSED, matched=MATCHED, scaled=SOLO, executed=ANSWERED),
            Judge(answer="42"),
            id="answered: judge it",
        ),
        pytest.param(
            make_view(sensed=SENSED, matched=MATCHED, scaled=SOLO, executed=ANSWERED, verdict=GOOD),
            Settle(verdict=GOOD, node_id="node-1", reason="score"),
            id="judged: learn",
        ),
        pytest.param(
            DONE,
            Finish(
                status=Status.SUCCEEDED,
                outcome=Outcome.SUCCEEDED,
                answer="42",
                score=0.9,
                verified=True,
            ),
            id="accepted: the end",
        ),
        pytest.param(REJECTED, NextCycle(reason="the sum is wrong"), id="rejected: once more"),
        pytest.param(
            replace(REJECTED, cycle=2),
            Finish(
                status=Status.FAILED,
                outcome=Outcome.FAILED,
                answer="42",
                score=0.1,
                verified=True,
                error_code="cluster.rejected",
                error_message="the sum is wrong",
            ),
            id="rejected in the last cycle: the end",
        ),
    ],
)
def test_each_state_has_its_next_step(view: TaskView, step: Step) -> None:
    assert amoeba.next_step(view) == step


def test_the_next_step_depends_on_nothing_but_the_view() -> None:
    view = make_view(sensed=SENSED, matched=MATCHED)

    assert [amoeba.next_step(view) for _ in range(5)] == [amoeba.next_step(view)] * 5


def test_a_list_in_the_goal_is_split_without_a_model() -> None:
    view = make_view(
        spec={"goal": "Write about:\n1. cats\n2. dogs, building on part 1\n3. all of these"},
        sensed=SENSED,
        matched=MATCHED,
    )

    step = amoeba.next_step(view)

    assert isinstance(step, Record)
    assert isinstance(step.result, Scaled)
    assert [(p.key, p.goal, p.depends_on) for p in step.result.parts] == [
        ("part-1", "cats", ()),
        ("part-2", "dogs, building on part 1", ("part-1",)),
        ("part-3", "all of these", ("part-1", "part-2")),
    ]
    assert step.result.shared == "Write about:"


def test_more_parts_than_there_is_room_for_share_tasks_and_none_is_dropped() -> None:
    goal = "Do:\n" + "\n".join(f"{n}. thing {n}" for n in range(1, 20))
    view = make_view(spec={"goal": goal}, sensed=SENSED, matched=MATCHED)

    step = amoeba.next_step(view)

    assert isinstance(step, Record)
    assert isinstance(step.result, Scaled)
    assert len(step.result.parts) <= 8
    assert [line for p in step.result.parts for line in p.goal.splitlines()] == [
        f"thing {n}" for n in range(1, 20)
    ]
    assert step.result.notes == ("19 parts in 7 tasks: at most 8 side by side",)


# ---------------------------------------------------------------- what comes from outside


@pytest.mark.parametrize(
    "view",
    [make_view(), make_view(sensed=SENSED), DONE, REJECTED],
    ids=["at first", "in between", "at the end", "before a new cycle"],
)
def test_a_cancel_ends_a_task_in_any_state(view: TaskView) -> None:
    step = amoeba.next_step(replace(view, cancel_requested=True))

    assert isinstance(step, Finish)
    assert (step.status, step.outcome, step.error_code) == (
        Status.CANCELLED,
        Outcome.CANCELLED,
        "cluster.cancelled",
    )


def test_three_deaths_at_one_step_set_a_task_aside() -> None:
    steps = [amoeba.next_step(make_view(crash_count=n)) for n in (1, 2, 3)]

    assert steps == [
        Sense(text=GOAL),
        Sense(text=GOAL),
        Finish(
            status=Status.FAILED,
            outcome=Outcome.FAILED,
            error_code="cluster.poison",
            error_message="Set aside: the process running it died 3 times at the same step.",
        ),
    ]


def test_a_passed_deadline_ends_a_task_with_the_answer_it_has() -> None:
    view = make_view(
        spec={"deadline_at": NOW}, sensed=SENSED, matched=MATCHED, scaled=SOLO, executed=ANSWERED
    )

    assert amoeba.next_step(view) == Finish(
        status=Status.FAILED,
        outcome=Outcome.TIMED_OUT,
        error_code="cluster.deadline_passed",
        error_message="The task's deadline passed.",
        answer="42",
    )


def test_a_deadline_ahead_changes_nothing_and_one_that_passed_after_adapt_neither() -> None:
    ahead = make_view(spec={"deadline_at": NOW + timedelta(seconds=1)})
    done = replace(DONE, task=replace(DONE.task, deadline_at=NOW))

    assert amoeba.next_step(ahead) == Sense(text=GOAL)
    assert isinstance(amoeba.next_step(done), Finish)
    assert amoeba.next_step(done) == amoeba.next_step(DONE)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param({}, True, id="cycles and money are left"),
        pytest.param({"spec": {"max_cycles": 1}}, False, id="no cycle is left"),
        pytest.param({"spec": {"budget_usd": Decimal("0.5")}, "spent": usd("0.4")}, True, id="$"),
        pytest.param(
            {"spec": {"budget_usd": Decimal("0.5")}, "spent": usd("0.5")}, False, id="none"
        ),
        pytest.param({"spec": {"budget_usd": Decimal(0)}}, False, id="a budget of nothing"),
        pytest.param(
            {"verdict": replace(BAD, outcome=Outcome.OVER_BUDGET)}, False, id="over budget is final"
        ),
        pytest.param(
            {"verdict": replace(BAD, outcome=Outcome.CANCELLED)}, False, id="cancelled is final"
        ),
        pytest.param({"verdict": replace(BAD, outcome=Outcome.EMPTY)}, True, id="empty is not"),
        pytest.param(
            {"executed": Executed(stop="unavailable")}, False, id="nobody answered for an hour"
        ),
    ],
)
def test_a_rejected_answer_gets_a_new_cycle_while_that_can_help(
    change: dict[str, Any], *, again: bool
) -> None:
    fields: dict[str, Any] = {
        "sensed": SENSED,
        "matched": MATCHED,
        "scaled": SOLO,
        "executed": ANSWERED,
        "verdict": BAD,
        "adapted": ADAPTED,
    }

    step = amoeba.next_step(make_view(**fields | change))

    assert isinstance(step, NextCycle if again else Finish)


# ---------------------------------------------------------------- the second cycle

SECOND = make_view(
    cycle=2,
    rejection=Rejection(
        cycle=1,
        node_id="node-1",
        outcome=Outcome.FAILED,
        comment="the sum is wrong",
        answer="41",
    ),
)


def test_a_second_cycle_sees_the_comment_leaves_out_who_failed_and_shows_the_rejected_answer() -> (
    None
):
    sense = amoeba.next_step(SECOND)
    match = amoeba.next_step(replace(SECOND, sensed=SENSED))
    run = amoeba.next_step(replace(SECOND, sensed=SENSED, matched=MATCHED, scaled=SOLO))

    assert sense == Sense(text=f"{GOAL}\n\nAn earlier answer was rejected: the sum is wrong")
    assert match == HoldAuction(weights={"general": 1.0}, complexity=0.3, without=("node-1",))
    assert run == replace(
        RUN,
        context=(
            "An earlier answer to this was rejected.\nWhat was wrong: the sum is wrong\n"
            "The rejected answer: 41"
        ),
    )


def test_a_second_cycle_keeps_the_parts_that_succeeded() -> None:
    goal = "Do:\n1. cats\n2. dogs"
    earlier = (
        make_child("part-1", goal="cats", id="old-1"),
        make_child("part-2", Status.FAILED, goal="dogs", id="old-2"),
    )
    view = replace(
        SECOND,
        task=replace(SECOND.task, goal=goal),
        sensed=SENSED,
        matched=MATCHED,
        earlier_children=earlier,
    )

    step = amoeba.next_step(view)

    assert isinstance(step, Record)
    assert isinstance(step.result, Scaled)
    assert [p.reuse_task_id for p in step.result.parts] == ["old-1", None]


# ---------------------------------------------------------------- what outcomes mean


def test_a_usable_reply_is_what_was_sensed() -> None:
    reply = ModelAnswer(
        value={"complexity": 7, "confidence": 0.8, "domain": "code", "tools": ["shell", "nothing"]},
        model="m",
    )

    step = amoeba.conclude(
        make_view(),
        Sense(text=GOAL),
        SenseOutcome(similarities={"code": 0.5, "law": 0.1}, reply=reply, tools=("shell",)),
    )

    assert isinstance(step, Record)
    assert isinstance(step.result, Sensed)
    assert replace(step.result, weights={}, similarities={}) == replace(
        SENSED, complexity=1.0, domain="code", tools=("shell",), weights={}
    )
    assert sum(step.result.weights.values()) == pytest.approx(1.0)


def test_without_a_reply_the_estimate_is_marked_as_a_fallback_with_the_reason() -> None:
    step = amoeba.conclude(
        make_view(),
        Sense(text=GOAL),
        SenseOutcome(
            similarities={"code": 0.5, "law": 0.1},
            reply=ModelAnswer(value=None, why="model cannot"),
        ),
    )

    assert isinstance(step, Record)
    result: Any = step.result
    assert (result.source, result.why, result.domain) == ("fallback", "model cannot", "code")
    assert 0 < result.complexity < 1


PLAN = PlanSplit(goal=GOAL, max_parts=8, reason="it pays")


def plan(*parts: tuple[str, tuple[str, ...]]) -> ModelAnswer:
    return ModelAnswer(
        value={"parts": [{"key": k, "goal": f"Do {k}.", "depends_on": list(d)} for k, d in parts]}
    )


@pytest.mark.parametrize(
    ("outcome", "split", "said"),
    [
        pytest.param(
            PlanOutcome(reply=plan(("a", ()), ("b", ("a",)))), True, "it pays", id="a plan"
        ),
        pytest.param(
            PlanOutcome(
                reply=plan(("a", ("b",)), ("b", ("a",))), repaired=plan(("a", ()), ("b", ()))
            ),
            True,
            "it pays",
            id="a repaired plan",
        ),
        pytest.param(
            PlanOutcome(
                reply=plan(("a", ("b",)), ("b", ("a",))),
                repaired=plan(("a", ("c",)), ("b", ())),
            ),
            False,
            "the plan could not be used: 'a' depends on 'c', which is no part",
            id="twice no plan",
        ),
        pytest.param(
            PlanOutcome(reply=plan(("a", ()))),
            False,
            "the planner sees one piece of work",
            id="one",
        ),
        pytest.param(
            PlanOutcome(reply=ModelAnswer(value=None, why="refused")),
            False,
            "the planner gave no plan: refused",
            id="no reply",
        ),
    ],
)
def test_a_plan_is_taken_only_when_it_is_one(
    outcome: PlanOutcome, *, split: bool, said: str
) -> None:
    step = amoeba.conclude(make_view(), PLAN, outcome)

    assert isinstance(step, Record)
    assert isinstance(step.result, Scaled)
    assert (step.result.split, step.result.reason) == (split, said)


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        pytest.param(RunOutcome(executed=ANSWERED), Record(result=ANSWERED), id="answered"),
        pytest.param(
            RunOutcome(suspended=Suspended(kind="question", key="k", run_id="r", question="Why?")),
            Ask(suspended=Suspended(kind="question", key="k", run_id="r", question="Why?")),
            id="a question",
        ),
        pytest.param(
            RunOutcome(suspended=Suspended(kind="children", key="k", run_id="r")),
            Delegate(suspended=Suspended(kind="children", key="k", run_id="r")),
            id="handed on",
        ),
        pytest.param(
            RunOutcome(unavailable=Unavailable(reason="503", retry_after_s=4)),
            Park(
                status=Status.RUNNING,
                reason="waiting for the model endpoint: 503",
                until=NOW + timedelta(seconds=4),
                unavailable=True,
            ),
            id="nobody answers",
        ),
        pytest.param(
            RunOutcome(unavailable=Unavailable(reason="503", retry_after_s=0)),
            Park(
                status=Status.RUNNING,
                reason="waiting for the model endpoint: 503",
                until=NOW + timedelta(seconds=0.5),
                unavailable=True,
            ),
            id="nobody answers and says to come at once",
        ),
    ],
)
def test_what_a_run_came_to(outcome: RunOutcome, step: Step) -> None:
    assert amoeba.conclude(make_view(), RUN, outcome) == step


def test_patience_with_an_endpoint_ends() -> None:
    view = make_view(unavailable_s=3600.0)

    step = amoeba.conclude(
        view, RUN, RunOutcome(unavailable=Unavailable(reason="503", retry_after_s=1))
    )

    assert step == Record(
        result=Executed(
            stop="unavailable",
            error_code="cluster.model_unavailable",
            error_message="No model answered for 3600 s: 503",
        )
    )


def test_a_merged_answer_over_a_missing_part_is_no_success() -> None:
    view = make_view(children=(make_child("a"), make_child("b", Status.FAILED)))

    step = amoeba.conclude(view, RUN, RunOutcome(executed=ANSWERED))

    assert step == Record(
        result=replace(
            ANSWERED,
            stop="failed",
            failed_parts=("b",),
            error_code="cluster.parts_failed",
            error_message="part 'b' failed: b broke",
        )
    )


@pytest.mark.parametrize(
    ("stop", "verdict", "hard"),
    [
        ("empty", (Outcome.EMPTY, 0.0, True), False),
        ("refused", (Outcome.REFUSED, 0.0, True), False),
        ("failed", (Outcome.FAILED, 0.0, True), False),
        ("timed_out", (Outcome.TIMED_OUT, 0.0, True), True),
        ("unavailable", (Outcome.FAILED, None, False), True),
        ("over_budget", (Outcome.OVER_BUDGET, None, False), False),
        ("cancelled", (Outcome.CANCELLED, None, False), False),
    ],
)
def test_a_run_without_an_answer_needs_no_judge_and_outages_teach_nothing_about_skill(
    stop: Any, verdict: tuple[Any, ...], *, hard: bool
) -> None:
    view = make_view(
        sensed=SENSED, matched=MATCHED, scaled=SOLO, executed=Executed(stop=stop, error_message="x")
    )

    judged = amoeba.next_step(view)

    assert isinstance(judged, Record)
    given = judged.result
    assert isinstance(given, Verdict)
    assert (given.outcome, given.score, given.verified) == verdict
    assert not given.accepted
    settle = amoeba.next_step(replace(view, verdict=given))
    assert isinstance(settle, Settle)
    assert settle.hard_error is hard
    assert (settle.node_id is None) == (given.score is None and not hard)


@pytest.mark.parametrize(
    ("min_score", "judged", "accepted", "score"),
    [
        (None, None, True, None),
        (None, 0.2, True, 0.2),
        (0.5, 0.4, False, 0.4),
        (0.5, 0.5, True, 0.5),
        (0.5, None, False, None),
    ],
)
def test_a_score_decides_only_where_one_was_asked_for(
    min_score: float | None, judged: float | None, *, accepted: bool, score: float | None
) -> None:
    view = make_view(spec={"min_score": min_score})
    reply = (
        ModelAnswer(value=None, why="model cannot")
        if judged is None
        else ModelAnswer(value={"score": judged, "comment": "so so"}, model="m")
    )

    step = amoeba.conclude(view, Judge(answer="42"), JudgeOutcome(checks=(), reply=reply))

    assert isinstance(step, Record)
    assert isinstance(step.result, Verdict)
    assert (step.result.accepted, step.result.score, step.result.verified) == (
        accepted,
        score,
        judged is not None,
    )


def test_the_parent_of_assembled_parts_teaches_the_market_nothing_about_its_winner() -> None:
    view = make_view(sensed=SENSED, matched=MATCHED, scaled=TWO, spawned=True, executed=ANSWERED)

    step = amoeba.next_step(replace(view, verdict=GOOD))

    assert step == Settle(
        verdict=GOOD, node_id=None, reason="the parts were settled with their own agents"
    )
