"""The reader that is no model: word for word, cited, and honest about the rest."""

import pytest

from agents.core.errors import ModelIncapable
from agents.core.ports import ModelRequest
from agents.core.runtime import Agent
from agents.core.types import Message
from agents.providers.extractive import NOTHING, ExtractiveReader
from agents.testing import FakeKnowledge, WordEmbedder, passages_from
from agents.tools.search_knowledge import search_knowledge_tool

pytestmark = pytest.mark.asyncio

TEXT = """# Looms

A loom is a machine that weaves cloth of thread. A loom is a machine that weaves cloth of threads.

The weft thread runs crosswise through the warp of the cloth.
A shuttle carries the weft thread from side to side.

Sheep are shorn in early summer by the shepherds.

| a table | of weft thread |"""


def agent():
    tools = [search_knowledge_tool(FakeKnowledge(passages_from(TEXT)))]
    return Agent(provider=ExtractiveReader(WordEmbedder()), tools=tools)


async def test_it_searches_and_answers_with_cited_sentences_of_the_documents():
    result = await agent().run("Where does the weft thread run, and what carries the weft thread?")

    lines = result.text.splitlines()
    assert all(line.endswith("]") for line in lines)
    assert "The weft thread runs crosswise through the warp of the cloth. [1]" in lines
    assert "table" not in result.text
    assert result.citations
    for citation in result.citations:
        assert TEXT[citation.start : citation.end] == citation.quote
    assert result.step_count == 2


@pytest.mark.parametrize(
    ("asked", "sentences"), [("In one sentence: ", 1), ("In 2 sentences: ", 2), ("In 9 words: ", 1)]
)
async def test_it_keeps_to_the_length_asked_for(asked, sentences):
    result = await agent().run(f"{asked}the weft thread and the shuttle and the loom")

    assert len(result.text.splitlines()) == sentences


async def test_it_does_not_say_nearly_the_same_twice_before_something_new():
    result = await agent().run("In two sentences: a loom weaves cloth; the weft thread, the warp")

    assert sum("A loom is a machine" in line for line in result.text.splitlines()) == 1


async def test_a_goal_that_lists_its_parts_is_answered_part_by_part():
    result = await agent().run(
        "1. What weaves cloth?\n2. Who has shorn sheep in summer?\n3. Zebras?"
    )

    first, second, third = result.text.split("\n\n")
    assert first.startswith("1. What weaves cloth?\nA loom is a machine")
    assert "Sheep are shorn" in second
    assert third == "3. Zebras?\n(Nothing in the documents bears on this.)"


async def test_with_nothing_to_quote_it_says_what_it_is():
    assert (await agent().run("Quantum chromodynamics?")).text == NOTHING
    alone = Agent(provider=ExtractiveReader(WordEmbedder()))
    assert (await alone.run("Anything?")).text == NOTHING


async def test_results_of_parts_are_kept_as_they_are_without_a_search():
    context = "# Results of the parts\n\n## One\nFirst answer. [1]\n\n## Two\nSecond answer. [2]"

    result = await agent().run("Put it together.", context=context)

    assert result.text == "### One\nFirst answer.\n\n### Two\nSecond answer."
    assert result.step_count == 1


async def test_context_is_a_source_but_a_rejected_answer_is_none():
    context = (
        "The weft thread of this cloth is red silk.\n\n"
        "An earlier answer to this was rejected.\nThe rejected answer: The weft thread is blue."
    )
    alone = Agent(provider=ExtractiveReader(WordEmbedder()))

    result = await alone.run("Which colour has the weft thread of this cloth?", context=context)

    assert result.text == "The weft thread of this cloth is red silk."


async def test_it_fills_in_no_forms():
    request = ModelRequest(messages=[Message(role="user", content="x")], json_schema={})

    with pytest.raises(ModelIncapable):
        await ExtractiveReader(WordEmbedder()).complete(request)
