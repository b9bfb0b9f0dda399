"""The examples of `docs/rest.md`, run as they stand, in one shell; and a question answered."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import Stack, poll
from tests.requirements import requirement
from tests.support.wire_server import WireServer

TEXT = Path(__file__).parents[2].joinpath("docs/rest.md").read_text(encoding="utf-8")


@pytest.fixture
def cluster(stack: Stack) -> Iterator[Stack]:
    with WireServer() as model:
        stack.environment |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test"}
        stack.start_web()
        stack.start_worker()
        yield stack


def call(stack: Stack, method: str, path: str, **body: Any) -> dict[str, Any]:
    answer = httpx.request(
        method,
        f"{stack.url}/api/v1/{path}",
        headers={"Authorization": f"Bearer {stack.api_key}"},
        json=body or None,
        timeout=30,
    )
    assert answer.is_success, answer.text
    return answer.json()


@requirement("http.tree_and_auction", "http.task_actions")
def test_every_example_works_when_it_is_pasted(cluster: Stack) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        env={**os.environ, "LOOM_URL": cluster.url, "LOOM_API_KEY": cluster.api_key},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert len(blocks) > 8
    said = done.stdout
    assert "event: task.finished" in said
    assert "succeeded" in said
    assert "cluster.goal_invalid" in said
    assert "data: [DONE]" in said
    assert "loom_workers 1" in said


@requirement("http.task_actions")
def test_a_question_is_answered_over_rest_and_the_task_goes_on(cluster: Stack) -> None:
    call(cluster, "POST", "scenes", slug="careful", allow_tags=["read"],
         ask_tags=["write"])  # fmt: skip
    call(cluster, "POST", "agents", slug="writer", name="Writer", tools=["remember"],
         scenes=["careful"])  # fmt: skip
    goal = '[[tool=remember {"text": "the sky is blue"}]] Note it. [[answer=noted]]'
    task = call(cluster, "POST", "tasks", goal=goal, agent="writer")

    asked = poll(lambda: call(cluster, "GET", f"tasks/{task['id']}")["request"])
    call(cluster, "POST", f"tasks/{task['id']}/reply", request_id=asked["id"],
         decision=asked["options"][0])  # fmt: skip
    poll(lambda: call(cluster, "GET", f"tasks/{task['id']}")["status"] == "succeeded")
    rated = call(cluster, "POST", f"tasks/{task['id']}/feedback", score=1, comment="Good.")

    assert rated["answer"] == "noted"
