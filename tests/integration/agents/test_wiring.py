"""Runs of agents end to end: a real endpoint's wire format, the real database, a real breaker."""

import asyncio
import json
import uuid
from dataclasses import replace
from decimal import Decimal

import pytest

from agents import wiring
from agents.assembly.building import Blueprint
from agents.core.types import Message, RunResult, Usage
from agents.models import (
    AgentVersion,
    Approval,
    ContextShares,
    MemoryEntry,
    Run,
    Step,
    ToolEffect,
    UsageEntry,
    Violation,
)
from agents.selectors.catalogue import endpoint_list
from agents.selectors.context import context_weights
from agents.selectors.runs import run_steps
from agents.services.agents import agent_update
from agents.services.approvals import approval_answer, approval_open
from agents.services.catalogue import budget_set, scene_create, tool_update
from agents.services.context import context_judged
from agents.services.runs import effect_settle
from agents.services.skills import skill_import
from agents.testing import ScriptedProvider
from knowledge import wiring as knowledge
from knowledge.core.types import DocumentInput
from loomsite.access.models import AuditEntry
from tests.factories.agents import (
    Lost,
    make_agent,
    make_request,
    make_workspace,
    open_fence,
)
from tests.requirements import requirement
from tests.support.wire_server import WireServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server():
    with WireServer() as running:
        yield running


@pytest.fixture
def workspace_id(server, settings):
    """A workspace whose environment names the local server."""
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = server.url, "test-key"
    settings.LOOM_MODEL, settings.LOOM_JUDGE_MODEL = "", ""
    return make_workspace()


def run(request, *, fence=open_fence, on_event=None, cancelled=None):
    async def main():
        try:
            return await wiring.run_agent(
                request,
                fence=fence,
                on_event=on_event,
                cancelled=cancelled or asyncio.Event(),
            )
        finally:
            await wiring.close_clients()

    return asyncio.run(main())


def ask(workspace_id, goal="[[complexity=0.4]] hello", *, purpose="sense", **fields):
    values = {
        "workspace_id": workspace_id,
        "purpose": purpose,
        "messages": [Message(role="user", content=f"<goal>{goal}</goal>")],
        "schema": {
            "type": "object",
            "properties": {"complexity": {"type": "number", "maximum": 1}},
            "required": ["complexity"],
            "additionalProperties": False,
        },
        "schema_name": "sense",
        "task_id": "00000000-0000-0000-0000-000000000001",
        "root_task_id": "00000000-0000-0000-0000-000000000001",
        "budget_usd": None,
        "timeout_s": 5.0,
        "fence": open_fence,
    }

    async def main():
        try:
            return await wiring.complete_json(**values | fields)
        finally:
            await wiring.close_clients()

    return asyncio.run(main())


def test_a_run_answers_and_leaves_its_trace(workspace_id):
    request = make_request(workspace_id, make_agent(workspace_id), goal="[[answer=Hello.]] greet")

    result = run(request)

    row = Run.objects.get(pk=request.run_id)
    (step,) = run_steps(workspace_id=workspace_id, run_id=request.run_id)
    (entry,) = UsageEntry.objects.filter(run_id=request.run_id)
    assert (result.stop, result.text, result.step_count) == ("answered", "Hello.", 1)
    assert (row.status, row.stop, row.answer, row.model) == ("ended", "answered", "Hello.", "local")
    assert step["content"] == "Hello."
    assert entry.prompt_tokens == result.usage.prompt_tokens > 0
    assert (entry.purpose, entry.endpoint, entry.model) == ("run", "environment", "local")


def test_a_run_that_ended_is_not_run_again(workspace_id, server):
    request = make_request(workspace_id, make_agent(workspace_id))
    first = run(request)
    calls = server.state.counts["chat"]

    again = run(request)

    assert again == replace(first, usage=again.usage)
    assert again.usage.prompt_tokens == first.usage.prompt_tokens
    assert server.state.counts["chat"] == calls


def test_tools_are_called_and_their_outcomes_kept(workspace_id):
    agent_id = make_agent(workspace_id, tools=["calculator"])
    goal = '[[tool=calculator {"expression": "6*7"}]] compute'
    events = []

    async def hear(event):
        events.append(event.type)

    result = run(make_request(workspace_id, agent_id, goal=goal), on_event=hear)

    effect = ToolEffect.objects.get()
    assert "42" in result.text
    assert (effect.tool, effect.state, effect.result) == ("calculator", "done", "42")
    assert events[0] == "step_start"
    assert events[-1] == "done"
    assert {"text_delta", "tool_call_start", "tool_call_end", "usage"} <= set(events)


