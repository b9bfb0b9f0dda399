"""Answers in the language that was asked for."""

import pytest

from agents.core.errors import ModelReplyInvalid
from agents.core.interceptors import AnswerLanguage
from agents.core.languages import language_of
from agents.core.runtime import Agent
from agents.testing import ScriptedProvider, calling
from agents.tools.registry import define_tool

GERMAN = "Das Leinen ist aus Flachs, und es ist nicht mit der Wolle zu verwechseln."
ENGLISH = "The linen is made of flax, and it is not to be confused with the wool."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GERMAN, "de"),
        (ENGLISH, "en"),
        ("Le lin est dans les champs, et il est plus fort que le coton pour une corde.", "fr"),
        ("El lino es más fuerte que el algodón y se usa para las velas con una trama.", "es"),
        ("Лён прочнее хлопка, когда он мокрый.", "ru"),
        ("亚麻是由亚麻纤维制成的,非常结实。", "zh"),
        ("リネンは亜麻から作られ、濡れるとさらに強くなります。", "ja"),
        ("42", ""),
        ("def weave(warp, weft): return warp @ weft", ""),
        ("Jacquard, Lyon 1804", ""),
    ],
)
def test_the_language_of_a_text_is_told_where_it_is_plain(text, language):
    assert language_of(text) == language


@pytest.mark.asyncio
async def test_an_answer_in_another_language_is_asked_for_once_more():
    provider = ScriptedProvider(ENGLISH, GERMAN)
    agent = Agent(provider=provider, interceptors=[AnswerLanguage("de")])

    result = await agent.run("Woraus ist Leinen?")

    assert result.text == GERMAN
    assert provider.requests[1].messages[-1].content.endswith("Answer in the language 'de'.")


@pytest.mark.asyncio
async def test_a_model_that_will_not_answer_in_the_language_ends_the_run_with_a_clear_error():
    agent = Agent(provider=ScriptedProvider(ENGLISH, ENGLISH), interceptors=[AnswerLanguage("de")])

    with pytest.raises(ModelReplyInvalid) as caught:
        await agent.run("Woraus ist Leinen?")

    assert caught.value.code == "agents.wrong_language"
    assert str(caught.value) == "The answer is in 'en', and 'de' was asked for."


@pytest.mark.asyncio
async def test_tool_calls_and_what_is_in_no_language_pass():
    @define_tool
    def measure() -> str:
        """Measure."""
        return "12"

    provider = ScriptedProvider(calling(("measure", "{}")), "12 cm")
    agent = Agent(provider=provider, tools=[measure], interceptors=[AnswerLanguage("de")])

    result = await agent.run("Wie breit?")

    assert result.text == "12 cm"


def test_a_language_that_cannot_be_told_is_refused():
    with pytest.raises(ValueError, match="no language that can be told"):
        AnswerLanguage("tlh")
