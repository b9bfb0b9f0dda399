"""The settings of retrieval as one value, read once."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """What the environment says about embeddings and search.

    Attributes:
        embedding_model: Empty for the built-in model, `none` for no vectors, else a model of the
            OpenAI-compatible endpoint.
        rerank_url: Of an endpoint that answers `/rerank`; empty for no reranking.
        query_expansion: `feedback` adds words of the first hits to each query; empty for none.
    """

    embedding_model: str
    openai_base_url: str
    openai_api_key: str
    rerank_url: str
    rerank_model: str
    rerank_api_key: str
    query_expansion: str


def load() -> Conf:
    """Return the settings as they are now."""
    return Conf(
        embedding_model=settings.LOOM_EMBEDDING_MODEL,
        openai_base_url=settings.OPENAI_BASE_URL,
        openai_api_key=settings.OPENAI_API_KEY,
        rerank_url=settings.LOOM_RERANK_URL,
        rerank_model=settings.LOOM_RERANK_MODEL,
        rerank_api_key=settings.LOOM_RERANK_API_KEY,
        query_expansion=settings.LOOM_QUERY_EXPANSION,
    )
