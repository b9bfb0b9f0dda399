"""A run that was killed goes on at the step in flight; no effect happens twice."""

from dataclasses import replace

import pytest

from agents.core.context import ContextOrchestrator
from agents.core.errors import ToolFailed
from agents.core.runtime import Agent
from agents.core.types import EffectRecord, Passage, RunRequest, Suspension
from agents.memory.recall import KnowledgeSource
from agents.testing import FakeGate, MemoryJournal, ScriptedProvider, calling
from agents.tools.delegate import delegate_tool
from agents.tools.registry import define_tool
from agents.tools.search_knowledge import search_knowledge_tool

pytestmark = pytest.mark.asyncio

REQUEST = RunRequest(
    run_id="run",
    workspace_id="ws",
    agent_id="agent",
    task_id="task",
    root_task_id="task",
    goal="Send two letters.",
)


class Killed(BaseException):
    """Stands for the end of the process."""


def die_now(_request):
    raise Killed


class Post:
    """A tool with an effect, killed where the test says."""

    def __init__(self, *, idempotent: bool = False) -> None:
        self.sent: list[str] = []
        self.keys: list[str] = []
        self.kill_before = self.kill_after = ""
        self.tool = define_tool(self.send, name="send", effect=True, idempotent=idempotent)

    async def send(self, to: str) -> str:
        if to == self.kill_before:
            raise Killed
        self.sent.append(to)
        if to == self.kill_after:
            raise Killed
        return f"sent to {to}"


def script() -> ScriptedProvider:
    return ScriptedProvider(
        calling(("send", '{"to": "Ann"}')), calling(("send", '{"to": "Bob"}')), "Both sent."
    )


async def test_a_finished_model_call_and_a_finished_effect_are_not_done_again():
    post, journal = Post(), MemoryJournal()
    first = script()
    post.kill_before = "Bob"
    with pytest.raises(Killed):
        await Agent(provider=first, tools=[post.tool]).execute(REQUEST, journal=journal)
    journal.outcomes.pop("run:1:0")  # killed before the effect was begun
    post.kill_before = ""

    second = ScriptedProvider("Both sent.")
    result = await Agent(provider=second, tools=[post.tool]).execute(REQUEST, journal=journal)

    assert (result.stop, result.text, result.step_count) == ("answered", "Both sent.", 3)
    assert post.sent == ["Ann", "Bob"]
    assert (len(first.requests), len(second.requests)) == (2, 1)
    assert [m.content for m in second.requests[0].messages if m.role == "tool"] == [
        "sent to Ann",
        "sent to Bob",
    ]
    assert result.usage.prompt_tokens == 30


async def test_an_effect_of_unknown_outcome_becomes_a_question_and_is_not_repeated():
    post, journal = Post(), MemoryJournal()
    post.kill_after = "Ann"
    with pytest.raises(Killed):
        await Agent(provider=script(), tools=[post.tool]).execute(REQUEST, journal=journal)

    rest = ScriptedProvider("Done.")
    agent = Agent(provider=rest, tools=[post.tool])
    asked = await agent.execute(REQUEST, journal=journal)

    assert asked.stop == "suspended"
    assert asked.suspension == Suspension(
        kind="unknown_effect",
        key="run:0:0",
        question="The run stopped while 'send' was being called. Did it happen?",
        options=("done", "retry", "skip"),
        detail={"tool": "send", "arguments": '{"to": "Ann"}'},
    )
    assert post.sent == ["Ann"]

    journal.outcomes["run:0:0"] = EffectRecord(key="run:0:0", state="done", result="It was sent.")
    answered = await agent.execute(REQUEST, journal=journal)
    assert (answered.stop, post.sent) == ("answered", ["Ann"])
    assert rest.requests[0].messages[-1].content == "It was sent."


async def test_an_idempotent_effect_of_unknown_outcome_is_run_again_under_its_key():
    post, journal = Post(idempotent=True), MemoryJournal()
    post.kill_after = "Ann"
    with pytest.raises(Killed):
        await Agent(provider=script(), tools=[post.tool]).execute(REQUEST, journal=journal)
    post.kill_after = ""

    result = await Agent(provider=ScriptedProvider("Done."), tools=[post.tool]).execute(
        REQUEST, journal=journal
    )

    assert (result.stop, post.sent) == ("answered", ["Ann", "Ann"])
    assert journal.outcomes["run:0:0"].state == "done"


