"""The agent's ports over the database: fenced, once per key, bound to one run."""

import asyncio

import pytest
from django.db import connection

from agents import wiring
from agents.core.ports import ModelRequest, SessionState
from agents.core.types import (
    EffectRecord,
    Message,
    ModelProfile,
    StepRecord,
    ToolCall,
    ToolSpec,
    Usage,
)
from agents.models import Artifact, Run, ToolEffect, Violation
from agents.services.approvals import approval_answer, approval_open
from agents.services.runs import effect_settle
from agents.store.artifacts import DbArtifacts
from agents.store.gate import DbGate
from agents.store.journal import DbJournal
from agents.store.memories import WORKSPACE, DbMemory, Scope
from agents.store.sessions import DbSessions
from agents.store.wallet import DbWallet
from knowledge.wiring import memory_vectors
from tests.factories.agents import (
    Lost,
    lost_fence,
    make_agent,
    make_payer,
    make_run,
    make_workspace,
    open_fence,
    usd,
)

pytestmark = pytest.mark.django_db(transaction=True)

CALL = ToolCall(id="c1", name="send", arguments='{"to": "ada"}')
TOOL = ToolSpec(name="send", description="Send.", parameters={}, effect=True)


def step(index=0, text="thinking", **fields):
    return StepRecord(
        index=index,
        message=Message(role="assistant", content=text, tool_calls=(CALL,), reasoning="because"),
        usage=Usage(prompt_tokens=10, completion_tokens=4, cost_usd=usd("0.002")),
        finish_reason="tool_calls",
        model="test-model",
        latency_ms=12,
        **fields,
    )


def journal_of(request, fence=open_fence):
    return DbJournal(workspace_id=request.workspace_id, run_id=request.run_id, fence=fence)


def run(awaitable):
    return asyncio.run(awaitable)


def begin(journal, key="k"):
    return run(journal.effect_begin(key=key, step=0, call=CALL, tool=TOOL))


def end(journal, key="k", *, ok=True, result="sent"):
    run(journal.effect_end(key=key, step=0, call=CALL, ok=ok, result=result, latency_ms=3))


def test_steps_come_back_as_they_were_recorded():
    request = make_run()
    recorded = [step(0, report={"context": []}), step(1, "more")]

    for record in recorded:
        run(journal_of(request).step_record(record))

    assert run(journal_of(request).steps()) == recorded


def test_a_step_recorded_twice_counts_once():
    request = make_run()

    run(journal_of(request).step_record(step()))
    run(journal_of(request).step_record(step(text="another reply")))

    row = Run.objects.get(pk=request.run_id)
    assert run(journal_of(request).steps()) == [step()]
    assert (row.step_count, row.prompt_tokens, row.cost_usd) == (1, 10, usd("0.002"))


def test_text_that_the_database_cannot_hold_is_kept_without_it():
    request = make_run()

    run(journal_of(request).step_record(step(text="a\x00b\ud800c")))

    (kept,) = run(journal_of(request).steps())
    assert kept.message.content == "a\N{REPLACEMENT CHARACTER}b?c"


def test_an_effect_is_new_once_then_unknown_until_it_ends():
    journal = journal_of(make_run())

    first, second = begin(journal), begin(journal)
    end(journal)

    assert first == EffectRecord(key="k", state="new")
    assert second == EffectRecord(key="k", state="unknown")
    assert run(journal.effects()) == [EffectRecord(key="k", state="done", result="sent")]


def test_a_call_without_an_effect_is_kept_by_its_end_alone():
    journal = journal_of(make_run())

    end(journal, "read", ok=False, result="no")

    assert run(journal.effects()) == [EffectRecord(key="read", state="failed", result="no")]


def asked(request, *, kind="approval", options=("approve", "deny"), key="k", detail=None):
    return approval_open(
        workspace_id=request.workspace_id,
        task_id=request.task_id,
        run_id=request.run_id,
        key=key,
        kind=kind,
        question="May it?",
        options=options,
        detail=detail,
    )


def answer(request, question, decision, text=""):
    approval_answer(
        approval_id=question.id,
        workspace_id=request.workspace_id,
        by="ada",
        decision=decision,
        text=text,
    )


def test_an_approval_lets_an_effect_begin_once():
    request = make_run()
    journal = journal_of(request)
    answer(request, asked(request), "approve")

    known = run(journal.effects())
    first, after_a_crash = begin(journal), begin(journal)

    assert known == [EffectRecord(key="k", state="approved")]
    assert (first.state, after_a_crash.state) == ("approved", "unknown")


