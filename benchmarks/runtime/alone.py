"""Cases without a scripted server: counting tokens, and calls of an embedder."""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

_CHARACTERS = 400
_TEXTS = 1_000


def tokens() -> dict[str, Any]:
    """Return how much cheaper a cached token count is than one that is made."""
    from agents.core.tokens import TokenCounter  # noqa: PLC0415 -- measured apart from its import
    from agents.providers.tokenizers import tokenizer_for  # noqa: PLC0415 -- as above

    tokenize = tokenizer_for("gpt-4o")
    texts = [(f"number {n} " * _CHARACTERS)[:_CHARACTERS] for n in range(_TEXTS)]
    tokenize("warm")
    counter = TokenCounter(tokenize)
    uncached, cached = _seconds(counter, texts), _seconds(counter, texts)
    return {"ratio": uncached / cached, "uncached_us": uncached * 1e6, "cached_us": cached * 1e6}


def embedding() -> dict[str, Any]:
    """Return how often an embedder is called for the texts of a small life of a workspace.

    200 memories are written in two goes and again; 100 goals are looked up three times each, as a
    run does for its skills, its memory and its documents; twenty documents of fifty passages are
    taken in, and again with one passage changed.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")
    from loomsite.embedded import services  # noqa: PLC0415 -- only this case needs services
    from loomsite.embedded.home import Home, default_root  # noqa: PLC0415 -- as above

    with services.held(Home(root=default_root(os.environ)), os.environ) as urls:
        os.environ.update(urls.to_environment())
        import django  # noqa: PLC0415 -- after the environment is complete

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415 -- as above

        call_command("migrate", verbosity=0, interactive=False)
        return _embedded()


def _embedded() -> dict[str, Any]:
    from knowledge.services.embeddings import texts_embed  # noqa: PLC0415 -- needs Django

    counting, asked = _Counting(), 0
    for batch in _life():
        asked += len(batch)
        texts_embed(texts=batch, embedder=counting)
    return {"texts": asked, "calls": counting.calls, "fewer": 1 - counting.calls / asked}


def _life() -> list[list[str]]:
    memories = [f"The customer {n} weaves pattern {n * 7}." for n in range(200)]
    goals = [f"What does customer {n} weave?" for n in range(100)]
    documents = [[f"Passage {p} of document {d}." for p in range(50)] for d in range(20)]
    changed = [[*passages[:-1], f"{passages[-1]} Changed."] for passages in documents]
    searches = [[goal] for goal in goals for _ in range(3)]
    return [memories[:100], memories[100:], memories, *searches, *documents, *changed]


class _Counting:
    """An embedder that costs nothing and counts its calls; its model is new each time."""

    dim = 8

    def __init__(self) -> None:
        self.model_id, self.calls = f"counting-{secrets.token_hex(6)}", 0

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls += 1
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        digest = hashlib.sha256(text.encode()).digest()[: self.dim]
        length = sum(byte * byte for byte in digest) ** 0.5
        return [byte / length for byte in digest]


def _seconds(count: Callable[[str], int], texts: Sequence[str]) -> float:
    began = time.process_time()
    for text in texts:
        count(text)
    return (time.process_time() - began) / len(texts)


CASES: dict[str, Callable[[], dict[str, Any]]] = {"tokens": tokens, "embedding": embedding}
