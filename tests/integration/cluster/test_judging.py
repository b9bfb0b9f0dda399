"""The judge: how it is asked, what it is believed, and what is kept of it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cluster import growing
from cluster.core.errors import CaseUnknown, RequestInvalid, ScoreInvalid
from cluster.core.perform import Ports
from cluster.core.steps import ModelAnswer
from cluster.core.types import Json
from cluster.models import JudgeAudit, MarketEntry, Reward, Task
from cluster.runner import MeasuredBelief
from cluster.selectors import judging as reads
from cluster.services import calibration
from cluster.services.tasks import task_feedback
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, answered, submit, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
KNOWN = (0.0, 0.1, 0.2, 0.8, 0.9, 1.0)


class FakeMind:
    """`WorkspaceMind` that grades as a function of the known answer says."""

    def __init__(self, says: Callable[[str], float | None]) -> None:
        self.says = says
        self.asked: list[str] = []

    async def ask(
        self, workspace_id: str, *, purpose: Any, system: str, user: str, schema: Json
    ) -> ModelAnswer:
        self.asked.append(user)
        score = self.says(user)
        if score is None:
            return ModelAnswer(value=None, why="unavailable")
        return ModelAnswer(value={"score": score, "comment": "graded"}, model="judge-1")


class BelievingWorld(FakeWorld):
    """A world whose judge is believed as far as the workspace has measured it."""

    def ports(self) -> Ports:
        return replace(super().ports(), belief=MeasuredBelief())


def calibrate(workspace_id: str, says: Callable[[str], float | None]) -> FakeMind:
    """Let a judge grade answers of known worth."""
    for score in KNOWN:
        calibration.case_add(
            workspace_id=workspace_id, goal="Add 2 and 2.", answer=f"worth {score}", score=score
        )
    mind = FakeMind(says)
    asyncio.run(growing.judge_audit(workspace_id, mind=mind, actor="ada"))
    return mind


def worth(user: str) -> float:
    return float(user.partition("worth ")[2].partition("\n")[0])


def judged(workspace_id: str, score: float, **raw: Any) -> Reward:
    task_id = submit(workspace_id, max_cycles=1, **raw)
    work(BelievingWorld(replies={"judge": {"score": score, "comment": "fine"}}))
    return Reward.objects.get(task_id=task_id, evaluation=0)


# ---------------------------------------------------------------- asking


def test_the_judge_does_not_learn_who_answered_and_sees_criteria_in_changing_order(
    workspace_id: str,
) -> None:
    make_agent(workspace_id, slug="ada-lovelace", name="Ada Lovelace")
    world = FakeWorld(replies={"judge": {"score": 0.9, "comment": "good"}})
    for _ in range(8):
        submit(workspace_id, agent="ada-lovelace")
    work(world)

    asked = [user for purpose, user in world.asked if purpose == "judge"]

    assert len(asked) == 8
    assert not [user for user in asked if "ada" in user.casefold()]
    assert len({user.split("<asked>")[0] for user in asked}) > 1


def test_a_signed_answer_is_shown_to_the_judge_without_its_signature(workspace_id: str) -> None:
    make_agent(workspace_id, slug="turing-7", name="Alan Turing")
    signed = "I am Alan Turing. It is 42; ask turing-7 for more.\n\nBest regards,\nAlan Turing"
    world = BelievingWorld(
        run=lambda _view, _step: answered(signed),
        replies={"judge": {"score": 0.9, "comment": "good"}},
    )
    task_id = submit(workspace_id, agent="turing-7", max_cycles=1)
    work(world)

    (asked,) = [user for purpose, user in world.asked if purpose == "judge"]

    assert "turing" not in asked.casefold()
    assert "It is 42" in asked
    assert Task.objects.get(id=task_id).answer == signed


def test_a_grade_in_doubt_is_asked_for_again_in_another_order_and_all_are_kept(
    workspace_id: str,
) -> None:
    grades = iter([0.5, 0.9, 0.8])
    world = FakeWorld(replies={"judge": lambda _user: {"score": next(grades), "comment": "hm"}})
    task_id = submit(workspace_id)
    work(world)

    asked = [user for purpose, user in world.asked if purpose == "judge"]
    (part,) = Reward.objects.get(task_id=task_id).components
    assert len(asked) == 3
    assert [user.index("<asked>") < user.index("<answer>") for user in asked] == [True, False, True]
    assert part["score"] == 0.8
    assert part["detail"].startswith("looked 3 times (0.50, 0.90, 0.80): ")


def test_a_judge_that_goes_silent_on_the_second_look_is_taken_at_its_first_word(
    workspace_id: str,
) -> None:
    said = iter([{"score": 0.5, "comment": "hm"}, None])
    task_id = submit(workspace_id)
    work(
        FakeWorld(
            replies={
                "judge": lambda _user: next(said) or ModelAnswer(value=None, why="unavailable")
            }
        )
    )

    reward = Reward.objects.get(task_id=task_id)
    assert (reward.score, reward.verified, reward.components[0]["weight"]) == (0.5, True, 0.5)


@requirement("bad_days.junk")
@pytest.mark.parametrize(
    "said", [float("nan"), float("inf"), -0.1, 1.5, "high", None, True, [1]], ids=repr
)
def test_a_grade_that_is_no_score_is_no_grade_and_the_checks_decide(
    workspace_id: str, said: Any
) -> None:
    world = FakeWorld(replies={"judge": {"score": said, "comment": "great"}})
    checked = submit(workspace_id, max_cycles=1, checks=[{"kind": "contains", "value": "seven"}])
    unchecked = submit(workspace_id, max_cycles=1)

    work(world)

    assert Task.objects.filter(status="succeeded").count() == 2
    kept = Reward.objects.get(task_id=checked)
    assert (kept.score, kept.verified, [c["source"] for c in kept.components]) == (
        1.0, True, ["check"],
    )  # fmt: skip
    assert kept.source.startswith("none: no grade: score is ")
    assert (Reward.objects.get(task_id=unchecked).score, MarketEntry.objects.count()) == (None, 1)


def test_without_a_judge_checks_alone_decide_and_without_both_nothing_is_learned(
    workspace_id: str,
) -> None:
    down = {"judge": ModelAnswer(value=None, why="unavailable")}
    checked = submit(workspace_id, checks=[{"kind": "contains", "text": "Answer"}])
    plain = submit(workspace_id)
    work(FakeWorld(replies=down))

    first, second = (Reward.objects.get(task_id=task_id) for task_id in (checked, plain))
    assert (first.score, first.verified, first.source) == (1.0, True, "none: unavailable")
    assert [part["source"] for part in first.components] == ["check"]
    assert (second.score, second.verified, second.components) == (None, False, [])
    assert [entry.task_id for entry in MarketEntry.objects.all()] == [first.task_id]


# ---------------------------------------------------------------- measuring


def test_a_good_judge_is_believed_and_how_good_it_is_can_be_read(workspace_id: str) -> None:
    calibrate(workspace_id, lambda user: min(worth(user) + 0.05, 1.0))

    report = reads.judge_report(workspace_id=workspace_id)

    assert (report["trust"], report["weight"], report["flags"]) == (1.0, 0.5, [])
    audit = report["audit"]
    assert (audit["n"], audit["failed"], audit["agreement"], audit["model"]) == (
        6,
        0,
        1.0,
        "judge-1",
    )
    assert audit["brier"] == pytest.approx(0.0021, abs=0.0005)
    assert sum(bin_["count"] for bin_ in audit["bins"]) == 6
    detail = reads.audit_detail(workspace_id=workspace_id, audit_id=audit["id"])
    assert sorted(grade["known"] for grade in detail["grades"]) == sorted(KNOWN)


@pytest.mark.parametrize(
    ("says", "flag"),
    [
        (lambda _user: 1.0, "constant"),
        (lambda user: 1.0 - worth(user), "inverted"),
        (lambda _user: 0.0, "constant"),
    ],
)
def test_a_judge_that_tells_nothing_weighs_nothing_and_is_flagged(
    workspace_id: str, says: Callable[[str], float], flag: str
) -> None:
    calibrate(workspace_id, says)

    report = reads.judge_report(workspace_id=workspace_id)
    assert (report["trust"], report["weight"]) == (0.0, 0.0)
    assert flag in report["flags"]

    alone = judged(workspace_id, 1.0)
    assert (alone.score, alone.verified) == (None, False)
    checked = judged(workspace_id, 1.0, checks=[{"kind": "contains", "text": "nowhere"}])
    assert (checked.score, checked.verified) == (0.0, True)
    assert [(part["source"], part["weight"]) for part in checked.components] == [
        ("check", 1.0),
        ("judge", 0.0),
    ]
    assert checked.components[1]["detail"].startswith("believed by 0.00")


def test_a_noisy_judge_weighs_less(workspace_id: str) -> None:
    calibrate(workspace_id, lambda user: 0.75 if worth(user) > 0.5 else 0.55)

    assert 0.0 < reads.judge_trust(workspace_id=workspace_id) < 1.0


def test_a_judge_that_is_down_gets_no_grades_and_loses_nothing(workspace_id: str) -> None:
    calibrate(workspace_id, lambda _user: None)

    audit = JudgeAudit.objects.get()
    assert (audit.n, audit.failed, audit.flags) == (0, 6, ["silent"])
    assert reads.judge_trust(workspace_id=workspace_id) == 1.0


def test_people_who_disagree_with_the_judge_lower_its_weight(workspace_id: str) -> None:
    for person in (0.0, 0.1, 0.9, 1.0, 0.2, 0.0):
        reward = judged(workspace_id, 0.95)
        task_feedback(
            workspace_id=workspace_id, task_id=str(reward.task_id), score=person, actor="ada"
        )

    report = reads.judge_report(workspace_id=workspace_id)

    assert (report["live"]["pairs"], report["trust"]) == (6, 0.0)
    assert "live: constant" in report["flags"]


def test_a_constant_judge_is_found_without_any_known_answer_where_checks_differ(
    workspace_id: str,
) -> None:
    for number in range(20):
        text = "Answer" if number % 2 else "nowhere"
        judged(workspace_id, 1.0, checks=[{"kind": "contains", "text": text}])

    report = reads.judge_report(workspace_id=workspace_id)

    assert (report["trust"], report["flags"]) == (0.0, ["live: constant"])


# ---------------------------------------------------------------- the set


def test_an_audit_is_due_when_the_set_changed_and_not_again(workspace_id: str) -> None:
    assert reads.audits_due() == []
    calibrate(workspace_id, worth)
    assert reads.audits_due() == []

    case = reads.case_list(workspace_id=workspace_id)[0][0]
    calibration.case_update(workspace_id=workspace_id, case_id=case["id"], score=0.5)

    assert reads.audits_due() == [workspace_id]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"goal": "  "}, RequestInvalid),
        ({"answer": "x" * 50_001}, RequestInvalid),
        ({"goal": "a\x00b"}, RequestInvalid),
        ({"score": 1.5}, ScoreInvalid),
        ({"score": float("nan")}, ScoreInvalid),
        ({"score": "good"}, ScoreInvalid),
    ],
)
def test_a_case_that_makes_no_sense_is_refused_and_nothing_is_kept(
    workspace_id: str, values: dict[str, Any], error: type[Exception]
) -> None:
    good = {"goal": "Add 2 and 2.", "answer": "4", "score": 1.0}

    with pytest.raises(error):
        calibration.case_add(workspace_id=workspace_id, **(good | values))

    assert reads.case_list(workspace_id=workspace_id) == ([], None)


def test_a_foreign_case_is_like_a_missing_one(workspace_id: str) -> None:
    case_id = calibration.case_add(workspace_id=workspace_id, goal="g", answer="a", score=1)
    other = make_tenant().workspace_id

    for call in (
        lambda: reads.case_detail(workspace_id=other, case_id=case_id),
        lambda: calibration.case_remove(workspace_id=other, case_id=case_id),
        lambda: calibration.case_update(workspace_id=other, case_id="no-id", score=0),
    ):
        with pytest.raises(CaseUnknown):
            call()