class DyingFence:
    """Lets some transactions through and then stands for a worker that was killed."""

    def __init__(self, allowed):
        self.left = allowed

    def __call__(self):
        self.left -= 1
        if self.left < 0:
            raise Lost


@pytest.mark.parametrize("allowed", range(12))
def test_a_run_killed_anywhere_goes_on_behind_its_last_step(workspace_id, server, allowed):
    agent_id = make_agent(workspace_id, tools=["remember", "recall"])
    goal = '[[tool=remember {"text": "the sky is blue"}]] [[tool=recall {"query": "sky"}]] note'
    request = make_request(workspace_id, agent_id, goal=goal)

    with pytest.raises(Lost):
        run(request, fence=DyingFence(allowed))
    kept = Step.objects.filter(run_id=request.run_id).count()
    server.reset()
    result = run(request)

    assert result.stop == "answered"
    assert "the sky is blue" in result.text
    assert [row.index for row in Step.objects.order_by("index")] == [0, 1, 2]
    assert server.state.counts["chat"] == 3 - kept
    assert ToolEffect.objects.count() == 2


def test_a_call_that_needs_approval_waits_and_goes_on_when_it_is_given(workspace_id, server):
    scene_create(workspace_id=workspace_id, slug="careful", ask_tags=["write"])
    agent_id = make_agent(workspace_id, tools=["remember"], scenes=["careful"])
    goal = '[[tool=remember {"text": "x"}]] note'
    request = make_request(workspace_id, agent_id, goal=goal)

    waiting = run(request)
    assert waiting.suspension is not None
    question = approval_open(
        workspace_id=workspace_id,
        task_id=request.task_id,
        run_id=request.run_id,
        key=waiting.suspension.key,
        kind=waiting.suspension.kind,
        question=waiting.suspension.question,
        options=waiting.suspension.options,
        detail=waiting.suspension.detail,
    )
    status_between = Run.objects.get(pk=request.run_id).status
    approval_answer(
        approval_id=question.id, workspace_id=workspace_id, by="ada", decision="approve"
    )
    calls = server.state.counts["chat"]
    done = run(request)

    assert (waiting.stop, status_between) == ("suspended", "suspended")
    assert done.stop == "answered"
    assert "Remembered." in done.text
    assert server.state.counts["chat"] == calls + 1
    assert Approval.objects.get().status == "answered"


def test_a_call_that_a_person_changed_runs_as_they_changed_it(workspace_id, server):
    scene_create(workspace_id=workspace_id, slug="careful", ask_tags=["write"])
    agent_id = make_agent(workspace_id, tools=["remember"], scenes=["careful"])
    goal = '[[tool=remember {"text": "the asked one"}]] note'
    request = make_request(workspace_id, agent_id, goal=goal)
    waiting = run(request).suspension
    assert waiting is not None
    question = approval_open(
        workspace_id=workspace_id, task_id=request.task_id, run_id=request.run_id,
        key=waiting.key, kind=waiting.kind, question=waiting.question, options=waiting.options,
        detail=waiting.detail,
    )  # fmt: skip

    approval_answer(
        approval_id=question.id, workspace_id=workspace_id, by="ada", decision="approve",
        text="too wide", arguments={"text": "the edited one"},
    )  # fmt: skip
    done = run(request)

    assert "A person changed this call before it ran" in done.text
    assert list(MemoryEntry.objects.values_list("text", flat=True)) == ["the edited one"]
    assert json.loads(ToolEffect.objects.get().arguments) == {"text": "the edited one"}
    entry = AuditEntry.objects.get(action="approval.edit")
    assert (entry.actor, entry.reason) == ("ada", "too wide")
    assert entry.detail == {
        "tool": "remember",
        "asked": '{"text": "the asked one"}',
        "edited": '{"text": "the edited one"}',
    }


@requirement("bad_days.prompt_injection")
def test_a_scene_that_forbids_a_tool_makes_a_violation(workspace_id):
    scene_create(workspace_id=workspace_id, slug="reader", deny_tags=["write"])
    agent_id = make_agent(workspace_id, tools=["remember"], scenes=["reader"])
    goal = '[[tool=remember {"text": "x"}]] note'

    result = run(make_request(workspace_id, agent_id, goal=goal))

    assert "Not allowed" in result.text
    assert Violation.objects.get().tool == "remember"
    assert not MemoryEntry.objects.exists()


