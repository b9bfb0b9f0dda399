"""The provider against an endpoint that is slow, wrong or silent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
import pytest_asyncio

from agents.core.errors import (
    ModelIncapable,
    ModelRefused,
    ModelReplyInvalid,
    ModelUnavailable,
)
from agents.core.organs import AgentConfig
from agents.core.ports import ModelRequest
from agents.core.runtime import Agent
from agents.core.types import Message, ModelProfile, ServedBy, Usage
from agents.providers.breaker import MemoryBreaker
from agents.providers.extractive import ExtractiveReader
from agents.providers.fallback import FallbackProvider
from agents.providers.openai_compat import OpenAIProvider
from agents.providers.structured import complete_json
from agents.providers.world import system_world
from agents.testing import FakeWallet, WordEmbedder
from agents.tools.registry import define_tool
from tests.unit.agents.core.test_runtime import request

pytestmark = pytest.mark.asyncio


async def at_once(_seconds: float) -> None:
    return None


IMPATIENT = replace(system_world(), sleep=at_once)


@define_tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@pytest_asyncio.fixture
async def provider(wire) -> AsyncIterator[OpenAIProvider]:
    model = OpenAIProvider("local", base_url=wire.url, world=IMPATIENT)
    yield model
    await model.close()


@pytest.mark.parametrize("kind", ["429", "500", "503", "drop", "badbody", "empty"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_fault_that_passes_is_recovered_from(wire, provider, kind, streamed):
    wire.script({"kind": kind, "times": 1})
    agent = Agent(provider=provider)

    if streamed:
        events = [event async for event in agent.stream("[[answer=one two three four]]")]
        assert events[-1].type == "done"
        assert events[-1].text == "one two three four"
        told = "".join(event.text for event in events if event.type == "text_delta")
        assert told == "one two three four"
    else:
        assert (await agent.run("[[answer=one two three four]]")).text == "one two three four"
    assert len(wire.requests) == 2


async def test_a_stream_without_a_finish_reason_is_no_answer(wire, provider):
    wire.script({"kind": "nofinish", "times": 2})

    events = [event async for event in Agent(provider=provider).stream("[[words=20]]")]

    assert (events[-1].type, events[-1].code) == ("error", "agents.model_reply_invalid")


async def test_a_second_stream_that_differs_begins_the_step_anew(wire, provider):
    wire.script({"kind": "nofinish", "times": 1})
    answers = iter(["[[answer=first second third]]", "[[answer=quite another text]]"])

    class Changing:
        rewrites_reply = False

        async def before(self, request, call):
            return replace(request, messages=[Message(role="user", content=next(answers))])

        async def after(self, request, reply, call):
            return reply

    agent = Agent(provider=provider, interceptors=[Changing()])
    events = [(e.type, getattr(e, "text", "")) async for e in agent.stream("Go.")]

    begun = [number for number, (kind, _) in enumerate(events) if kind == "step_start"]
    assert len(begun) == 2
    after = "".join(text for kind, text in events[begun[1] :] if kind == "text_delta")
    assert after == "quite another text"


async def test_a_server_that_knows_no_streams_is_read_all_the_same(wire, provider):
    wire.script({"kind": "whole", "times": 1})

    events = [e async for e in Agent(provider=provider).stream("[[answer=all at once]]")]

    assert [e.text for e in events if e.type == "text_delta"] == ["all at once"]
    assert events[-1].type == "done"


async def test_an_endpoint_that_stays_down_is_unavailable_and_opens_its_circuit(wire):
    breaker = MemoryBreaker(IMPATIENT.monotonic, threshold=3)
    provider = OpenAIProvider("local", base_url=wire.url, world=IMPATIENT, breaker=breaker)
    wire.script({"kind": "503", "times": 100})
    ask = ModelRequest(messages=[Message(role="user", content="x")])

    with pytest.raises(ModelUnavailable, match="failed too often") as caught:
        await provider.complete(ask)

    assert caught.value.retry_after_s is not None
    assert 0 < caught.value.retry_after_s <= 5
    assert len(wire.requests) == 3
    await provider.close()


async def test_nobody_listening_is_unavailable():
    provider = OpenAIProvider("m", base_url="http://127.0.0.1:9/v1", max_attempts=1)

    with pytest.raises(ModelUnavailable, match="Nobody answers"):
        await provider.complete(ModelRequest(messages=[Message(role="user", content="x")]))
    await provider.close()


async def test_a_call_that_hangs_ends_at_its_own_deadline(wire, provider):
    wire.script({"kind": "hang", "times": 5})
    ask = ModelRequest(messages=[Message(role="user", content="x")], timeout_s=0.2)

    with pytest.raises(ModelUnavailable) as caught:
        await provider.complete(ask)
    assert caught.value.code == "agents.model_timeout"

    with pytest.raises(ModelUnavailable):
        async for _ in provider.stream(ask):
            pass


async def test_a_trickling_stream_ends_at_the_deadline(provider):
    ask = ModelRequest(
        messages=[Message(role="user", content="[[words=500]] [[itl=20]]")], timeout_s=1.0
    )

    with pytest.raises(ModelReplyInvalid, match="did not end in time"):
        async for _ in provider.stream(ask):
            pass


async def test_a_stream_that_stalls_ends_at_the_deadline(wire, provider):
    wire.script({"kind": "stall", "times": 1})
    ask = ModelRequest(messages=[Message(role="user", content="[[words=9]]")], timeout_s=0.2)

    with pytest.raises(ModelReplyInvalid, match="stream was cut"):
        async for _ in provider.stream(ask):
            pass


async def test_a_stream_that_nobody_closes_is_whole_at_its_end_mark(wire, provider):
    wire.script({"kind": "open", "times": 1})

    events = [e async for e in Agent(provider=provider).stream("[[answer=whole]]")]

    assert (events[-1].type, events[-1].text) == ("done", "whole")


async def test_what_the_endpoint_refuses_is_not_tried_again(wire, provider):
    wire.script({"kind": "401", "times": 5})

    with pytest.raises(ModelRefused) as caught:
        await Agent(provider=provider).run("x")

    assert (caught.value.status, len(wire.requests)) == (401, 1)


async def test_bad_arguments_and_unknown_tools_are_fed_back(wire, provider):
    for kind, told in (("badargs", "not valid JSON"), ("unknown", "There is no tool")):
        wire.reset()
        wire.script({"kind": kind, "times": 1})
        agent = Agent(provider=provider, tools=[add])

        result = await agent.run('[[tool=add {"a": 1, "b": 2}]] Add.')

        assert told in result.text


async def test_a_missing_key_is_said_and_nothing_is_sent(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    provider = OpenAIProvider("m", profile=ModelProfile())

    with pytest.raises(ModelRefused, match="api_key"):
        await provider.complete(ModelRequest(messages=[Message(role="user", content="x")]))


@pytest.mark.parametrize("json_schema", [True, False])
async def test_models_without_tool_calls_call_tools_in_text(wire, json_schema):
    profile = ModelProfile(tools=False, json_schema=json_schema)
    if json_schema:
        said = [
            '{"tool": "add", "args": {"a": 1, "b": 2}}',
            '{"tool": "answer", "args": {"text": "3"}}',
        ]
    else:
        said = ['Thought: add.\nAction: add\nAction Input: {"a": 1, "b": 2}', "Final Answer: 3"]
    wire.say(*said)
    provider = OpenAIProvider("local", base_url=wire.url, profile=profile)
    result = await Agent(provider=provider, tools=[add]).run("What is 1 + 2?")

    assert (result.text, result.step_count) == ("3", 2)
    assert [m.content for m in result.messages if m.role == "tool"] == ["3"]
    await provider.close()


async def test_json_is_asked_for_by_schema_repaired_once_and_else_refused(wire, provider):
    schema = {
        "type": "object",
        "properties": {"score": {"type": "number"}, "comment": {"type": "string"}},
        "required": ["score", "comment"],
    }

    def asking(text):
        return [Message(role="user", content=f"<asked>{text}</asked>")]

    reply = await complete_json(provider, asking("[[judge=0.3]]"), schema, schema_name="judge")
    assert reply.value["score"] == 0.3

    with pytest.raises(ModelReplyInvalid, match="no JSON object"):
        await complete_json(provider, asking("[[junk]]"), schema, schema_name="judge")
    assert len(wire.requests) == 3

    with pytest.raises(ModelIncapable):
        await complete_json(ExtractiveReader(WordEmbedder()), asking("x"), schema)


async def test_one_client_serves_all_providers_of_an_endpoint_and_closes_with_the_last(wire):
    first = OpenAIProvider("local", base_url=wire.url)
    second = OpenAIProvider("other", base_url=wire.url)
    ask = ModelRequest(messages=[Message(role="user", content="x")])

    await asyncio.gather(first.complete(ask), second.complete(ask))
    client = first._clients.get(first._key, id(first))
    assert client is second._clients.get(second._key, id(second))
    await first.close()
    assert not client.is_closed()
    await second.close()
    assert client.is_closed()


# ---------------------------------------------------------------- what calls without a reply cost

PRICED = ModelProfile(usd_per_million_prompt=Decimal(1), usd_per_million_completion=Decimal(2))


async def settled(provider, goal, *, streamed=True, timeout_s=30.0):
    """Run a goal with a wallet, and return the result and what each call was settled at."""
    wallet, heard = FakeWallet(), []
    agent = Agent(
        provider=provider, config=AgentConfig(name="a", call_timeout_s=timeout_s, timeout_s=30)
    )
    result = await agent.execute(
        request(goal=goal), wallet=wallet, on_event=heard.append if streamed else None
    )
    return result, list(wallet.settled.values())


async def test_a_stream_that_is_cut_costs_what_was_sent_and_heard(wire):
    wire.script({"kind": "nofinish", "times": 1})
    provider = OpenAIProvider("local", base_url=wire.url, world=IMPATIENT, profile=PRICED)

    result, (cut, whole) = await settled(provider, "[[answer=one two three four]]")

    assert (cut.estimated, whole.estimated) == (True, False)
    assert cut.prompt_tokens > 0
    assert cut.completion_tokens > 0
    assert cut.cost_usd == (cut.prompt_tokens + 2 * cut.completion_tokens) / Decimal(1_000_000)
    assert result.usage.cost_usd == cut.cost_usd + whole.cost_usd
    await provider.close()


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_call_that_its_deadline_cut_costs_what_was_sent(wire, streamed):
    wire.script({"kind": "hang", "times": 5})
    provider = OpenAIProvider("local", base_url=wire.url, world=IMPATIENT, profile=PRICED)

    result, (cut,) = await settled(provider, "a question", streamed=streamed, timeout_s=0.2)

    assert (result.stop, result.error_code) == ("unavailable", "agents.model_timeout")
    assert (cut.estimated, cut.prompt_tokens > 0, cut.cost_usd > 0) == (True, True, True)
    assert result.usage == cut
    await provider.close()


async def test_a_call_that_is_refused_costs_nothing(wire):
    wire.script({"kind": "503", "times": 50})
    provider = OpenAIProvider("local", base_url=wire.url, world=IMPATIENT, profile=PRICED)

    result, (refused,) = await settled(provider, "a question")

    assert (result.stop, refused) == ("unavailable", Usage())
    await provider.close()


async def test_a_fallback_books_its_own_calls_and_promises_no_more_than_both_can(wire):
    dead = OpenAIProvider(
        "dear", base_url="http://127.0.0.1:9/v1", world=IMPATIENT, max_attempts=1,
        profile=replace(PRICED, usd_per_million_completion=Decimal(9), context_tokens=1_000),
        served=ServedBy(endpoint="first", model="dear"),
    )  # fmt: skip
    cheap = OpenAIProvider(
        "local", base_url=wire.url, world=IMPATIENT, profile=replace(PRICED, json_schema=False),
        served=ServedBy(endpoint="second", model="local"),
    )  # fmt: skip
    both = FallbackProvider(dead, cheap)

    reply = await both.complete(ModelRequest(messages=[Message(role="user", content="hello")]))

    assert reply.served == ServedBy(endpoint="second", model="local")
    assert reply.usage.cost_usd == (
        reply.usage.prompt_tokens + 2 * reply.usage.completion_tokens
    ) / Decimal(1_000_000)
    assert (both.profile.json_schema, both.profile.context_tokens) == (False, 1_000)
    assert both.profile.usd_per_million_completion == Decimal(9)
    await both.close()
