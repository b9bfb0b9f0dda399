"""From "vendor:model" to a provider."""

from agents.core.ports import Breaker, World
from agents.providers.openai_compat import OpenAIProvider
from agents.providers.presets import BY_VENDOR, PRESETS, Preset


def split_name(name: str) -> tuple[Preset, str]:
    """Return the preset and the model of "vendor:model"; the model may hold colons itself.

    Raises:
        ValueError: It names no known vendor or no model.
    """
    vendor, colon, model = name.partition(":")
    preset = BY_VENDOR.get(vendor)
    if preset is None or not colon or not model:
        known = ", ".join(preset.vendor for preset in PRESETS)
        raise ValueError(f'{name!r} is not "vendor:model". Vendors: {known}.')
    return preset, model


def provider_for(
    name: str,
    *,
    api_key: str | None = None,
    breaker: Breaker | None = None,
    world: World | None = None,
) -> OpenAIProvider:
    """Return the provider of "vendor:model".

    Raises:
        ValueError: The name is unknown, or the vendor needs a key and none was given.
    """
    preset, model = split_name(name)
    if preset.key_name and not api_key:
        raise ValueError(f"{preset.title} needs a key; its name there is {preset.key_name}.")
    return OpenAIProvider(
        model, base_url=preset.base_url, api_key=api_key, breaker=breaker, world=world
    )
