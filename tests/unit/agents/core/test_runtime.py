"""One loop for run, stream and execute: events, tools, faults, limits."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from agents.core.errors import (
    BudgetExceeded,
    ModelReplyInvalid,
    ModelUnavailable,
    RunCancelled,
    RunLooping,
    ToolFailed,
)
from agents.core.events import Done, Failed, StepStart, TextDelta, ToolCallEnd, ToolCallStart
from agents.core.ports import ModelReply, ToolContext
from agents.core.runtime import Agent, AgentConfig
from agents.core.types import Message, RunRequest, Usage
from agents.testing import (
    START,
    FakeWallet,
    MemoryArtifacts,
    ScriptedProvider,
    calling,
    still_world,
)
from agents.tools.registry import define_tool

pytestmark = pytest.mark.asyncio


@define_tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


def request(**changes) -> RunRequest:
    base = RunRequest(
        run_id="run-1",
        workspace_id="ws",
        agent_id="agent",
        task_id="task-1",
        root_task_id="task-1",
        goal="Add one and two.",
    )
    return replace(base, **changes)


async def test_run_returns_the_answer_its_usage_and_the_whole_transcript():
    provider = ScriptedProvider(calling(("add", '{"a": 1, "b": 2}')), "It is 3.")
    agent = Agent(provider=provider, instructions="Be brief.", tools=[add])

    result = await agent.run("Add one and two.")

    assert (result.text, result.stop, result.step_count) == ("It is 3.", "answered", 2)
    assert result.usage == Usage(prompt_tokens=20, completion_tokens=10)
    assert [(m.role, m.content) for m in result.messages] == [
        ("system", "Be brief."),
        ("user", "Add one and two."),
        ("assistant", ""),
        ("tool", "3"),
        ("assistant", "It is 3."),
    ]


async def test_stream_tells_the_same_run_in_order_without_gaps_and_ends_once():
    provider = ScriptedProvider(calling(("add", '{"a": 1, "b": 2}')), "It is 3.")
    agent = Agent(provider=provider, config=AgentConfig(name="adder", workspace="ws"), tools=[add])

    events = [event async for event in agent.stream("Add one and two.")]

    assert [event.type for event in events] == [
        "step_start",
        "tool_call_start",
        "tool_call_delta",
        "usage",
        "step_end",
        "tool_call_end",
        "step_start",
        "text_delta",
        "text_delta",
        "text_delta",
        "usage",
        "step_end",
        "done",
    ]
    assert [event.seq for event in events] == list(range(len(events)))
    assert {(e.run_id, e.agent, e.workspace, e.at) for e in events} == {
        ("id-1", "adder", "ws", START)
    }
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "It is 3."
    done = events[-1]
    assert isinstance(done, Done)
    assert done.usage == Usage(prompt_tokens=20, completion_tokens=10)


async def test_stream_of_a_failing_run_ends_with_one_typed_error():
    agent = Agent(provider=ScriptedProvider(ModelUnavailable("down", retry_after_s=3)))

    events = [event async for event in agent.stream("Hello?")]

    assert [type(event) for event in events] == [StepStart, Failed]
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert (failed.code, failed.message, failed.retryable) == (
        "agents.model_unavailable",
        "down",
        True,
    )


async def test_leaving_a_stream_early_stops_the_run():
    stopped = asyncio.Event()

    @define_tool
    async def wait() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    agent = Agent(provider=ScriptedProvider(calling(("wait", "{}"))), tools=[wait])
    stream = agent.stream("Wait.")
    async for event in stream:
        if isinstance(event, ToolCallStart):
            break

    await asyncio.sleep(0)
    await stream.aclose()

    assert stopped.is_set()


@pytest.mark.parametrize(
    ("call", "fed_back"),
    [
        (("add", '{"a": 1, "b": '), "The arguments are not valid JSON"),
        (("add", "[1, 2]"), "The arguments must be one JSON object"),
        (("add", '{"a": 1}'), "b: Field required"),
        (("add", '{"a": 1, "b": 2, "c": 3}'), "Unknown arguments: c. There are: a, b."),
        (("add", '{"a": "x", "b": 2}'), "a: Input should be a valid integer"),
        (("subtract", "{}"), "There is no tool 'subtract'. Tools: add."),
    ],
)
async def test_calls_that_do_not_fit_are_fed_back_with_what_to_change(call, fed_back):
    provider = ScriptedProvider(calling(call), calling(("add", '{"a": 1, "b": 2}')), "3")

    result = await Agent(provider=provider, tools=[add]).run("Add.")

    told = [m.content for m in result.messages if m.role == "tool"]
    assert fed_back in told[0]
    assert told[1] == "3"


async def test_a_tool_that_raises_is_fed_back_with_detail_and_the_run_goes_on():
    @define_tool
    def broken() -> str:
        raise ValueError("the disk is on fire")

    provider = ScriptedProvider(calling(("broken", "{}")), "It failed.")

    result = await Agent(provider=provider, tools=[broken]).run("Try.")

    assert result.messages[2].content == "'broken' failed. ValueError: the disk is on fire"
    assert result.text == "It failed."


async def test_a_tool_that_hangs_is_cut_at_its_own_time_limit():
    @define_tool(timeout_s=0.01)
    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    provider = ScriptedProvider(calling(("hang", "{}")), "It hangs.")

    result = await Agent(provider=provider, tools=[hang]).run("Try.")

    assert result.messages[2].content == "'hang' did not end within 0.01 s."


async def test_calls_of_one_reply_run_side_by_side_and_keep_their_order():
    first_may_end = asyncio.Event()

    @define_tool
    async def first() -> str:
        await first_may_end.wait()
        return "one"

    @define_tool
    async def second() -> str:
        first_may_end.set()
        return "two"

    provider = ScriptedProvider(calling(("first", ""), ("second", "")), "Both.")

    result = await Agent(provider=provider, tools=[first, second]).run("Both, please.")

    assert [m.content for m in result.messages if m.role == "tool"] == ["one", "two"]


async def test_the_context_gives_a_tool_its_run_and_the_metadata_as_attributes():
    seen = []

    @define_tool
    async def look(ctx: ToolContext) -> str:
        seen.append((ctx.run_id, ctx.agent, ctx.workspace, ctx.step, ctx.key, ctx.customer))
        with pytest.raises(AttributeError, match="no 'nobody'"):
            _ = ctx.nobody
        return "seen"

    provider = ScriptedProvider(calling(("look", "{}")), "ok")
    agent = Agent(
        provider=provider, tools=[look], config=AgentConfig(name="viewer", workspace="ws")
    )

    await agent.run("Look.", metadata={"customer": "acme"})

    assert seen == [("id-1", "viewer", "ws", 0, "id-1:0:0", "acme")]
    assert look.spec.parameters == {"properties": {}, "type": "object"}


async def test_a_large_result_becomes_an_artifact_with_a_preview():
    @define_tool
    async def dump() -> str:
        return "x" * 50_000 + "\x00\ud800"

    provider = ScriptedProvider(calling(("dump", "{}")), "Large.")
    agent = Agent(provider=provider, tools=[dump], config=AgentConfig(max_result_chars=100))
    artifacts = MemoryArtifacts()

    result = await agent.execute(request(), artifacts=artifacts)

    assert result.stop == "answered"
    assert artifacts.kept == {"run-1:0:0": "x" * 50_000 + "\ufffd?"}
    shown = provider.requests[1].messages[-1].content
    assert "50002 characters in all, kept as artifact artifact-run-1:0:0" in shown
    assert len(shown) < 250


async def test_an_empty_reply_is_asked_for_once_more_and_then_an_error():
    provider = ScriptedProvider("", "There you are.")
    result = await Agent(provider=provider).run("Hello?")

    assert (result.text, result.usage.prompt_tokens) == ("There you are.", 20)
    assert provider.requests[1].messages[-1].content.startswith("Your last reply was empty.")

    again = await Agent(provider=ScriptedProvider("")).execute(request())
    assert (again.stop, again.error_code) == ("empty", "agents.reply_empty")
    assert again.usage.prompt_tokens == 20


async def test_a_reply_that_is_cut_is_asked_for_once_more():
    provider = ScriptedProvider(ModelReplyInvalid("cut"), "Whole.")

    assert (await Agent(provider=provider).run("Hello?")).text == "Whole."

    with pytest.raises(ModelReplyInvalid):
        await Agent(provider=ScriptedProvider(ModelReplyInvalid("cut"))).run("Hello?")


async def test_an_answer_that_hits_the_length_limit_is_continued():
    def cut(text: str) -> ModelReply:
        return ModelReply(
            message=Message(role="assistant", content=text),
            usage=Usage(),
            finish_reason="length",
            model="m",
        )

    result = await Agent(provider=ScriptedProvider(cut("One, "), cut("two, "), "three.")).run(
        "Count."
    )
    assert result.text == "One, two, three."

    endless = await Agent(provider=ScriptedProvider(cut("and "))).execute(request())
    assert (endless.stop, endless.error_code) == ("failed", "agents.reply_cut")


async def test_the_same_calls_over_and_over_are_refused_and_then_end_the_run():
    provider = ScriptedProvider(calling(("add", '{"a": 1, "b": 2}')))
    agent = Agent(provider=provider, tools=[add], config=AgentConfig(max_repeats=2))

    with pytest.raises(RunLooping, match="'add' with the same arguments in 4 steps"):
        await agent.run("Add.")

    told = [m.content[:7] for m in provider.requests[-1].messages if m.role == "tool"]
    assert told == ["3", "3", "Not run"]


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"max_steps": 2}, "steps"),
        ({"max_tokens": 25}, "tokens"),
        ({"max_cost_usd": Decimal("0.03")}, "cost"),
    ],
)
async def test_every_limit_ends_the_run_with_its_name(changes, limit):
    numbers = iter(range(100))
    usage = Usage(prompt_tokens=10, completion_tokens=5, cost_usd=Decimal("0.02"))
    provider = ScriptedProvider(
        lambda _: calling(("add", f'{{"a": {next(numbers)}, "b": 2}}')), usage=usage
    )
    agent = Agent(provider=provider, tools=[add], config=AgentConfig(**changes))

    with pytest.raises(BudgetExceeded) as caught:
        await agent.run("Add for ever.")

    assert caught.value.limit == limit
    assert len(provider.requests) == 2


async def test_limits_must_be_finite_and_sensible():
    for changes in ({"max_steps": 0}, {"timeout_s": float("inf")}, {"name": ""}):
        with pytest.raises(ValueError, match=r"."):
            AgentConfig(**changes)


async def test_a_deadline_reaches_the_tool_at_work():
    @define_tool
    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    agent = Agent(provider=ScriptedProvider(calling(("hang", "{}"))), tools=[hang])

    result = await agent.execute(request(deadline_at=START + timedelta(seconds=0.02)))

    assert (result.stop, result.error_code) == ("timed_out", "agents.timed_out")


async def test_a_cancel_reaches_the_tool_at_work_and_is_told_apart_from_the_task_s_own():
    cancelled, at_work = asyncio.Event(), asyncio.Event()

    @define_tool
    async def hang() -> str:
        at_work.set()
        await asyncio.Event().wait()
        return "never"

    agent = Agent(provider=ScriptedProvider(calling(("hang", "{}"))), tools=[hang])
    run = asyncio.create_task(agent.execute(request(), cancelled=cancelled))
    await at_work.wait()
    cancelled.set()
    assert (await run).stop == "cancelled"

    with pytest.raises(RunCancelled):
        await agent.run("Again.", cancelled=cancelled)

    at_work.clear()
    own = asyncio.create_task(agent.execute(request(), cancelled=asyncio.Event()))
    await at_work.wait()
    own.cancel()
    with pytest.raises(asyncio.CancelledError):
        await own


async def test_an_empty_goal_and_a_session_without_memory_are_refused_at_once():
    agent = Agent(provider=ScriptedProvider("x"))

    with pytest.raises(ValueError, match="goal is empty"):
        await agent.run("  ")
    with pytest.raises(ValueError, match="needs an agent with a memory"):
        await agent.run("Hello", session="s")
    with pytest.raises(TypeError, match="wrap it with define_tool"):
        Agent(provider=ScriptedProvider("x"), tools=[len])
    with pytest.raises(ValueError, match="Two tools are called 'add'"):
        Agent(provider=ScriptedProvider("x"), tools=[add, add])


async def test_the_wallet_is_asked_before_and_settled_after_each_call_even_a_failed_one():
    provider = ScriptedProvider(
        ModelReplyInvalid("cut"),
        "ok",
        usage=Usage(prompt_tokens=1, cost_usd=Decimal("0.004")),
    )
    wallet = FakeWallet()

    await Agent(provider=provider).execute(request(), wallet=wallet)

    assert wallet.settled == {
        "run-1:0:0": Usage(prompt_tokens=8, estimated=True),
        "run-1:0:1": Usage(prompt_tokens=1, cost_usd=Decimal("0.004")),
    }
    assert wallet.reserved == {}

    poor = await Agent(provider=provider).execute(
        request(), wallet=FakeWallet(limit_usd=Decimal(0))
    )
    assert poor.stop == "over_budget"


async def test_what_a_port_raises_beyond_the_tree_passes_through_after_an_error_event():
    class Broken(FakeWallet):
        async def reserve(self, **_) -> None:
            raise ConnectionError("the database is gone")

    told = []
    with pytest.raises(ConnectionError):
        await Agent(provider=ScriptedProvider("x")).execute(
            request(), wallet=Broken(), on_event=told.append
        )
    assert [(e.type, getattr(e, "code", "")) for e in told][-1] == ("error", "agents.internal")


async def test_the_done_tool_s_argument_is_the_answer():
    @define_tool(ends_run=True)
    async def done(answer: str) -> str:
        return answer

    provider = ScriptedProvider(calling(("done", '{"answer": "42"}')))

    result = await Agent(provider=provider, tools=[done]).run("The answer?")

    assert (result.text, len(provider.requests)) == ("42", 1)


async def test_tool_failures_that_say_so_are_told_in_their_own_words():
    @define_tool
    async def moody() -> str:
        raise ToolFailed("Not today.")

    provider = ScriptedProvider(calling(("moody", "{}")), "ok")
    agent = Agent(provider=provider, tools=[moody])

    events = [e async for e in agent.stream("Try.")]

    ended = [e for e in events if isinstance(e, ToolCallEnd)]
    assert [(e.result, e.ok) for e in ended] == [("Not today.", False)]


async def test_runs_of_one_agent_do_not_see_each_other():
    world = still_world()
    provider = ScriptedProvider(lambda r: f"You said {r.messages[-1].content}", world=world)
    agent = Agent(provider=provider)

    results = await asyncio.gather(*(agent.run(f"goal {n}") for n in range(20)))

    assert [r.text for r in results] == [f"You said goal {n}" for n in range(20)]