def test_what_a_person_made_of_a_call_outlives_a_crash_of_it():
    request = make_run()
    wiring.workspace_prepare(request.workspace_id)
    journal = journal_of(request)
    detail = {"tool": "calculator", "arguments": '{"expression": "1"}'}
    question = asked(request, detail=detail)
    approval_answer(
        approval_id=question.id, workspace_id=request.workspace_id, by="ada", decision="approve",
        arguments={"expression": "2"},
    )  # fmt: skip
    edited = '{"expression": "2"}'

    first, after_a_crash = begin(journal), begin(journal)
    again = asked(request, kind="unknown_effect", options=("done", "retry", "skip"), detail=detail)
    answer(request, again, "retry")

    assert first == EffectRecord(key="k", state="approved", arguments=edited)
    assert after_a_crash == EffectRecord(key="k", state="unknown", arguments=edited)
    assert begin(journal) == EffectRecord(key="k", state="approved", arguments=edited)


def test_a_refusal_tells_the_run_why():
    request = make_run()
    answer(request, asked(request), "deny", "not today")

    record = begin(journal_of(request))

    assert record == EffectRecord(key="k", state="denied", result="not today")
    assert not ToolEffect.objects.exists()


def test_an_effect_lost_in_a_crash_may_be_tried_again_when_a_person_says_so():
    request = make_run()
    journal = journal_of(request)
    first = asked(request)
    answer(request, first, "approve")
    begin(journal)

    second = asked(request, kind="unknown_effect", options=("done", "retry", "skip"))
    answer(request, second, "retry")

    assert first.id != second.id
    assert [begin(journal).state, begin(journal).state] == ["approved", "unknown"]


def test_an_effect_that_a_person_says_happened_is_done():
    request = make_run()
    journal = journal_of(request)
    begin(journal)
    question = asked(request, kind="unknown_effect", options=("done", "retry", "skip"))

    answer(request, question, "done", "receipt 7")

    assert run(journal.effects()) == [EffectRecord(key="k", state="done", result="receipt 7")]


def test_the_words_of_a_person_become_the_result_of_the_call_that_asked():
    request = make_run()
    journal = journal_of(request)
    begin(journal)
    question = asked(request, kind="question", options=())

    answer(request, question, "", "in Paris")

    assert run(journal.effects()) == [EffectRecord(key="k", state="done", result="in Paris")]


def test_a_child_tasks_answer_settles_the_call_that_waits_for_it_once():
    request = make_run()
    journal = journal_of(request)
    begin(journal)

    for result in ("first", "second"):
        effect_settle(
            workspace_id=request.workspace_id,
            run_id=request.run_id,
            key="k",
            tool="delegate",
            ok=True,
            result=result,
        )

    assert run(journal.effects()) == [EffectRecord(key="k", state="done", result="first")]


def test_a_lost_claim_writes_nothing():
    request = make_run()
    zombie = journal_of(request, lost_fence)
    wallet = DbWallet(payer=make_payer(request.workspace_id), fence=lost_fence)
    asking = ModelRequest(messages=[Message(role="user", content="hi")])
    sessions = DbSessions(
        workspace_id=request.workspace_id, agent_id=request.agent_id, fence=lost_fence
    )
    memory = memory_of(request.workspace_id, fence=lost_fence)

    attempts = [
        lambda: run(zombie.step_record(step())),
        lambda: begin(zombie),
        lambda: end(zombie),
        lambda: run(wallet.reserve(key="a", request=asking, profile=ModelProfile())),
        lambda: run(sessions.append("s", run_id=request.run_id, messages=[])),
        lambda: run(memory.remember("a fact")),
        lambda: run(artifacts_of(request, lost_fence).put(key="a", name="a", text="a")),
        lambda: run(gate_of(request, "deny", lost_fence).decide(call=CALL, tool=TOOL)),
    ]
    for attempt in attempts:
        with pytest.raises(Lost):
            attempt()

    tables = ("step", "tooleffect", "reservation", "sessionmessage", "memoryentry", "artifact")
    with connection.cursor() as cursor:
        for table in (*tables, "violation"):
            cursor.execute(f"SELECT count(*) FROM agents_{table}")
            assert (table, cursor.fetchone()) == (table, (0,))


def artifacts_of(request, fence=open_fence):
    return DbArtifacts(
        workspace_id=request.workspace_id,
        run_id=request.run_id,
        task_id=request.task_id,
        fence=fence,
    )


