"""What is no score from 0 to 1 is refused on every door that takes one, and nothing is written."""

from typing import Any

import pytest

from cluster.models import CalibrationCase, MarketEntry, Reward, Task
from cluster.services.tasks import task_submit
from loomsite.access.bridge import db
from tests.factories.access import make_tenant
from tests.factories.cluster import FakeWorld, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
NO_SCORES = [
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1.0000001", "-0.0000001", '"NaN"', '"inf"',
    '"good"', "true", "null", "[1]", "{}", "",
]  # fmt: skip
CASE = '"goal": "Add 2 and 2.", "answer": "4"'


def rated(tenant: Any) -> str:
    """Return a task that was answered and judged."""
    task_id, _ = task_submit(
        workspace_id=tenant.workspace_id, actor="test", door="test", goal="Add 2 and 2."
    )
    work(FakeWorld(replies={"judge": {"score": 0.9, "comment": ""}}))
    return task_id


@requirement("bad_days.bad_input")
def test_over_rest_what_is_no_score_is_a_problem_and_nothing_is_written() -> None:
    tenant = make_tenant()
    client = tenant.client()
    task_id = rated(tenant)
    paths = {
        f"/api/v1/tasks/{task_id}/feedback": '{"score": %s}',
        "/api/v1/calibration-cases": "{" + CASE + ', "score": %s}',
        "/api/v1/tasks": '{"goal": "g", "min_score": %s}',
    }

    for path, body in paths.items():
        for text in NO_SCORES:
            if path == "/api/v1/tasks" and text == "null":
                continue  # no least score is asked for
            sent = body % text
            answer = client.post(path, sent, content_type="application/json")

            assert answer.status_code == 400, (sent, answer.content)
            assert answer["Content-Type"] == "application/problem+json"
            assert b"Traceback" not in answer.content

    assert Task.objects.count() == 1
    assert Reward.objects.count() == 1
    assert MarketEntry.objects.count() == 1
    assert not CalibrationCase.objects.exists()


@requirement("bad_days.bad_input")
async def test_over_mcp_what_is_no_score_is_told_to_the_model(modern: Any) -> None:
    tenant = await db(make_tenant)
    task_id = await db(rated, tenant)

    async with modern(tenant.key) as client:
        for score in (float("nan"), float("inf"), -0.01, 1.01, "NaN", "good", None, [1]):
            result = await client.call_tool("give_feedback", {"task_id": task_id, "score": score})

            assert result.is_error, score
            assert "score" in "".join(part.text for part in result.content)

    assert await db(Reward.objects.count) == 1
    assert await db(MarketEntry.objects.count) == 1
