"""Sources that share the window."""

from dataclasses import replace

import pytest

from agents.core.context import ContextOrchestrator, LocalWeights, Snippet, weighed
from agents.core.runtime import Agent
from agents.testing import MemoryJournal, ScriptedProvider
from tests.unit.agents.core.test_runtime import request

pytestmark = pytest.mark.asyncio


class Source:
    def __init__(self, name, *texts, fails=False):
        self.name, self.texts, self.fails = name, texts, fails

    async def fetch(self, goal, *, session_id, limit_tokens):
        if self.fails:
            raise ConnectionError("gone")
        return [Snippet(text=text) for text in self.texts]


def words(text):
    return len(text.split())


async def test_sources_fill_their_shares_and_what_one_leaves_goes_to_the_other():
    context = ContextOrchestrator(
        [Source("few", "a b"), Source("many", *["c d e f"] * 1, "g h i j k l")]
    )

    found = await context.assemble("?", session_id="", budget_tokens=30, count=words)

    assert found.text == "## few\na b\n\n## many\nc d e f\n\ng h i j k l"
    assert found.report == (
        {"source": "few", "share": 0.5, "tokens": 10, "kept": 1, "left_out": 0, "why": ""},
        {"source": "many", "share": 0.5, "tokens": 18, "kept": 2, "left_out": 0, "why": ""},
    )


async def test_what_does_not_fit_is_reported_and_what_was_said_is_not_said_twice():
    context = ContextOrchestrator([Source("one", "a b", "x " * 50), Source("two", "a b")])

    found = await context.assemble("?", session_id="", budget_tokens=40, count=words)

    assert found.text == "## one\na b"
    assert [(r["left_out"], r["why"]) for r in found.report] == [(1, "over budget"), (0, "")]


async def test_a_source_that_fails_is_left_out_and_the_report_says_so():
    context = ContextOrchestrator([Source("good", "a b"), Source("bad", fails=True)])

    found = await context.assemble("?", session_id="", budget_tokens=40, count=words)

    assert found.text == "## good\na b"
    assert found.report[1]["why"] == "ConnectionError: gone"


async def test_shares_follow_what_answers_used():
    context = ContextOrchestrator(
        [Source("used", "linen comes from flax plants"), Source("idle", "quite other matters here")]
    )
    for _ in range(10):
        found = await context.assemble("?", session_id="", budget_tokens=100, count=words)
        context.learn(found, "linen comes from flax plants")

    assert context.shares["used"] > 0.8
    assert context.shares["idle"] >= 0.05
    assert sum(context.shares.values()) == pytest.approx(1)


async def test_two_sources_of_one_name_are_refused():
    with pytest.raises(ValueError, match="one name"):
        ContextOrchestrator([Source("a"), Source("a")])


async def test_a_run_puts_the_context_before_the_goal_and_journals_the_report():
    context = ContextOrchestrator([Source("notes", "Linen is strong.")])
    provider, journal = ScriptedProvider("Strong."), MemoryJournal()

    await Agent(provider=provider, context=context).execute(
        request(goal="How strong?", context="From the parent."), journal=journal
    )

    assert provider.requests[0].messages[-1].content == (
        "<context>\n## notes\nLinen is strong.\n\n## hand-off\nFrom the parent.\n</context>"
        "\n\nHow strong?"
    )
    (step,) = journal.kept
    assert [(e["source"], e["tokens"] > 0) for e in step.report["context"]] == [
        ("notes", True),
        ("hand-off", True),
    ]


# ---------------------------------------------------------------- what a run brings itself


async def test_skills_and_the_hand_off_share_the_budget_with_the_other_sources():
    context = ContextOrchestrator([Source("memory", *["m n o p"] * 1, "q " * 30)])
    offers = {
        "skills": [Snippet(text="s " * 10), Snippet(text="t " * 40)],
        "hand-off": [Snippet(text="h i j")],
    }

    found = await context.assemble("?", session_id="", budget_tokens=66, count=words, offers=offers)

    assert [(r["source"], r["share"], r["kept"], r["left_out"]) for r in found.report] == [
        ("memory", 0.333, 1, 1),
        ("skills", 0.333, 1, 1),
        ("hand-off", 0.333, 1, 0),
    ]
    assert sum(r["tokens"] for r in found.report) <= 66
    assert [name for name, _ in found.parts] == ["memory", "skills", "hand-off"]


async def test_what_a_bad_answer_used_speaks_for_nothing():
    weights = {"a": 0.5}

    good = weighed(weights, {"a": 1.0, "new": 0.0}, helped=1.0)
    bad = weighed(weights, {"a": 1.0}, helped=0.0)

    assert good == pytest.approx({"a": 0.6, "new": 0.8})
    assert bad == pytest.approx({"a": 0.4})


async def test_a_learned_share_decides_who_is_cut_when_the_room_is_short():
    long = ["x " * 30]
    offers = {"skills": [Snippet(text="s " * 30)]}

    async def kept(weights):
        context = ContextOrchestrator([Source("memory", *long)], weights=LocalWeights(weights))
        found = await context.assemble(
            "?", session_id="", budget_tokens=50, count=words, offers=offers
        )
        return [name for name, _ in found.parts]

    assert await kept({"skills": 0.9, "memory": 0.1}) == ["skills"]
    assert await kept({"skills": 0.1, "memory": 0.9}) == ["memory"]


async def test_a_hand_off_that_is_too_long_gives_way_by_paragraphs_and_the_report_says_so():
    provider, journal = ScriptedProvider("Done."), MemoryJournal()
    provider.profile = replace(provider.profile, context_tokens=400)
    paragraphs = [f"{number} " + "word " * 60 for number in range(10)]
    context = ContextOrchestrator([Source("notes", "Linen is strong.")])

    await Agent(provider=provider, context=context).execute(
        request(goal="Go on.", context="\n\n".join(paragraphs)), journal=journal
    )

    (line,) = [e for e in journal.kept[0].report["context"] if e["source"] == "hand-off"]
    assert line["kept"] + line["left_out"] == 10
    assert line["kept"] >= 2
    assert line["why"] == "over budget"
    assert "## hand-off\n0 word" in provider.requests[0].messages[-1].content
