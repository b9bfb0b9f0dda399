"""Schedules through beat and a worker, from REST to the answer."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.processes import Stack, poll
from tests.requirements import requirement
from tests.support.wire_server import WireServer


@pytest.fixture
def cluster(stack: Stack) -> Iterator[Stack]:
    with WireServer() as model:
        stack.environment |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test"}
        stack.start_web()
        stack.start_worker()
        stack.start_beat()
        yield stack


def call(stack: Stack, method: str, path: str, **options: Any) -> httpx.Response:
    return httpx.request(
        method,
        f"{stack.url}/api/v1/{path}",
        headers={"Authorization": f"Bearer {stack.api_key}"},
        timeout=30,
        **options,
    )


@requirement("http.schedules")
def test_schedules_by_interval_and_once_are_submitted_and_answered(cluster: Stack) -> None:
    made = {
        kind: call(
            cluster,
            "POST",
            "schedules",
            json={"kind": kind, "submission": {"goal": f"Say {kind}. [[answer={kind}]]"}, **when},
        ).json()["id"]
        for kind, when in {
            "interval": {"every_s": 1},
            "once": {"at": "2020-01-01T00:00:00Z"},
            "cron": {"cron": "0 0 1 1 *"},
        }.items()
    }

    def answers(kind: str) -> list[str]:
        rows = cluster.sql(
            "SELECT answer FROM cluster_task WHERE schedule_id = %s AND status = 'succeeded'",
            made[kind],
        )
        return [row[0] for row in rows]

    poll(lambda: len(answers("interval")) >= 2 and answers("once"))

    assert set(answers("interval")) == {"interval"}
    assert answers("once") == ["once"]
    assert answers("cron") == []
    shown = call(cluster, "GET", f"schedules/{made['once']}").json()
    assert (shown["run_count"], shown["next_at"], shown["last_error"]) == (1, None, "")
    assert (
        cluster.sql(
            "SELECT schedule_id FROM cluster_task GROUP BY schedule_id, created_at"
            " HAVING count(*) > 1"
        )
        == []
    )
