"""Settings of retrieval that cannot work, said at start-up."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from knowledge import conf


@register()
def embedding_endpoint(**_: Any) -> list[CheckMessage]:
    """Return an error when an embedding model is named that nobody serves."""
    settings = conf.load()
    named = settings.embedding_model.lower() not in ("", "none", "off")
    if named and not (settings.openai_base_url or settings.openai_api_key):
        return [
            Error(
                f"LOOM_EMBEDDING_MODEL is {settings.embedding_model!r}, and neither "
                "OPENAI_BASE_URL nor OPENAI_API_KEY is set.",
                hint="Set one of them, or unset LOOM_EMBEDDING_MODEL for the built-in model.",
                id="knowledge.E001",
            )
        ]
    return []


@register()
def search_options(**_: Any) -> list[CheckMessage]:
    """Return an error for each option of search that cannot work."""
    settings = conf.load()
    found: list[CheckMessage] = []
    if settings.rerank_url and not settings.rerank_url.startswith(("http://", "https://")):
        found.append(
            Error(
                f"LOOM_RERANK_URL is {settings.rerank_url!r}: it must begin with http:// or "
                "https://.",
                id="knowledge.E002",
            )
        )
    if settings.query_expansion.lower() not in ("", "off", "none", "feedback"):
        found.append(
            Error(
                f"LOOM_QUERY_EXPANSION is {settings.query_expansion!r}: use feedback, or unset it.",
                id="knowledge.E003",
            )
        )
    return found