def test_a_tool_that_is_switched_off_is_not_offered(workspace_id, server):
    wiring.workspace_prepare(workspace_id)
    tool_update(workspace_id=workspace_id, name="calculator", enabled=False)
    agent_id = make_agent(workspace_id, tools=["calculator", "done"])

    run(make_request(workspace_id, agent_id))

    (body,) = server.requests
    assert [tool["function"]["name"] for tool in body["tools"]] == ["done"]


def test_a_run_keeps_the_version_it_began_with(workspace_id, server):
    agent_id = make_agent(workspace_id, instructions="Be brief.", tools=["calculator"])
    request = make_request(
        workspace_id, agent_id, goal='[[tool=calculator {"expression": "1"}]] count'
    )
    with pytest.raises(Lost):
        run(request, fence=DyingFence(4))

    agent_update(workspace_id=workspace_id, agent_id=agent_id, instructions="Be long.")
    run(request)

    said = [body["messages"][0]["content"] for body in server.requests]
    assert len(said) == 2
    assert all("Be brief." in text for text in said)


def test_a_budget_that_is_used_up_ends_the_run(workspace_id, server):
    price = {"usd_per_million_prompt": Decimal(1000), "usd_per_million_completion": Decimal(1000)}
    settings_listed(server)
    endpoint_id = wiring.endpoint_create(
        workspace_id=workspace_id, slug="paid", base_url=server.url, model="local", **price
    )
    budget_set(workspace_id=workspace_id, limit_usd=Decimal("0.01"))
    agent_id = make_agent(workspace_id, endpoint_id=endpoint_id)

    result = run(make_request(workspace_id, agent_id))

    assert (result.stop, result.error_code) == ("over_budget", "agents.budget_exceeded")
    assert server.state.counts["chat"] == 0


def settings_listed(server):
    """The test server is on loopback, which only an operator may list."""
    from django.conf import settings  # noqa: PLC0415 -- the fixture's own

    settings.LOOM_EGRESS_ALLOW = ["127.0.0.1"]
    del server


def test_a_private_address_that_is_not_listed_is_refused(workspace_id, server, settings):
    settings.LOOM_EGRESS_ALLOW = []
    endpoint_id = wiring.endpoint_create(
        workspace_id=workspace_id, slug="inside", base_url=server.url, model="local"
    )
    agent_id = make_agent(workspace_id, endpoint_id=endpoint_id)

    result = run(make_request(workspace_id, agent_id))

    assert (result.stop, result.error_code) == ("failed", "agents.endpoint_unusable")
    assert "LOOM_EGRESS_ALLOW" in result.error_message
    assert server.state.counts["chat"] == 0


def test_a_listed_endpoint_is_called_with_its_own_key(workspace_id, server, settings):
    settings.LOOM_EGRESS_ALLOW = ["127.0.0.0/8"]
    endpoint_id = wiring.endpoint_create(
        workspace_id=workspace_id, slug="inside", base_url=server.url, secret="row-key"
    )
    agent_id = make_agent(workspace_id, endpoint_id=endpoint_id)

    result = run(make_request(workspace_id, agent_id))

    assert result.stop == "answered"
    assert UsageEntry.objects.get().endpoint == "inside"


def test_nobody_at_the_endpoint_is_unavailable_and_the_run_goes_on_later(workspace_id, settings):
    request = make_request(workspace_id, make_agent(workspace_id))
    there, settings.LOOM_MODEL = settings.OPENAI_BASE_URL, "local"
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"

    first = run(replace(request, metadata={}))
    status_between = Run.objects.get(pk=request.run_id).status
    settings.OPENAI_BASE_URL = there
    second = run(request)

    assert (first.stop, status_between) == ("unavailable", "running")
    assert second.stop == "answered"


