"""What every ModelProvider promises, fakes and the model of last resort included."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from agents.core.ports import ModelProvider, ModelRequest
from agents.core.types import Message, ToolSpec
from agents.providers.breaker import MemoryBreaker
from agents.providers.extractive import ExtractiveReader
from agents.providers.fallback import FallbackProvider
from agents.providers.openai_compat import OpenAIProvider
from agents.testing import ScriptedProvider, WordEmbedder, calling

pytestmark = pytest.mark.asyncio

SEARCH = ToolSpec(
    name="search_knowledge",
    description="Search.",
    parameters={"type": "object", "properties": {"query": {"type": "string"}}},
)
GOAL = "[[tool=search_knowledge]] How do looms weave?"


def made(name: str, url: str) -> ModelProvider:
    scripted = ScriptedProvider(
        lambda r: calling(("search_knowledge", '{"query": "looms"}')) if r.tools else "They weave."
    )
    match name:
        case "scripted":
            return scripted
        case "openai":
            return OpenAIProvider("local", base_url=url)
        case "fallback":
            nobody = OpenAIProvider("local", base_url="http://127.0.0.1:9/v1", max_attempts=1)
            return FallbackProvider(nobody, OpenAIProvider("local", base_url=url))
        case _:
            return ExtractiveReader(WordEmbedder())


@pytest_asyncio.fixture(params=["scripted", "openai", "fallback", "extractive"])
async def provider(request, wire) -> AsyncIterator[ModelProvider]:
    model = made(request.param, wire.url)
    yield model
    await model.close()


def asking(*, tools: bool) -> ModelRequest:
    return ModelRequest(
        messages=[Message(role="user", content=GOAL)], tools=(SEARCH,) if tools else ()
    )


async def test_a_reply_is_whole(provider):
    reply = await provider.complete(asking(tools=False))

    assert reply.message.role == "assistant"
    assert reply.message.content
    assert reply.finish_reason == "stop"
    assert reply.model


async def test_a_tool_call_names_the_tool_and_has_an_id(provider):
    reply = await provider.complete(asking(tools=True))

    (call,) = reply.message.tool_calls
    assert call.name == "search_knowledge"
    assert call.id
    assert reply.finish_reason == "tool_calls"


@pytest.mark.parametrize("tools", [False, True])
async def test_a_stream_gives_the_same_reply_piece_by_piece_and_whole_at_the_end(provider, tools):
    whole = await provider.complete(asking(tools=tools))

    deltas = [delta async for delta in provider.stream(asking(tools=tools))]

    assert [d.reply is not None for d in deltas] == [False] * (len(deltas) - 1) + [True]
    assert deltas[-1].reply == whole
    assert "".join(d.text for d in deltas) == whole.message.content
    arguments = "".join(call.arguments for call in whole.message.tool_calls)
    assert "".join(d.call_arguments for d in deltas) == arguments


async def test_tokens_can_be_counted(provider):
    assert provider.count("") == 0
    assert 1 <= provider.count("a few words of text") <= 10


async def test_a_breaker_lets_one_probe_through_and_closes_on_success():
    time = [0.0]
    breaker = MemoryBreaker(lambda: time[0], threshold=2, open_s=5)
    assert await breaker.allow("e") == 0
    await breaker.failed("e")
    assert await breaker.allow("e") == 0
    await breaker.failed("e")

    assert await breaker.allow("e") == 5
    assert await breaker.allow("other") == 0
    time[0] = 5.0
    assert await breaker.allow("e") == 0
    assert await breaker.allow("e") > 0
    await breaker.failed("e")
    assert await breaker.allow("e") == 10
    time[0] = 15.0
    assert await breaker.allow("e") == 0
    await breaker.succeeded("e")
    assert await breaker.allow("e") == 0