def test_an_artifact_is_kept_once_per_key():
    request = make_run()
    artifacts = artifacts_of(request)

    first = run(artifacts.put(key="k", name="log.txt", text="é" * 3))
    again = run(artifacts.put(key="k", name="log.txt", text="other"))

    row = Artifact.objects.get()
    assert first == again == str(row.pk)
    assert (row.name, bytes(row.content).decode(), row.size) == ("log.txt", "ééé", 6)


def gate_of(request, verdict, fence=open_fence):
    return DbGate(
        workspace_id=request.workspace_id,
        run_id=request.run_id,
        agent_id=request.agent_id,
        decide_call=lambda _call, _tool: (verdict, "because"),
        fence=fence,
    )


def test_a_refused_call_is_a_violation_once_and_an_allowed_one_is_none():
    request = make_run()

    allowed = run(gate_of(request, "allow").decide(call=CALL, tool=TOOL))
    refused = [run(gate_of(request, "deny").decide(call=CALL, tool=TOOL)) for _ in range(2)]

    assert allowed == ("allow", "because")
    assert refused == [("deny", "because")] * 2
    row = Violation.objects.get()
    assert (row.tool, row.reason, str(row.run.pk)) == ("send", "because", request.run_id)


def test_a_session_keeps_its_turns_once_per_run_and_in_order():
    request = make_run()
    sessions = DbSessions(
        workspace_id=request.workspace_id, agent_id=request.agent_id, fence=open_fence
    )
    turns = [Message(role="user", content="hi"), Message(role="assistant", content="hello")]

    empty = run(sessions.load("talk"))
    for run_id in (request.run_id, request.run_id, "00000000-0000-0000-0000-000000000002"):
        run(sessions.append("talk", run_id=run_id, messages=turns))

    assert empty == SessionState()
    assert run(sessions.load("talk")) == SessionState(messages=(*turns, *turns))


def test_a_compacted_session_begins_with_its_summary():
    request = make_run()
    sessions = DbSessions(
        workspace_id=request.workspace_id, agent_id=request.agent_id, fence=open_fence
    )
    turns = [Message(role="user", content=str(number)) for number in range(4)]
    run(sessions.append("talk", run_id=request.run_id, messages=turns))

    run(sessions.compact("talk", summary="0 to 2", dropped=3))

    assert run(sessions.load("talk")) == SessionState(summary="0 to 2", messages=(turns[3],))


def test_another_agents_session_of_the_same_name_is_another_one():
    request = make_run()
    other_id = make_agent(request.workspace_id)
    mine, other = (
        DbSessions(workspace_id=request.workspace_id, agent_id=agent_id, fence=open_fence)
        for agent_id in (request.agent_id, other_id)
    )
    run(mine.append("talk", run_id=request.run_id, messages=[Message(role="user", content="hi")]))

    assert run(other.load("talk")) == SessionState()


def memory_of(workspace_id, *, owner=WORKSPACE, embed=None, fence=open_fence):
    return DbMemory(
        workspace_id=workspace_id,
        owner=owner,
        readable=(WORKSPACE, owner),
        provenance={"source": "test"},
        embed=embed,
        fence=fence,
    )


def test_memory_is_found_by_meaning_and_by_word():
    memory = memory_of(make_workspace(), embed=memory_vectors)
    for text in ("The budget is tight.", "The cat is grey."):
        run(memory.remember(text))

    by_meaning = run(memory.recall("money", limit=1))
    by_word = run(memory.recall("grey"))

    assert [hit.text for hit in by_meaning] == ["The budget is tight."]
    assert by_word[0].text == "The cat is grey."
    assert by_word[0].source == "test"


def test_the_same_text_or_key_is_remembered_once():
    memory = memory_of(make_workspace())

    ids = [run(memory.remember(text, key=key)) for text, key in (("a", "1"), ("a", ""), ("b", "1"))]

    assert len(set(ids)) == 1


def test_memory_of_another_scope_or_workspace_is_never_recalled():
    mine, other = make_workspace(), make_workspace()
    run(memory_of(other).remember("the secret word"))
    run(memory_of(mine, owner=Scope(kind="agent", id="x")).remember("the secret plan"))
    run(memory_of(mine).remember("the open word"))

    found = run(memory_of(mine, owner=Scope(kind="agent", id="y")).recall("the secret open word"))

    assert [hit.text for hit in found] == ["the open word"]