def test_the_fallback_answers_when_nobody_does_at_the_first_and_is_who_is_paid(
    workspace_id, server, settings
):
    settings.LOOM_EGRESS_ALLOW = ["127.0.0.1"]
    spare = wiring.endpoint_create(
        workspace_id=workspace_id,
        slug="spare",
        base_url=server.url,
        model="cheap",
        usd_per_million_prompt=Decimal(3),
        usd_per_million_completion=Decimal(4),
    )
    first = wiring.endpoint_create(
        workspace_id=workspace_id,
        slug="first",
        base_url="http://127.0.0.1:9/v1",
        model="gone",
        usd_per_million_prompt=Decimal(9),
        fallback_id=spare,
    )
    agent_id = make_agent(workspace_id, endpoint_id=first)

    result = run(make_request(workspace_id, agent_id, goal="[[answer=here]] who"))

    (entry,) = UsageEntry.objects.filter(workspace_id=workspace_id)
    assert (result.stop, result.text) == ("answered", "here")
    assert (entry.endpoint, entry.model, entry.priced) == ("spare", "cheap", True)
    assert entry.cost_usd == (3 * entry.prompt_tokens + 4 * entry.completion_tokens) / Decimal(
        1_000_000
    )


def test_an_unknown_agent_fails_the_run_and_writes_nothing(workspace_id):
    other = make_agent(make_workspace())

    results = [
        run(make_request(workspace_id, agent_id))
        for agent_id in (other, "no-uuid", "00000000-0000-0000-0000-000000000000")
    ]

    assert {(r.stop, r.error_code) for r in results} == {("failed", "agents.not_found")}
    assert not Run.objects.exists()


def test_a_cancelled_run_stops(workspace_id):
    request = make_request(
        workspace_id, make_agent(workspace_id), goal="[[latency=5000]] slow", metadata={}
    )

    async def main():
        cancelled = asyncio.Event()

        async def hear(event):
            if event.type == "step_start":
                cancelled.set()

        result = await wiring.run_agent(
            request, fence=open_fence, on_event=hear, cancelled=cancelled
        )
        await wiring.close_clients()
        return result

    result = asyncio.run(main())

    row = Run.objects.get(pk=request.run_id)
    assert (result.stop, row.status, row.stop) == ("cancelled", "ended", "cancelled")


def test_without_any_model_the_reader_says_what_it_is(settings):
    settings.OPENAI_BASE_URL = settings.OPENAI_API_KEY = settings.LOOM_MODEL = ""
    workspace_id = make_workspace()

    described = wiring.model_describe(workspace_id)
    reply = ask(workspace_id)
    result = run(make_request(workspace_id, make_agent(workspace_id, tools=["search_knowledge"])))

    assert (described["kind"], described["model"]) == ("extractive", "extractive-reader")
    assert "no language model" in described["sentence"]
    assert (reply.value, reply.why, reply.retryable) == (None, "model cannot", False)
    assert result.stop == "answered"


@requirement("environment.model")
def test_the_only_listed_model_is_used_when_none_is_named(workspace_id):
    assert wiring.model_describe(workspace_id)["model"] == "local"


def test_json_that_fits_comes_back_with_its_usage(workspace_id):
    reply = ask(workspace_id)

    assert (reply.value, reply.why, reply.model) == ({"complexity": 0.4}, "", "local")
    entry = UsageEntry.objects.get()
    assert entry.purpose == "sense"
    assert Usage(
        prompt_tokens=entry.prompt_tokens, completion_tokens=entry.completion_tokens
    ) == replace(reply.usage, cached_tokens=0)


@pytest.mark.parametrize(
    ("goal", "why", "retryable"),
    [
        ("[[junk]] x", "invalid", False),
        ("[[fault=401]] x", "refused", False),
        ("[[fault=hang]] x", "unavailable", True),
    ],
)
def test_json_that_does_not_come_says_why(workspace_id, goal, why, retryable):
    reply = ask(workspace_id, goal, timeout_s=1.0)

    assert (reply.value, reply.why, reply.retryable) == (None, why, retryable)
    assert reply.message


def test_a_judge_has_its_own_model(workspace_id, server, settings):
    settings.LOOM_MODEL, settings.LOOM_JUDGE_MODEL = "worker", "judge-model"

    for purpose in ("sense", "judge"):
        ask(workspace_id, purpose=purpose)

    assert [body["model"] for body in server.requests] == ["worker", "judge-model"]


def test_a_lost_claim_passes_through_json_calls(workspace_id):
    with pytest.raises(Lost):
        ask(workspace_id, fence=DyingFence(0))


def test_the_environments_endpoint_is_a_row_that_cannot_be_changed(workspace_id, server):
    wiring.workspace_prepare(workspace_id)

    (row,) = endpoint_list(workspace_id=workspace_id).results

    assert (row.slug, row.base_url, row.read_only) == ("environment", server.url, True)
    assert row.has_secret is False


