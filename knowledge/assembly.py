"""The process's embedders and reranker, each made once: by the settings, or by a name."""

from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Protocol

from knowledge.core.ports import Embedder, Reranker
from knowledge.embedders.minilm import MODEL_ID, MiniLmEmbedder

_once = Lock()  # lru_cache alone lets two threads make one each
_OFF = ("none", "off")


class Settings(Protocol):
    """What is read of the settings."""

    @property
    def embedding_model(self) -> str: ...

    @property
    def openai_base_url(self) -> str: ...

    @property
    def openai_api_key(self) -> str: ...

    @property
    def rerank_url(self) -> str: ...

    @property
    def rerank_model(self) -> str: ...

    @property
    def rerank_api_key(self) -> str: ...


class Engines:
    """Give embedders and the reranker; models are loaded when they are first used."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def configured(self) -> Embedder | None:
        """Return the embedder of LOOM_EMBEDDING_MODEL; None when it turns vectors off."""
        name = self._settings().embedding_model
        if name.lower() in _OFF:
            return None
        return self.named(name or MODEL_ID)

    def embedder(self) -> Embedder:
        """Return the process's embedder.

        LOOM_EMBEDDING_MODEL=none turns vectors off for documents; whoever asks here still gets the
        built-in model.
        """
        return self.configured() or _built_in_once()

    def named(self, model: str) -> Embedder | None:
        """Return the embedder of a model's name; None when no endpoint is set up to run it."""
        if model == MODEL_ID:
            return _built_in_once()
        settings = self._settings()
        is_set_up = settings.openai_base_url or settings.openai_api_key
        if not is_set_up and model != settings.embedding_model:
            return None
        with _once:
            return _at_endpoint(model, settings.openai_base_url, settings.openai_api_key)

    def reranker(self) -> Reranker | None:
        """Return the reranker of LOOM_RERANK_URL; None when there is none."""
        settings = self._settings()
        if not settings.rerank_url:
            return None
        with _once:
            return _reranker(settings.rerank_url, settings.rerank_model, settings.rerank_api_key)


def _built_in_once() -> Embedder:
    with _once:
        return _built_in()


@lru_cache(maxsize=1)
def _built_in() -> Embedder:
    return MiniLmEmbedder()


@lru_cache(maxsize=8)
def _at_endpoint(model: str, base_url: str, api_key: str) -> Embedder:
    from knowledge.embedders.openai_compat import (  # noqa: PLC0415 -- its client costs each process half a second
        OpenAiEmbedder,
    )

    return OpenAiEmbedder(model=model, base_url=base_url, api_key=api_key)


@lru_cache(maxsize=2)
def _reranker(url: str, model: str, api_key: str) -> Reranker:
    from knowledge.rerankers.http import HttpReranker  # noqa: PLC0415 -- as above

    return HttpReranker(url=url, model=model, api_key=api_key)
