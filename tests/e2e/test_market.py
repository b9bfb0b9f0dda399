"""A cluster of good and bad agents, through real workers: who ends up with the work, and why."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.processes import Stack, poll
from tests.requirements import requirement
from tests.support.wire_server import WireServer

GOOD, BAD = ("ada", "bob", "cleo"), "mallory"
GOAL = "When does the harbour open? [[right=noon]]"


@pytest.fixture
def model() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def rest(stack: Stack, model: WireServer) -> Iterator[httpx.Client]:
    """Return a client of a stack with two workers, four agents and a model."""
    stack.environment |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test"}
    stack.start_web()
    stack.start_worker()
    stack.start_worker()
    with httpx.Client(
        base_url=f"{stack.url}/api/v1/",
        headers={"Authorization": f"Bearer {stack.api_key}"},
        timeout=30,
    ) as client:
        for slug in (*GOOD, BAD):
            says = "It opens at noon." if slug in GOOD else "It never opens."
            made = client.post(
                "agents",
                json={"slug": slug, "name": slug, "instructions": f"Be brief. [[answer={says}]]"},
            )
            assert made.status_code == 201, made.text
        yield client


def submit(rest: httpx.Client, count: int, **fields: Any) -> list[str]:
    """Submit so many tasks, wait for their ends, and return their ids."""
    body = {"goal": GOAL, "checks": [{"kind": "contains", "text": "noon"}], "max_cycles": 1}
    ids = [rest.post("tasks", json={**body, **fields}).json()["id"] for _ in range(count)]
    for task_id in ids:
        poll(lambda task_id=task_id: rest.get(f"tasks/{task_id}").json()["finished_at"])
    return ids


def winners(rest: httpx.Client, ids: list[str]) -> Counter[str]:
    """Return who won, probes of a node in quarantine not counted."""
    won: Counter[str] = Counter()
    for task_id in ids:
        (auction,) = rest.get(f"tasks/{task_id}/auction").json()["results"]
        first = auction["bids"][0]
        if not first["probe"]:
            won[first["agent"]] += 1
    return won


@requirement("life.good_win")
def test_the_good_ones_win_the_bad_one_is_quarantined_and_the_operator_can_read_why(
    rest: httpx.Client,
) -> None:
    early = submit(rest, 16)
    submit(rest, 10, agent=BAD)  # people ask for it by name, and it lets them down

    (node,) = rest.get("nodes", params={"agent": BAD}).json()["results"]
    late = submit(rest, 16)

    history = rest.get(f"nodes/{node['id']}/lifecycle").json()["results"]
    assert node["state"] == "quarantined"
    event = next(event for event in history if event["kind"] == "quarantined")
    assert "below the floor 0.35" in event["reason"]
    assert event["detail"]["mean"] < 0.1
    assert winners(rest, late)[BAD] == 0
    assert winners(rest, early)[BAD] <= 8
    assert sum(winners(rest, late)[slug] for slug in GOOD) >= 14
    for other in rest.get("nodes", params={"state": "active"}).json()["results"]:
        assert other["agent"] in GOOD
        assert other["mean_score"] is None or other["mean_score"] > 0.9
    judged = rest.get("rewards", params={"agent": BAD, "source": "judge"}).json()["results"]
    assert {(part["source"], part["score"]) for part in judged[0]["components"]} == {
        ("check", 0.0),
        ("judge", 0.05),
    }
    (last,) = rest.get(f"tasks/{late[-1]}/auction").json()["results"]
    assert "quarantined" in last["excluded"] or BAD in {bid["agent"] for bid in last["bids"]}