def test_an_agent_bound_to_the_environments_row_runs(workspace_id):
    wiring.workspace_prepare(workspace_id)
    (row,) = endpoint_list(workspace_id=workspace_id).results
    agent_id = make_agent(workspace_id, endpoint_id=row.id)

    result = run(make_request(workspace_id, agent_id))

    assert isinstance(result, RunResult)
    assert result.stop == "answered"


def test_a_delegated_part_comes_back_as_the_result_of_its_call(workspace_id):
    agent_id = make_agent(workspace_id, tools=["delegate"])
    goal = '[[tool=delegate {"goal": "count the looms"}]] ask around'
    request = make_request(workspace_id, agent_id, goal=goal)

    waiting = run(request)
    assert waiting.suspension is not None
    (child,) = waiting.suspension.detail["children"]
    effect_settle(
        workspace_id=workspace_id,
        run_id=request.run_id,
        key=child["key"],
        tool="delegate",
        ok=True,
        result="seven looms",
    )
    done = run(request)

    assert (waiting.stop, waiting.suspension.kind) == ("suspended", "children")
    assert (child["goal"], done.stop) == ("count the looms", "answered")
    assert "seven looms" in done.text


def test_a_session_goes_on_over_runs(workspace_id, server):
    agent_id = make_agent(workspace_id)
    for goal in ("[[answer=Ada it is.]] call me Ada", "what am I called"):
        run(make_request(workspace_id, agent_id, goal=goal, session_id="talk"))

    second = server.requests[-1]["messages"]

    said = [message["content"] for message in second if message["role"] != "system"]
    assert "call me Ada" in said[0]
    assert said[1] == "Ada it is."
    assert Run.objects.exclude(session=None).count() == 2


def test_another_agents_memory_is_not_recalled(workspace_id):
    writer, reader = (make_agent(workspace_id, tools=["remember", "recall"]) for _ in range(2))
    run(
        make_request(
            workspace_id, writer, goal='[[tool=remember {"text": "the code is 4711"}]] note'
        )
    )
    goal = '[[tool=recall {"query": "the code"}]] say'

    own, others = (run(make_request(workspace_id, who, goal=goal)) for who in (writer, reader))

    assert "4711" in own.text
    assert "4711" not in others.text


def test_an_active_skill_is_offered_and_a_draft_is_not(workspace_id, server):
    for name, state in (("darning", "active"), ("knotting", "draft")):
        markdown = f"---\nname: {name}\ndescription: How to do {name}.\n---\nFollow the weft."
        skill_import(workspace_id=workspace_id, markdown=markdown, state=state)
    goal = '[[tool=activate_skill {"name": "darning"}]] mend'

    result = run(make_request(workspace_id, make_agent(workspace_id), goal=goal))

    prompt = server.requests[0]["messages"][0]["content"]
    assert "darning" in prompt
    assert "knotting" not in prompt
    assert "Follow the weft." in result.text


def test_documents_are_found_and_cited_within_the_runs_collections(workspace_id):
    for slug, text in (("mine", "The shuttle carries the weft."), ("other", "The shuttle is red.")):
        knowledge.collection_ensure(workspace_id=workspace_id, slug=slug)
        knowledge.ingest(
            workspace_id=workspace_id,
            collection=slug,
            documents=[DocumentInput(external_id=slug, title=slug, text=text)],
        )
    agent_id = make_agent(workspace_id, tools=["search_knowledge"], collections=["mine"])
    goal = "[[tool=search_knowledge]] what does the shuttle carry"

    result = run(make_request(workspace_id, agent_id, goal=goal))

    (citation,) = result.citations
    assert citation.quote in "The shuttle carries the weft."
    assert "red" not in result.text
    assert Run.objects.get().citations[0]["quote"] == citation.quote


def test_a_key_of_the_environment_is_never_told_to_a_model(workspace_id, server, settings):
    settings.LOOM_SECRETS = {"LOOM_SECRET_VENDOR": "hunter2-hunter2"}

    run(make_request(workspace_id, make_agent(workspace_id), goal="say hunter2-hunter2"))

    assert "hunter2-hunter2" not in str(server.requests)


