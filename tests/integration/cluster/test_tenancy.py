"""Another workspace's task is a missing one, whatever is asked of it; what people say counts."""

from collections.abc import Callable
from typing import Any

import pytest

from cluster.core.errors import RequestInvalid, ScoreInvalid, TaskConflict, TaskInvalid, TaskUnknown
from cluster.models import Event, MarketEntry, Reward, Task
from cluster.selectors import tasks as selectors
from cluster.services import replies
from cluster.services import tasks as services
from loomsite.access.core.errors import CursorInvalid
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, assert_all_let_go, submit, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
JUDGED = {"judge": {"score": 0.9, "comment": "good"}}
LIST = "Write about:\n1. cats\n2. dogs"
NEVER = "00000000-0000-4000-8000-000000000000"


ASKED: dict[str, Callable[..., object]] = {
    "task_detail": selectors.task_detail,
    "task_state": selectors.task_state,
    "task_events": selectors.task_events,
    "task_tree": selectors.task_tree,
    "task_auction": selectors.task_auction,
    "task_rewards": selectors.task_rewards,
    "task_cancel": lambda **ids: services.task_cancel(actor="eve", **ids),
    "task_retry": lambda **ids: services.task_retry(actor="eve", **ids),
    "task_reply": lambda **ids: replies.task_reply(actor="eve", text="x", **ids),
    "task_feedback": lambda **ids: services.task_feedback(actor="eve", score=0.0, **ids),
}


@requirement("http.tenancy")
@pytest.mark.parametrize("name", ASKED)
def test_a_strangers_task_is_a_missing_one(workspace_id: str, name: str) -> None:
    task_id = submit(workspace_id)
    work(FakeWorld(replies=JUDGED))
    rows = (Event.objects.count(), Reward.objects.count())
    other = make_tenant().workspace_id
    said = set()

    for wrong in (task_id, NEVER):
        with pytest.raises(TaskUnknown) as caught:
            ASKED[name](workspace_id=other, task_id=wrong)
        said.add(str(caught.value).replace(wrong, "ID"))

    assert said == {"There is no task 'ID'."}
    assert (Event.objects.count(), Reward.objects.count()) == rows
    assert Task.objects.get().status == "succeeded"


@requirement("http.tenancy")
def test_a_list_shows_the_workspaces_own_tasks_page_by_page(workspace_id: str) -> None:
    submit(make_tenant().workspace_id)
    ids = [submit(workspace_id, f"Task {n}.") for n in range(5)]
    pages: list[str] = []
    cursor: str | None = None

    for _ in range(3):
        rows, cursor = selectors.task_list(workspace_id=workspace_id, limit=2, cursor=cursor)
        pages += [row["id"] for row in rows]

    assert pages == ids[::-1]
    assert cursor is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"status": "happy"}, "status"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(
    workspace_id: str, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestInvalid) as caught:
        selectors.task_list(workspace_id=workspace_id, **asked)

    assert caught.value.field == field


@pytest.mark.parametrize("cursor", ["2030-01-01|x", "\0"])
def test_a_cursor_that_is_not_ours_is_refused(workspace_id: str, cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        selectors.task_list(workspace_id=workspace_id, cursor=cursor)


def test_a_strangers_agent_and_collection_cannot_be_asked_for(workspace_id: str) -> None:
    make_agent(make_tenant().workspace_id, slug="ada")

    for raw in ({"agent": "ada"}, {"collections": ["docs"]}):
        with pytest.raises(TaskInvalid):
            submit(workspace_id, **raw)

    assert not Task.objects.exists()


# ---------------------------------------------------------------- what people say


@requirement("life.feedback")
def test_feedback_is_one_more_observation_and_changes_nothing_that_was_written(
    workspace_id: str,
) -> None:
    task_id = submit(workspace_id)
    work(FakeWorld(replies=JUDGED))

    number = services.task_feedback(
        workspace_id=workspace_id, task_id=task_id, score=0.1, actor="ada", comment="meh"
    )

    assert number == 1
    assert [(r.evaluation, r.score, r.source) for r in Reward.objects.order_by("id")] == [
        (0, 0.9, "fake-model"),
        (1, 0.1, "ada"),
    ]
    assert [(e.evaluation, e.score) for e in MarketEntry.objects.order_by("rev")] == [
        (0, 0.9),
        (1, 0.1),
    ]
    task = Task.objects.get()
    assert (task.status, task.score) == ("succeeded", 0.9)
    assert Event.objects.filter(type="task.rated").count() == 1
    assert_all_let_go()


def test_who_won_a_task_that_was_split_is_not_rated_for_it(workspace_id: str) -> None:
    task_id = submit(workspace_id, LIST)
    work(FakeWorld())

    services.task_feedback(workspace_id=workspace_id, task_id=task_id, score=0.0, actor="ada")

    assert Reward.objects.get(task_id=task_id, evaluation=1).node_id is None
    assert not MarketEntry.objects.exists()


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), "0.5", None, True, [1]])
def test_a_score_that_is_none_is_refused(workspace_id: str, score: Any) -> None:
    task_id = submit(workspace_id)
    work(FakeWorld(replies=JUDGED))

    with pytest.raises(ScoreInvalid):
        services.task_feedback(workspace_id=workspace_id, task_id=task_id, score=score, actor="a")

    assert Reward.objects.count() == 1


@pytest.mark.parametrize("comment", [7, "a\0", "\ud83d", "a" * 10_001])
def test_a_comment_that_cannot_be_stored_is_refused(workspace_id: str, comment: Any) -> None:
    task_id = submit(workspace_id)
    work(FakeWorld(replies=JUDGED))

    with pytest.raises(RequestInvalid):
        services.task_feedback(
            workspace_id=workspace_id, task_id=task_id, score=0.5, actor="a", comment=comment
        )

    assert Reward.objects.count() == 1


def test_what_has_not_ended_and_what_nobody_answered_cannot_be_rated(workspace_id: str) -> None:
    task_id = submit(workspace_id)

    with pytest.raises(TaskConflict, match="when it has ended"):
        services.task_feedback(workspace_id=workspace_id, task_id=task_id, score=0.5, actor="a")
    services.task_cancel(workspace_id=workspace_id, task_id=task_id, actor="a")
    with pytest.raises(TaskConflict, match="nothing to rate"):
        services.task_feedback(workspace_id=workspace_id, task_id=task_id, score=0.5, actor="a")
