"""Window, key facts, summaries and the store, together and apart."""

import pytest

from agents.core.runtime import Agent
from agents.core.types import Message, ToolCall
from agents.memory.agent_memory import AgentMemory
from agents.memory.compaction import extract
from agents.memory.consolidate import consolidate
from agents.memory.window import overflow
from agents.memory.working import Fact, WorkingMemory, facts_in
from agents.testing import ListMemory, MemorySessions, ScriptedProvider, still_world

pytestmark = pytest.mark.asyncio


def words(text):
    return len(text.split())


def user(text):
    return Message(role="user", content=text)


def said(text):
    return Message(role="assistant", content=text)


async def test_the_window_drops_whole_turns_so_that_no_result_loses_its_call():
    call = Message(role="assistant", tool_calls=(ToolCall(id="c", name="look", arguments="{}"),))
    result = Message(role="tool", content="seen", tool_call_id="c")
    messages = [user("one"), call, result, said("a"), user("two"), said("b"), user("three")]
    sizes = [10] * len(messages)

    assert overflow(sizes, messages, keep_tokens=70) == 0
    assert overflow(sizes, messages, keep_tokens=60) == 4
    assert overflow(sizes, messages, keep_tokens=25) == 6
    assert overflow(sizes, messages, keep_tokens=1) == 6


async def test_facts_are_what_people_want_kept_and_questions_are_none():
    found = facts_in("My name is Ada. Remember the code 4711! What is it? The sky was grey.")

    assert [fact.text for fact in found] == ["My name is Ada.", "Remember the code 4711!"]
    assert found[1].importance > found[0].importance


async def test_working_memory_keeps_the_important_and_each_fact_once():
    memory = WorkingMemory(size=2)
    for text, importance in (("A is a.", 0.9), ("B is b.", 0.2), ("a is a", 0.1), ("C is c.", 0.5)):
        memory.add(Fact(text=text, importance=importance))

    assert [fact.text for fact in memory.facts] == ["A is a.", "C is c."]
    assert memory.text(max_tokens=4, count=words) == "- A is a."


async def test_an_extract_keeps_the_order_and_lets_the_middle_go_first():
    turns = [user(f"Question number {n}.") for n in range(30)]

    text = extract("", turns, max_tokens=30, count=words)

    assert text.splitlines()[0] == "user: Question number 0."
    assert text.splitlines()[-1] == "user: Question number 29."
    assert words(text) <= 30


async def test_a_conversation_goes_on_and_its_first_fact_survives_compaction():
    provider = ScriptedProvider(lambda r: f"Reply to {r.messages[-1].content[-12:]}")
    memory = AgentMemory(count=words, window_tokens=120, notes_tokens=80)
    agent = Agent(provider=provider, memory=memory, instructions="Be kind.")

    await agent.run("Remember that my loom is called Penelope.", session="s")
    for number in range(40):
        await agent.run(f"Tell me about pattern {number}.", session="s")

    last = provider.requests[-1].messages
    assert last[0].content == "Be kind."
    assert len(last) < 30
    assert "my loom is called Penelope" in last[-1].content
    other = await agent.run("Hello", session="other")
    assert len(other.messages) == 3


async def test_two_hundred_turns_prepare_each_message_once():
    prepared = []

    def render(message):
        prepared.append(message)
        return {}

    class Rendering(ScriptedProvider):
        async def complete(self, request):
            request.messages.rendered(render)
            return await super().complete(request)

    memory = AgentMemory(count=words, window_tokens=2_000)
    agent = Agent(provider=Rendering("ok"), memory=memory)
    for number in range(200):
        await agent.run(f"Turn {number}.", session="s")

    # Each turn adds a question and an answer; an answer is prepared when it is first sent back.
    assert len(prepared) <= 400 * 1.1


async def test_a_stored_session_goes_on_in_another_process_with_its_key_facts():
    sessions, world = MemorySessions(), still_world()

    def agent(provider):
        memory = AgentMemory(count=words, sessions=sessions, window_tokens=60, notes_tokens=60)
        return Agent(provider=provider, memory=memory, world=world)

    await agent(ScriptedProvider("ok")).run("My name is Ada Lovelace.", session="s")
    for number in range(12):
        await agent(ScriptedProvider("ok")).run(f"Say something, number {number}.", session="s")
    provider = ScriptedProvider("ok")
    await agent(provider).run("Who am I?", session="s")

    assert "My name is Ada Lovelace." in provider.requests[0].messages[-1].content
    assert len(sessions.kept["s"].messages) < 20


async def test_the_store_is_recalled_for_the_goal_and_told_as_context():
    store = ListMemory()
    await store.remember("The customer weaves linen.", importance=0.9)
    await store.remember("The cat is grey.")
    provider = ScriptedProvider("ok")
    agent = Agent(provider=provider, memory=AgentMemory(count=words, store=store))

    await agent.run("What does the customer weave?")

    assert (
        provider.requests[0]
        .messages[-1]
        .content.startswith("<context>\nRemembered from before:\n- The customer weaves linen.\n")
    )


async def test_consolidation_keeps_what_is_new_and_only_what_users_said():
    messages = [
        user("My name is Ada. I prefer linen."),
        said("My name is Loom."),
        user("my name is Ada!"),
    ]

    found = consolidate(messages, known=["I prefer linen"])

    assert [fact.text for fact in found] == ["My name is Ada."]