async def test_a_call_without_an_effect_is_journaled_when_it_ends_and_not_redone():
    seen, deadly = [], {"b"}

    @define_tool
    async def look(what: str) -> str:
        seen.append(what)
        if what in deadly:
            raise Killed
        return f"saw {what}"

    journal = MemoryJournal()
    provider = ScriptedProvider(
        calling(("look", '{"what": "a"}')), calling(("look", '{"what": "b"}')), "Seen."
    )
    agent = Agent(provider=provider, tools=[look])
    with pytest.raises(Killed):
        await agent.execute(REQUEST, journal=journal)
    assert sorted(journal.outcomes) == ["run:0:0"]
    deadly.clear()

    result = await agent.execute(REQUEST, journal=journal)

    assert (result.text, seen) == ("Seen.", ["a", "b", "b"])


async def test_a_run_killed_after_its_answer_was_journaled_answers_without_a_call():
    journal = MemoryJournal()
    await Agent(provider=ScriptedProvider("The answer.")).execute(REQUEST, journal=journal)
    silent = ScriptedProvider("Something else.")

    result = await Agent(provider=silent).execute(REQUEST, journal=journal)

    assert (result.text, silent.requests) == ("The answer.", [])


async def test_an_approval_is_asked_once_and_its_answer_decides():
    for approved, told in ((True, "sent to Ann"), (False, "A person denied this call.")):
        post, journal = Post(), MemoryJournal()
        gate = FakeGate({"send": "ask"})
        provider = ScriptedProvider(calling(("send", '{"to": "Ann"}')), "ok")
        agent = Agent(provider=provider, tools=[post.tool])

        waiting = await agent.execute(REQUEST, journal=journal, gate=gate)
        assert waiting.suspension is not None
        assert (waiting.suspension.kind, waiting.suspension.key) == ("approval", "run:0:0")
        assert waiting.suspension.options == ("approve", "deny")
        assert journal.outcomes == {}

        journal.decide("run:0:0", approved=approved)
        result = await agent.execute(REQUEST, journal=journal, gate=gate)
        assert result.stop == "answered"
        assert provider.requests[-1].messages[-1].content.startswith(told)
        assert post.sent == (["Ann"] if approved else [])


@pytest.mark.parametrize(
    ("edited", "sent", "told"),
    [
        ('{"to": "Bob"}', ["Bob"], "sent to Bob"),
        ('{"to": "Ann", "cc": 1}', [], "Unknown arguments: cc"),
    ],
)
async def test_a_call_that_a_person_changed_is_made_as_they_changed_it(edited, sent, told):
    post, journal, gate = Post(), MemoryJournal(), FakeGate({"send": "ask"})
    provider = ScriptedProvider(calling(("send", '{"to": "Ann"}')), "ok")
    agent = Agent(provider=provider, tools=[post.tool])
    await agent.execute(REQUEST, journal=journal, gate=gate)

    journal.decide("run:0:0", approved=True, arguments=edited)
    await agent.execute(REQUEST, journal=journal, gate=gate)

    said = provider.requests[-1].messages[-1].content
    assert post.sent == sent
    assert said.startswith(
        f"A person changed this call before it ran. Its arguments were: {edited}"
    )
    assert told in said


async def test_a_denied_call_is_fed_back_and_stays_denied_when_the_policy_changes():
    post, journal = Post(), MemoryJournal()
    provider = ScriptedProvider(calling(("send", '{"to": "Ann"}')), ToolFailed("stop here"))
    agent = Agent(provider=provider, tools=[post.tool])
    gate = FakeGate({"send": "deny"})
    await agent.execute(REQUEST, journal=journal, gate=gate)

    later = ScriptedProvider("ok")
    result = await Agent(provider=later, tools=[post.tool]).execute(
        REQUEST, journal=journal, gate=FakeGate()
    )

    assert (result.stop, post.sent) == ("answered", [])
    assert later.requests[0].messages[-1].content == "Not allowed: the test says deny."


async def test_delegated_parts_of_one_step_wait_as_one_and_their_answers_come_back():
    provider = ScriptedProvider(
        calling(("delegate", '{"goal": "A"}'), ("delegate", '{"goal": "B", "agent": "b"}')),
        "Put together.",
    )
    journal = MemoryJournal()
    agent = Agent(provider=provider, tools=[delegate_tool()])

    waiting = await agent.execute(REQUEST, journal=journal)

    assert waiting.suspension is not None
    assert waiting.suspension.kind == "children"
    assert waiting.suspension.detail["children"] == [
        {"key": "run:0:0", "goal": "A", "agent": ""},
        {"key": "run:0:1", "goal": "B", "agent": "b"},
    ]

    for key, answer in (("run:0:0", "a"), ("run:0:1", "b")):
        journal.outcomes[key] = EffectRecord(key=key, state="done", result=answer)
    result = await agent.execute(REQUEST, journal=journal)
    assert result.text == "Put together."
    assert [m.content for m in provider.requests[-1].messages if m.role == "tool"] == ["a", "b"]


