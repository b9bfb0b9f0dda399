"""Fakes for the ports of retrieval."""

import math
import zlib
from collections.abc import Sequence
from threading import Lock

from knowledge.core.analysis import analyze
from knowledge.core.errors import EmbeddingUnavailable


class WordEmbedder:
    """An embedder by words: texts that share stems are near each other. Keeps what it was asked.

    Set `away` to make it unavailable.
    """

    def __init__(self, *, model_id: str = "words", dim: int = 64) -> None:
        self.model_id = model_id
        self.dim = dim
        self.texts: list[str] = []
        self.away = False
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.away:
            raise EmbeddingUnavailable("The embedder of this test is away.")
        with self._lock:
            self.texts.extend(texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dim
        for term in analyze(text):
            vector[zlib.crc32(term.encode()) % self.dim] += 1.0
        length = math.sqrt(sum(x * x for x in vector))
        return [x / length for x in vector] if length else [1.0, *([0.0] * (self.dim - 1))]
