"""What is known of models, their tokens and their vendors."""

from decimal import Decimal

import pytest

from agents.core.budget import cost_usd
from agents.core.tokens import TokenCounter, estimate
from agents.core.types import ModelProfile, Usage
from agents.providers import profiles


def test_local_models_cost_nothing_and_others_what_the_price_list_says():
    local = profiles.profile_for("gpt-4o-mini", "http://127.0.0.1:8080/v1")
    priced = profiles.profile_for("gpt-4o-mini", "https://api.openai.com/v1")
    unknown = profiles.profile_for("nobody-knows", "https://api.nowhere.example/v1")

    assert local.usd_per_million_prompt is None
    assert (priced.usd_per_million_prompt, priced.usd_per_million_completion) == (
        Decimal("0.15"),
        Decimal("0.6"),
    )
    assert unknown == ModelProfile()


def test_the_cost_of_tokens_is_exact():
    profile = ModelProfile(
        usd_per_million_prompt=Decimal("0.15"), usd_per_million_completion=Decimal("0.6")
    )
    usage = Usage(prompt_tokens=1000, completion_tokens=500)

    assert cost_usd(profile, usage) == Decimal("0.00045")
    assert cost_usd(ModelProfile(), usage) == 0


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:1/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://127.0.0.2/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://localhost.evil.example/v1", False),
        (None, False),
    ],
)
def test_only_this_machine_is_local(url, local):
    assert profiles.is_local(url) is local


def test_a_text_is_counted_once():
    asked = []

    def count(text):
        asked.append(text)
        return len(text)

    counter = TokenCounter(count, size=2)
    assert [counter(text) for text in ("a", "a", "bb", "ccc", "a")] == [1, 1, 2, 3, 1]
    assert asked == ["a", "bb", "ccc", "a"]


def test_the_estimate_counts_wide_characters_one_by_one():
    assert (estimate(""), estimate("four"), estimate("fives"), estimate("织布机")) == (0, 1, 2, 3)
