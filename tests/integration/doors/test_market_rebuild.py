"""`market_rebuild`: whether the market is what its ledger says, and how it becomes so."""

import json
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from cluster.models import AgentNode, Calibration, Capability, Family, MarketEntry
from cluster.services.lifecycle import node_merge
from cluster.services.population import node_create
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, submit, work
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
SCORES = {"ada": 0.9, "eve": 0.2}


@pytest.fixture
def workspace_id() -> str:
    """Return the workspace `lab`: two agents of a family that were judged, and merged since."""
    workspace_id = make_tenant("lab").workspace_id
    other = Agent.objects.get(id=make_agent(workspace_id, slug="bob", domains=["general"]))
    node_create(agent=other, family="bobs", reason="test")
    for slug, score in SCORES.items():
        agent = Agent.objects.get(id=make_agent(workspace_id, slug=slug, domains=["general"]))
        node_create(agent=agent, family="line", reason="test")
        for _ in range(3):
            submit(workspace_id, agent=slug, max_cycles=1)
        work(FakeWorld(replies={"judge": {"score": score, "comment": ""}}))
    node_merge(
        workspace_id=workspace_id, node_id=str(node("eve").pk), into_id=str(node("ada").pk),
        reason="one is enough", actor="ada",
    )  # fmt: skip
    return workspace_id


def node(slug: str) -> AgentNode:
    return AgentNode.objects.get(agent__slug=slug)


def beliefs() -> list[Any]:
    """Return all that the market believes, to the last bit."""
    rows: list[Any] = [
        (f.slug, f.rev, f.evidence, f.m, f.v, np.array(f.tiled).tolist())
        for f in Family.objects.order_by("id")
    ]
    for n in AgentNode.objects.order_by("id"):
        own, influence = np.array(n.own).tolist(), np.array(n.influence).tolist()
        rows.append((n.pk, n.evidence, own, influence))
    return rows


def run(capsys: Any, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = 0
    try:
        call_command("market_rebuild", "--workspace", "lab", "--json", *arguments)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, json.loads(capsys.readouterr().out)


@requirement("life.ledger")
def test_a_market_that_is_what_its_ledger_says_is_left_as_it_is(workspace_id, capsys) -> None:
    before = beliefs()

    assert run(capsys, "--check") == run(capsys) == (
        0,
        {"workspace": "lab", "equal": True, "families": 2, "nodes": 3, "lines": 7, "drift": [],
         "rebuilt": 0},
    )  # fmt: skip
    assert beliefs() == before


@requirement("life.ledger")
def test_what_differs_is_told_and_set_to_what_the_ledger_says(workspace_id, capsys) -> None:
    before = beliefs()
    ada, line = node("ada"), Family.objects.get(slug="line")
    ada.evidence = [*ada.evidence[:80], *(x + 0.5 for x in ada.evidence[80:])]
    ada.save(update_fields=["evidence"])
    line.tiled = [0.0] * len(np.array(line.tiled))
    line.save(update_fields=["tiled"])
    wrong = beliefs()

    code, told = run(capsys, "--check")

    assert (code, told["equal"], told["rebuilt"]) == (1, False, 0)
    assert [(each["family"], each["agent"]) for each in told["drift"]] == [
        ("line", ""), ("line", "ada"),
    ]  # fmt: skip
    assert told["drift"][1]["off"] == pytest.approx(0.5)
    assert beliefs() == wrong

    code, told = run(capsys)

    assert (code, told["equal"], told["rebuilt"]) == (0, True, 2)
    assert beliefs() == before


@requirement("life.ledger")
def test_what_people_read_is_rebuilt_too(workspace_id, capsys) -> None:
    def read() -> list[Any]:
        rows = Capability.objects.order_by("node__agent__slug").values_list("n", "ema", "ema_n")
        told = Calibration.objects.order_by("bin")
        sums = told.values_list("bin", "n", "forecast_sum", "score_sum", "squared_error_sum")
        return [*rows, *sums]

    before = read()
    assert len(before) >= 3
    Capability.objects.filter(node__agent__slug="ada").update(ema=0.1)
    Capability.objects.filter(node__agent__slug="eve").delete()
    first = Calibration.objects.order_by("bin").first()
    assert first is not None
    Calibration.objects.filter(pk=first.pk).update(n=first.n + 2)

    code, told = run(capsys, "--check")

    assert (code, told["rebuilt"]) == (1, 0)
    drift = sorted(told["drift"], key=lambda each: (not each["family"], each["reason"]))
    assert [(each["family"], each["reason"]) for each in drift] == [
        ("line", "what ada did in general is off by 0.8"),
        ("line", "what eve did in general is off by 3"),
        ("", f"forecasts of general from {first.bin / 10} on are off by 2"),
    ]
    assert [each["off"] for each in drift] == [pytest.approx(0.8), 3.0, 2.0]

    assert run(capsys)[0] == 0
    assert read() == [pytest.approx(row) for row in before]
    assert run(capsys, "--check")[1]["drift"] == []


def test_a_family_whose_ledger_lost_results_is_left_alone(workspace_id, capsys) -> None:
    before = beliefs()
    MarketEntry.objects.filter(family__slug="line", rev=2).delete()

    code, told = run(capsys)

    assert (code, told["equal"], told["rebuilt"]) == (1, False, 0)
    assert told["drift"] == [
        {"family": "line", "agent": "", "off": None,
         "reason": "7 results were written and 6 are left: it cannot be rebuilt"},
    ]  # fmt: skip
    assert beliefs() == before


def test_to_a_person_it_says_so_in_a_sentence(workspace_id, capsys) -> None:
    call_command("market_rebuild", "--workspace", "lab", "--check")

    assert capsys.readouterr().out == (
        "Families: 2, agents: 3, results: 7. The market equals its ledger.\n"
    )


def test_another_workspaces_market_is_not_looked_at(workspace_id, capsys) -> None:
    make_tenant("other")
    Family.objects.update(rev=99)

    call_command("market_rebuild", "--workspace", "other", "--json")

    assert json.loads(capsys.readouterr().out)["families"] == 0


def test_a_workspace_that_is_not_there_is_a_clear_failure() -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("market_rebuild", "--workspace", "nowhere")
