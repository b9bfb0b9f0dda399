"""What is known of models: their abilities, windows and prices."""

from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from agents.core.budget import MILLION
from agents.core.types import ModelProfile

_SAMPLE = 1_000  # small enough to lie in the cheapest tier of prices that depend on length

# (beginning of the model's name, what differs from the default); the first that fits counts.
_KNOWN: tuple[tuple[str, ModelProfile], ...] = (
    ("deepseek-reasoner", ModelProfile(json_schema=False, reasoning=True)),
    ("deepseek-r1", ModelProfile(tools=False, reasoning=True)),
    ("deepseek", ModelProfile(json_schema=False)),
    ("qwq", ModelProfile(reasoning=True)),
    ("qwen3", ModelProfile(reasoning=True)),
    ("kimi-k2-thinking", ModelProfile(reasoning=True, context_tokens=256_000)),
    ("glm-4.5", ModelProfile(reasoning=True, json_schema=False)),
    ("claude", ModelProfile(json_schema=False, context_tokens=200_000)),
    ("gemini-2.5", ModelProfile(reasoning=True, context_tokens=1_000_000)),
    ("o1", ModelProfile(reasoning=True, context_tokens=200_000)),
    ("o3", ModelProfile(reasoning=True, context_tokens=200_000)),
    ("o4", ModelProfile(reasoning=True, context_tokens=200_000)),
    ("gpt-5", ModelProfile(reasoning=True, context_tokens=400_000)),
    ("gpt-4.1", ModelProfile(context_tokens=1_000_000)),
)


@lru_cache(maxsize=256)
def profile_for(model: str, base_url: str | None = None) -> ModelProfile:
    """Return the profile of a model by its name; unknown ones are taken to be able to do all.

    Prices are looked up for endpoints that are not on this machine; an unknown price stays None.
    """
    name = model.rsplit("/", 1)[-1].lower()
    profile = next((p for prefix, p in _KNOWN if name.startswith(prefix)), ModelProfile())
    if is_local(base_url):
        return profile
    return _with_prices(profile, model, base_url)


def is_local(base_url: str | None) -> bool:
    """Return whether a URL names this machine, whose models cost nothing per token."""
    host = urlsplit(base_url or "").hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _with_prices(profile: ModelProfile, model: str, base_url: str | None) -> ModelProfile:
    from genai_prices import Usage as Amount  # noqa: PLC0415 -- 20 ms and its data, when asked
    from genai_prices import calc_price  # noqa: PLC0415 -- as above

    amount = Amount(input_tokens=_SAMPLE, output_tokens=_SAMPLE)
    try:
        price = calc_price(amount, model, provider_api_url=base_url)
    except LookupError:
        return profile
    scale = MILLION / _SAMPLE
    return replace(
        profile,
        usd_per_million_prompt=price.input_price * scale,
        usd_per_million_completion=price.output_price * scale,
        context_tokens=price.model.context_window or profile.context_tokens,
    )
