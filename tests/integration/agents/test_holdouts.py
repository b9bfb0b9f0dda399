"""Runs that go without skills or memories by lot, through the real runtime."""

import asyncio
import uuid

import pytest

from agents import wiring
from agents.models import MemoryUse, Run, SkillUse, ToolEffect
from agents.services.holdouts import FROM_RUNS, held_out_of
from agents.services.runs import run_open
from agents.services.skills import skill_import
from loomsite.access.models import Workspace
from tests.factories.agents import make_agent, make_request, make_workspace, open_fence
from tests.requirements import requirement
from tests.support.wire_server import WireServer

pytestmark = pytest.mark.django_db(transaction=True)
SKILL = """---
name: tide-tables
description: How to read a tide table.
keywords: [tide]
---
Find the harbour first."""


@pytest.fixture
def server():
    with WireServer() as running:
        yield running


@pytest.fixture
def workspace_id(server, settings):
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = server.url, "test-key"
    settings.LOOM_MODEL, settings.LOOM_JUDGE_MODEL = "", ""
    return make_workspace()


def share(workspace_id, value, *, runs=FROM_RUNS):
    """Let a share of the runs go without, in a workspace that has had some."""
    Workspace.objects.filter(id=workspace_id).update(settings={"hold_out_share": value})
    agent_id = make_agent(workspace_id)
    for _ in range(runs):
        request = make_request(workspace_id, agent_id)
        run_open(request=request, fence=open_fence)
    return agent_id


def run(request):
    async def main():
        try:
            return await wiring.run_agent(
                request, fence=open_fence, on_event=None, cancelled=asyncio.Event()
            )
        finally:
            await wiring.close_clients()

    return asyncio.run(main())


def asked(server):
    return str(server.requests[-1]["messages"])


@requirement("life.hold_out")
def test_a_run_that_goes_without_gets_neither_skill_nor_memory_and_says_so(workspace_id, server):
    skill_import(workspace_id=workspace_id, markdown=SKILL, state="active")
    wiring.memory_remember(workspace_id=workspace_id, text="The tide in Emden is high at noon.")
    agent_id = share(workspace_id, 1)
    request = make_request(workspace_id, agent_id, goal="When is the tide high in Emden?")

    run(request)

    row = Run.objects.get(pk=request.run_id)
    assert row.held_out == ["skills", "memories"]
    assert "Find the harbour first" not in asked(server)
    assert "tide-tables" not in asked(server)
    assert "activate_skill" not in str(server.requests[-1])
    assert "high at noon" not in asked(server)
    (use,) = SkillUse.objects.filter(run=row)
    assert (use.skill.name, use.by, use.held_out) == ("tide-tables", "words", True)
    assert [use.held_out for use in MemoryUse.objects.filter(run=row)] == [True]


@requirement("life.hold_out")
def test_a_run_that_goes_without_cannot_read_a_skill_by_its_name_either(workspace_id, server):
    skill_import(workspace_id=workspace_id, markdown=SKILL, state="active")
    agent_id = share(workspace_id, 1)
    goal = 'When is it high? [[tool=activate_skill {"name": "tide-tables"}]] [[answer=At noon.]]'
    request = make_request(workspace_id, agent_id, goal=goal)
    other = make_request(workspace_id, make_agent(workspace_id, tools=["calculator"]), goal=goal)

    run(request)
    run(other)

    assert "Find the harbour first" not in str(server.requests)
    (effect,) = ToolEffect.objects.all()
    assert (effect.tool, effect.state) == ("activate_skill", "failed")
    assert effect.result.startswith("There is no tool 'activate_skill'.")


def test_every_other_run_gets_them_and_that_is_noted_too(workspace_id, server):
    skill_import(workspace_id=workspace_id, markdown=SKILL, state="active")
    wiring.memory_remember(workspace_id=workspace_id, text="The tide in Emden is high at noon.")
    agent_id = share(workspace_id, 0)
    request = make_request(workspace_id, agent_id, goal="When is the tide high in Emden?")

    run(request)

    row = Run.objects.get(pk=request.run_id)
    assert row.held_out == []
    assert "Find the harbour first" in asked(server)
    assert "activate_skill" in str(server.requests[-1]["tools"])
    assert "high at noon" in asked(server)
    assert [use.held_out for use in SkillUse.objects.filter(run=row)] == [False]


def test_a_run_keeps_its_lot_and_a_young_workspace_draws_none(workspace_id):
    agent_id = share(workspace_id, 1, runs=3)
    young = make_request(workspace_id, agent_id)
    first = run_open(request=young, fence=open_fence)
    Workspace.objects.filter(id=workspace_id).update(settings={})
    share(workspace_id, 1)

    again = run_open(request=young, fence=open_fence)

    assert (first.held_out, again.held_out) == ((), ())


def test_about_the_share_goes_without_skills_and_as_many_without_memories(workspace_id):
    share(workspace_id, 0.1)
    ids = [str(uuid.UUID(int=number)) for number in range(1, 601)]

    drawn = [held_out_of(workspace_id=workspace_id, run_id=run_id) for run_id in ids]

    for what in ("skills", "memories"):
        assert 35 <= sum(what in lot for lot in drawn) <= 85
    assert sum(len(lot) == 2 for lot in drawn) <= 16


@pytest.mark.parametrize("value", ["many", -1, 2, None, True])
def test_a_share_that_makes_no_sense_is_the_usual_one(workspace_id, value):
    share(workspace_id, value)

    drawn = [
        held_out_of(workspace_id=workspace_id, run_id=str(uuid.UUID(int=n))) for n in range(200)
    ]

    assert 2 <= sum("skills" in lot for lot in drawn) <= 20