def test_an_agent_is_built_once_for_all_its_runs(workspace_id):
    version = AgentVersion.objects.get(agent_id=make_agent(workspace_id))
    blueprint = Blueprint(version_id=str(version.pk), workspace_id=workspace_id, spec=version.spec)
    workshop, provider = wiring._parts().workshop, ScriptedProvider("Done.")

    first = workshop.agent(blueprint, provider)

    assert workshop.agent(replace(blueprint), provider) is first
    assert workshop.agent(replace(blueprint, without_skills=True), provider) is not first


def test_what_filled_the_window_is_kept_with_each_step(workspace_id, server):
    wiring.memory_remember(workspace_id=workspace_id, text="The customer weaves linen.")
    skill_import(workspace_id=workspace_id, markdown=LINEN, state="active")
    agent_id = make_agent(workspace_id)
    request = make_request(
        workspace_id,
        agent_id,
        goal="[[answer=Linen is what the customer weaves.]] Which cloth does the customer weave?",
        context="From before: a letter.",
    )

    run(request)

    (step,) = Step.objects.filter(run_id=request.run_id)
    lines = {line["source"]: line for line in step.report["context"]}
    (sent,) = server.state.requests
    assert set(lines) == {"skills", "hand-off", "memory"}
    assert all(line["tokens"] > 0 for line in lines.values())
    assert (lines["memory"]["kept"], lines["memory"]["left_out"]) == (1, 0)
    assert "The customer weaves linen." in sent["messages"][-1]["content"]


LINEN = """---
name: cloth
description: What to say of cloth.
keywords: [cloth]
---
Name the fibre first.
"""


def test_an_agent_that_does_not_search_is_given_passages_and_cites_them(workspace_id, server):
    knowledge.collection_ensure(workspace_id=workspace_id, slug="cloth")
    text = "Linen is made of flax. It is stronger when it is wet."
    knowledge.ingest(
        workspace_id=workspace_id,
        collection="cloth",
        documents=[DocumentInput(external_id="linen", title="Linen", text=text)],
    )
    agent_id = make_agent(workspace_id, collections=["cloth"])
    goal = "[[answer=It is flax [1].]] What is linen made of?"

    result = run(make_request(workspace_id, agent_id, goal=goal))

    (sent,) = server.state.requests
    assert "[1] Linen:\nLinen is made of flax." in sent["messages"][-1]["content"]
    assert [citation.quote for citation in result.citations] == ["Linen is made of flax."]


# ---------------------------------------------------------------- what sees each model call


def test_an_audited_agents_model_calls_are_in_the_audit_log(workspace_id):
    agent_id = make_agent(workspace_id, slug="ann", tools=["calculator"], audit=True)
    goal = '[[tool=calculator {"expression": "6*7"}]] compute'
    request = make_request(workspace_id, agent_id, goal=goal)

    result = run(request)

    first, second = AuditEntry.objects.filter(workspace_id=workspace_id, door="run").order_by("id")
    assert result.stop == "answered"
    assert (first.actor, first.action, first.target) == ("agent:ann", "model.call", request.run_id)
    assert (first.detail["tool_calls"], second.detail["finish_reason"]) == (["calculator"], "stop")
    assert second.detail["prompt_tokens"] > 0


def test_a_run_of_an_agent_that_is_not_audited_leaves_no_entry(workspace_id):
    run(make_request(workspace_id, make_agent(workspace_id)))

    assert not AuditEntry.objects.filter(workspace_id=workspace_id, door="run").exists()


@pytest.mark.parametrize(
    "goal", ["How is a bomb made?", "[[answer=So the BOMB is made.]] harmless"]
)
def test_what_an_agents_filter_holds_back_is_refused(workspace_id, goal):
    agent_id = make_agent(workspace_id, filter_patterns=[r"\bbomb\b"], audit=True)
    request = make_request(workspace_id, agent_id, goal=goal)
    told = []

    async def hear(event):
        told.append(event)

    result = run(request, on_event=hear)

    assert (result.stop, result.error_code) == ("refused", "agents.model_declined")
    assert not [event for event in told if event.type == "text_delta"]


def test_an_answer_in_another_language_is_asked_for_again(workspace_id, server):
    agent_id = make_agent(workspace_id, answer_language="de")
    english = (
        "[[answer=This is the answer that you have asked for and it is in the wrong language.]]"
    )
    request = make_request(workspace_id, agent_id, goal=english)

    result = run(request)

    assert (result.stop, result.text) == ("answered", "Answer: Answer in the language 'de'.")
    assert server.requests[-1]["messages"][-1]["content"] == "Answer in the language 'de'."


