"""The settings of retrieval as one value, read once."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """What the environment says about embeddings.

    Attributes:
        embedding_model: Empty for the built-in model, `none` for no vectors, else a model of the
            OpenAI-compatible endpoint.
    """

    embedding_model: str
    openai_base_url: str
    openai_api_key: str


def load() -> Conf:
    """Return the settings as they are now."""
    return Conf(
        embedding_model=settings.LOOM_EMBEDDING_MODEL,
        openai_base_url=settings.OPENAI_BASE_URL,
        openai_api_key=settings.OPENAI_API_KEY,
    )
