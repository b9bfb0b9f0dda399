"""What journals, wallets, memories, sessions, artifacts and breakers promise, fakes and real."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from agents.assembly.breaker import SharedBreaker
from agents.core.errors import BudgetExceeded
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
from agents.providers.breaker import MemoryBreaker
from agents.services.catalogue import budget_set
from agents.store.artifacts import DbArtifacts
from agents.store.journal import DbJournal
from agents.store.memories import WORKSPACE, DbMemory
from agents.store.sessions import DbSessions
from agents.store.wallet import DbWallet
from agents.testing import (
    FakeWallet,
    ListMemory,
    MemoryArtifacts,
    MemoryJournal,
    MemorySessions,
)
from tests.factories.agents import make_payer, make_run, open_fence

CALL = ToolCall(id="c", name="send", arguments="{}")
TOOL = ToolSpec(name="send", description="Send.", parameters={}, effect=True)
ASKING = ModelRequest(messages=[Message(role="user", content="hi")], max_tokens=1_000)
PRICED = ModelProfile(usd_per_million_completion=Decimal(10))  # 0.01 a call
TURNS = [Message(role="user", content="hi"), Message(role="assistant", content="hello")]


@dataclass(frozen=True, kw_only=True)
class Stores:
    """One implementation of each port; `journal` again is the same run after a crash."""

    journal: Callable[[], Any]
    wallet: Any
    memory: Any
    sessions: Any
    artifacts: Any
    run_id: str


def in_memory() -> Stores:
    journal = MemoryJournal()
    return Stores(
        journal=lambda: journal,
        wallet=FakeWallet(limit_usd=Decimal("0.025")),
        memory=ListMemory(),
        sessions=MemorySessions(),
        artifacts=MemoryArtifacts(),
        run_id="00000000-0000-0000-0000-000000000001",
    )


def in_database() -> Stores:
    request = make_run()
    workspace_id, run_id = request.workspace_id, request.run_id
    budget_set(workspace_id=workspace_id, limit_usd=Decimal("0.025"))
    return Stores(
        journal=lambda: DbJournal(workspace_id=workspace_id, run_id=run_id, fence=open_fence),
        wallet=DbWallet(payer=make_payer(workspace_id), fence=open_fence),
        memory=DbMemory(
            workspace_id=workspace_id,
            owner=WORKSPACE,
            readable=(WORKSPACE,),
            provenance={},
            embed=None,
            fence=open_fence,
        ),
        sessions=DbSessions(workspace_id=workspace_id, agent_id=request.agent_id, fence=open_fence),
        artifacts=DbArtifacts(
            workspace_id=workspace_id, run_id=run_id, task_id=request.task_id, fence=open_fence
        ),
        run_id=run_id,
    )


DATABASE = pytest.param(in_database, marks=pytest.mark.django_db(transaction=True))


@pytest.fixture(params=[in_memory, DATABASE])
def stores(request) -> Stores:
    return request.param()


def step(index, text="…"):
    return StepRecord(
        index=index,
        message=Message(role="assistant", content=text),
        usage=Usage(prompt_tokens=3, completion_tokens=2),
        finish_reason="stop",
        model="m",
    )


async def test_a_new_journal_is_empty(stores):
    assert (await stores.journal().steps(), await stores.journal().effects()) == ([], [])


async def test_steps_outlive_the_process_and_count_once(stores):
    for record in (step(0), step(0, "again"), step(1)):
        await stores.journal().step_record(record)

    assert await stores.journal().steps() == [step(0), step(1)]


async def test_an_effect_is_new_then_unknown_then_ended(stores):
    async def begin():
        return await stores.journal().effect_begin(key="k", step=0, call=CALL, tool=TOOL)

    first, after_a_crash = await begin(), await begin()
    await end(stores, "k")
    ended = await begin()

    assert first == EffectRecord(key="k", state="new")
    assert after_a_crash == EffectRecord(key="k", state="unknown")
    assert ended == EffectRecord(key="k", state="done", result="sent")


async def end(stores, key, *, ok=True, result="sent"):
    await stores.journal().effect_end(
        key=key, step=0, call=CALL, ok=ok, result=result, latency_ms=1
    )


async def test_the_first_outcome_of_a_call_stands(stores):
    await end(stores, "k", ok=False, result="no")
    await end(stores, "k", result="yes")

    assert await stores.journal().effects() == [EffectRecord(key="k", state="failed", result="no")]


async def test_money_is_held_until_it_is_settled(stores):
    for key in ("a", "b"):
        await stores.wallet.reserve(key=key, request=ASKING, profile=PRICED)

    with pytest.raises(BudgetExceeded) as refused:
        await stores.wallet.reserve(key="c", request=ASKING, profile=PRICED)
    await stores.wallet.settle(key="a", usage=Usage())
    await stores.wallet.reserve(key="c", request=ASKING, profile=PRICED)

    assert refused.value.limit == "cost"


async def test_the_same_call_holds_its_money_once(stores):
    for _ in range(5):
        await stores.wallet.reserve(key="a", request=ASKING, profile=PRICED)

    await stores.wallet.reserve(key="b", request=ASKING, profile=PRICED)


async def test_spent_money_is_gone(stores):
    await stores.wallet.reserve(key="a", request=ASKING, profile=PRICED)
    for _ in range(2):
        await stores.wallet.settle(key="a", usage=Usage(cost_usd=Decimal("0.02")))

    with pytest.raises(BudgetExceeded):
        await stores.wallet.reserve(key="b", request=ASKING, profile=PRICED)


async def test_a_memory_is_kept_once_per_key_and_found_by_its_words(stores):
    first = await stores.memory.remember("the loom is oak", key="k")
    again = await stores.memory.remember("the loom is pine", key="k")
    await stores.memory.remember("nothing of the kind")

    found = await stores.memory.recall("loom oak", limit=1)

    assert first == again
    assert [(hit.id, hit.text) for hit in found] == [(first, "the loom is oak")]


async def test_a_session_takes_the_turns_of_a_run_once(stores):
    before = await stores.sessions.load("s")
    for _ in range(2):
        await stores.sessions.append("s", run_id=stores.run_id, messages=TURNS)

    assert before == SessionState()
    assert await stores.sessions.load("s") == SessionState(messages=tuple(TURNS))


async def test_a_compacted_session_keeps_the_summary_and_the_rest(stores):
    await stores.sessions.append("s", run_id=stores.run_id, messages=TURNS)

    await stores.sessions.compact("s", summary="a greeting", dropped=1)

    assert await stores.sessions.load("s") == SessionState(
        summary="a greeting", messages=(TURNS[1],)
    )


async def test_an_artifact_has_one_id_per_key(stores):
    ids = [await stores.artifacts.put(key=key, name="n", text="t") for key in ("a", "a", "b")]

    assert ids[0] == ids[1] != ids[2]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["memory", "redis", "redis gone"])
async def breaker(request):
    alone = MemoryBreaker(Clock())
    if request.param == "memory":
        yield alone
        return
    urls = request.getfixturevalue("service_urls")
    url = urls.redis_url if request.param == "redis" else "redis://127.0.0.1:9/0"
    shared = SharedBreaker(url, alone=alone, monotonic=Clock())
    yield shared
    await shared.succeeded("e")  # what the tests counted is taken back
    await shared.close()


async def test_a_circuit_opens_after_failures_in_a_row(breaker):
    waits = []
    for _ in range(6):
        waits.append(await breaker.allow("e"))
        await breaker.failed("e")

    assert waits[:5] == [0.0] * 5
    assert 0 < waits[5] <= 5.0


async def test_a_success_starts_the_count_anew(breaker):
    for _ in range(4):
        await breaker.failed("e")
    await breaker.succeeded("e")
    await breaker.failed("e")

    assert await breaker.allow("e") == 0.0


async def test_what_one_process_counts_another_sees(service_urls):
    clock = Clock()
    one, other = (
        SharedBreaker(service_urls.redis_url, alone=MemoryBreaker(clock), monotonic=clock)
        for _ in range(2)
    )
    for _ in range(5):
        await one.failed("shared")

    wait = await other.allow("shared")
    await other.succeeded("shared")
    after = await one.allow("shared")
    for each in (one, other):
        await each.close()

    assert 0 < wait <= 5.0
    assert after == 0.0