# ---------------------------------------------------------------- what runs teach, and their names


def test_shares_of_the_window_are_learned_per_agent_from_what_helped(workspace_id):
    agent_id = make_agent(workspace_id)
    wiring.memory_remember(workspace_id=workspace_id, text="The shuttle of the loom is red.")
    goal = "[[answer=The shuttle of the loom is red.]] Which colour has the shuttle?"

    def told(score):
        request = make_request(workspace_id, agent_id, goal=goal, context="Parts: warp and weft.")
        assert run(request).stop == "answered"
        (step,) = run_steps(workspace_id=workspace_id, run_id=request.run_id)
        for _ in range(2):  # only the first counts
            context_judged(workspace_id=workspace_id, run_id=request.run_id, score=score)
        return {line["source"]: line["share"] for line in step["report"]["context"]}

    first, second = told(1.0), told(0.0)
    weights = context_weights(workspace_id=workspace_id, agent_id=agent_id)

    assert first["memory"] == first["hand-off"] == 0.5
    assert second["memory"] > second["hand-off"]
    assert ContextShares.objects.get(agent_id=agent_id).run_count == 2
    assert weights["memory"] < 0.9  # an answer that was worth nothing speaks against its sources
    assert context_weights(workspace_id=make_workspace(), agent_id=agent_id) == {}


def test_a_run_that_gave_no_answer_teaches_nothing(workspace_id):
    agent_id = make_agent(workspace_id, filter_patterns=["bomb"])
    request = make_request(workspace_id, agent_id, goal="bomb", context="Something to read.")

    run(request)
    context_judged(workspace_id=workspace_id, run_id=request.run_id, score=1.0)

    assert not ContextShares.objects.exists()


def test_a_call_that_was_cut_is_booked_as_an_estimate(workspace_id, server):
    server.script({"kind": "nofinish", "times": 1})
    request = make_request(workspace_id, make_agent(workspace_id))

    async def hear(_event):
        return None

    run(request, on_event=hear)

    cut, whole = UsageEntry.objects.filter(run_id=request.run_id).order_by("id")
    assert (cut.estimated, cut.prompt_tokens > 0) == (True, True)
    assert whole.estimated is False


def test_a_run_that_is_taken_up_numbers_its_events_on(workspace_id):
    scene_create(workspace_id=workspace_id, slug="careful", ask_tags=["write"])
    agent_id = make_agent(workspace_id, tools=["remember"], scenes=["careful"])
    goal = '[[tool=remember {"text": "x"}]] note'
    request = make_request(workspace_id, agent_id, goal=goal)
    numbers: list[list[int]] = [[], []]

    def hear(place):
        async def listen(event):
            numbers[place].append(event.seq)

        return listen

    assert run(request, on_event=hear(0)).stop == "suspended"
    assert run(request, on_event=hear(1)).stop == "suspended"

    assert numbers[0] == list(range(len(numbers[0])))
    assert numbers[1][0] > numbers[0][-1]
    assert numbers[1] == sorted(set(numbers[1]))


def test_a_conversation_goes_on_over_tasks_and_a_rejected_answer_is_no_turn_of_it(
    workspace_id, server
):
    agent_id = make_agent(workspace_id)
    talk = {"session_id": "s"}

    run(make_request(workspace_id, agent_id, goal="My name is Ann.", **talk))
    rejected = make_request(workspace_id, agent_id, goal="[[answer=Bob?]] What is it?", **talk)
    run(rejected)
    again = replace(rejected, run_id=str(uuid.uuid4()), goal="[[answer=Ann.]] What is it?")
    run(again)
    run(make_request(workspace_id, agent_id, goal="Thanks.", **talk))
    run(make_request(workspace_id, make_agent(workspace_id), goal="Who are you?", **talk))

    sent = [m["content"] for m in server.requests[-2]["messages"] if m["role"] != "system"]
    other = [m["content"] for m in server.requests[-1]["messages"] if m["role"] != "system"]
    assert [text for text in sent if "Bob?" in text] == []
    assert [sent[0], sent[2], sent[3], sent[4]] == [
        "My name is Ann.", "[[answer=Ann.]] What is it?", "Ann.", "Thanks.",
    ]  # fmt: skip
    assert other == ["Who are you?"]
