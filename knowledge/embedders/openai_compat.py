"""Embeddings from any endpoint that speaks the OpenAI wire format."""

import math
from collections.abc import Sequence
from threading import Lock

import openai

from knowledge.core.errors import EmbeddingUnavailable

_BATCH = 64
_MAX_CHARS = 24_000  # about 8,000 tokens, what the common models take
_TIMEOUT_S = 60.0
_BUSY = frozenset({408, 409, 429, *range(500, 600)})


class OpenAiEmbedder:
    """Embed texts at an endpoint; learns its dimension from the first answer.

    Args:
        model: As the endpoint calls it.
        base_url: Empty for the vendor's own.
    """

    def __init__(self, *, model: str, base_url: str, api_key: str) -> None:
        self._model = model
        self._lock = Lock()
        self._dim = 0
        self._client = openai.OpenAI(
            base_url=base_url or None,
            api_key=api_key or "none",  # local servers want none, the client wants one
            timeout=_TIMEOUT_S,
            max_retries=2,
        )

    @property
    def model_id(self) -> str:
        return self._model

    @property
    def dim(self) -> int:
        with self._lock:
            if not self._dim:
                self._dim = len(self._request(["dimension"])[0])
            return self._dim

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one unit vector a text, in order."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _BATCH):
            batch = [text[:_MAX_CHARS] or " " for text in texts[start : start + _BATCH]]
            vectors.extend(self._request(batch))
        return vectors

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def _request(self, texts: Sequence[str]) -> list[list[float]]:
        try:
            reply = self._client.embeddings.create(
                model=self._model, input=list(texts), encoding_format="float"
            )
        except openai.APIStatusError as error:
            raise EmbeddingUnavailable(
                f"The embedding endpoint answered {error.status_code} for model {self._model!r}: "
                f"{error.message[:300]}",
                retryable=error.status_code in _BUSY,
            ) from error
        except openai.OpenAIError as error:
            raise EmbeddingUnavailable(
                f"The embedding endpoint did not answer ({type(error).__name__}): check "
                "OPENAI_BASE_URL, or unset LOOM_EMBEDDING_MODEL to use the built-in model."
            ) from error
        rows = sorted(reply.data, key=lambda row: row.index)
        if len(rows) != len(texts):
            raise EmbeddingUnavailable(
                f"The embedding endpoint gave {len(rows)} vectors for {len(texts)} texts.",
                retryable=False,
            )
        return [_unit(row.embedding) for row in rows]


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in vector))
    if not math.isfinite(length) or length == 0:
        raise EmbeddingUnavailable("The embedding endpoint gave a vector of no length.")
    return [x / length for x in vector]