# ---------------------------------------------------------------- what stays as it was


class Noting:
    """A listener that keeps the numbers of what it hears."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __call__(self, event) -> None:
        self.numbers.append(event.seq)


async def test_the_events_of_a_run_that_is_taken_up_are_numbered_on():
    post, journal, first, second = Post(), MemoryJournal(), Noting(), Noting()
    post.kill_before = "Bob"
    with pytest.raises(Killed):
        await Agent(provider=script(), tools=[post.tool]).execute(
            REQUEST, journal=journal, on_event=first
        )
    journal.outcomes.pop("run:1:0")
    post.kill_before = ""

    rest = ScriptedProvider("Both sent.")
    await Agent(provider=rest, tools=[post.tool]).execute(REQUEST, journal=journal, on_event=second)

    assert first.numbers == list(range(len(first.numbers)))
    assert second.numbers == list(range(second.numbers[0], second.numbers[0] + len(second.numbers)))
    assert second.numbers[0] > first.numbers[-1]


async def test_a_run_killed_in_its_first_call_is_numbered_on_too():
    def die(_request):
        raise Killed

    journal, first, second = MemoryJournal(), Noting(), Noting()
    with pytest.raises(Killed):
        await Agent(provider=ScriptedProvider(die)).execute(
            REQUEST, journal=journal, on_event=first
        )

    await Agent(provider=ScriptedProvider("Done.")).execute(
        REQUEST, journal=journal, on_event=second
    )

    assert min(second.numbers) > max(first.numbers)


class Library:
    """Knowledge whose first hits change between two looks."""

    def __init__(self, *passages) -> None:
        self.passages = list(passages)

    async def search(self, query, *, collection=None, limit=8):
        found = [p for p in self.passages if query.split()[0].lower() in p.text.lower()]
        return found[:limit]


def passage(name: str, text: str) -> Passage:
    return Passage(
        document_id=name, chunk_id=name, title=name, text=text, start=0, end=len(text), score=1.0
    )


async def test_a_run_that_is_taken_up_reads_its_opening_as_it_was_and_cites_by_its_numbers():
    library = Library(passage("old", "Flax gives linen, and linen is strong."))
    look = define_tool(lambda: "looked", name="look")
    journal, killed = MemoryJournal(), ScriptedProvider(calling(("look", "{}")), die_now)
    request = replace(REQUEST, goal="Flax gives what?")

    def agent(provider):
        context = ContextOrchestrator([KnowledgeSource(library)])
        return Agent(provider=provider, context=context, tools=[look])

    with pytest.raises(Killed):
        await agent(killed).execute(request, journal=journal)
    library.passages.insert(0, passage("new", "Flax is sown in spring."))
    rest = ScriptedProvider("Linen is strong [1].")

    result = await agent(rest).execute(request, journal=journal)

    before, after = killed.requests[0].messages[-1], rest.requests[0].messages[0]
    assert (before.content, after.content) == (before.content, before.content)
    assert "Flax is sown" not in after.content
    assert [citation.document_id for citation in result.citations] == ["old"]


async def test_a_search_that_is_made_again_gives_no_number_twice():
    library = Library(passage("a", "Apples are red."), passage("b", "Bears are brown."))
    search = search_knowledge_tool(library)
    journal = MemoryJournal()
    both = calling(
        ("search_knowledge", '{"query": "apples"}'), ("search_knowledge", '{"query": "bears"}')
    )
    with pytest.raises(Killed):
        await Agent(provider=ScriptedProvider(both, die_now), tools=[search]).execute(
            REQUEST, journal=journal
        )
    journal.outcomes.pop("run:0:0")  # killed before the first of the two was kept

    rest = ScriptedProvider("Apples are red [2]. Bears are brown [1].")
    second = journal.outcomes["run:0:1"]
    journal.outcomes["run:0:1"] = replace(
        second, result=second.result.replace('"ref": 2', '"ref": 1')
    )
    result = await Agent(provider=rest, tools=[search]).execute(REQUEST, journal=journal)

    assert [citation.document_id for citation in result.citations] == ["a", "b"]
