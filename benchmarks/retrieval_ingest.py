"""What ingest costs: chunks a second, beside the embedder alone, again, and in memory."""

import os
import resource
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
from django.core.management import call_command

from benchmarks.retrieval_speed import cpu_s, words
from knowledge import selectors, wiring
from knowledge.core.types import DocumentInput
from knowledge.loaders.registry import load
from knowledge.services import collections
from knowledge.services.ingest import documents_ingest
from loomsite.access.services import workspace_ensure

EMBEDDED = 300
UNCHANGED = 1_000
MEGABYTES = 100
_DOCUMENT_BYTES = 200_000
_GROW = "import django; django.setup(); from benchmarks.retrieval_ingest import grow; grow()"


class CountingEmbedder:
    """The process's own embedder, its calls counted and timed."""

    def __init__(self) -> None:
        self._inner = wiring.embedder()
        self.model_id = f"benchmark-{secrets.token_hex(4)}"  # so that no cached vector is found
        self.dim = self._inner.dim
        self.calls = 0
        self.texts: list[str] = []

    def embed(self, texts: list[str]) -> list[list[float]]:
        self.calls += 1
        self.texts.extend(texts)
        return self._inner.embed(texts)


def measure(without_vectors: int) -> dict[str, Any]:
    """Return all numbers of ingest; `without_vectors` is how many chunks that part ingests."""
    call_command("migrate", verbosity=0, interactive=False)
    return {
        "without_embedding": _rate(without_vectors),
        "with_embedding": _beside_the_embedder(),
        "unchanged": _unchanged(),
        "memory": _memory(),
    }


def _rate(count: int) -> dict[str, Any]:
    with _Scratch() as scratch:
        began, cpu = perf_counter(), cpu_s()
        scratch.put(_texts(count, seed=17), embedder=None)
        wall, spent = perf_counter() - began, cpu_s() - cpu
        hits = wiring.search(
            workspace_id=scratch.workspace_id, query="w1 w7", collections=[scratch.slug],
            fusion="lexical",
        )  # fmt: skip
    return {
        "chunks": count,
        "chunks_per_s": round(count / wall),
        "chunks_per_cpu_s": round(count / spent),
        "searchable_at_once": bool(hits),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _beside_the_embedder() -> dict[str, Any]:
    """Compare the CPU of ingest, embedding included, with that of the embedder on those texts."""
    engine = CountingEmbedder()
    engine.embed(["warm"])
    engine.texts.clear()
    with _Scratch() as scratch:
        began, cpu = perf_counter(), cpu_s()
        scratch.put(_texts(EMBEDDED, seed=19), embedder=engine)
        wall, spent = perf_counter() - began, cpu_s() - cpu
    texts = sorted(engine.texts, key=len)
    began, cpu = perf_counter(), cpu_s()
    for start in range(0, len(texts), 64):
        engine.embed(texts[start : start + 64])
    return {
        "chunks": EMBEDDED,
        "ratio_wall": round(wall / (perf_counter() - began), 3),
        "ratio_cpu": round(spent / (cpu_s() - cpu), 3),
        "chunks_per_cpu_s": round(EMBEDDED / spent, 1),
    }


def _unchanged() -> dict[str, Any]:
    class Constant(CountingEmbedder):
        def embed(self, texts: list[str]) -> list[list[float]]:
            self.calls += 1
            return [[1.0, *([0.0] * (self.dim - 1))] for _ in texts]

    engine = Constant()
    with _Scratch() as scratch:
        scratch.put(_texts(UNCHANGED, seed=23), embedder=engine)
        first, engine.calls = engine.calls, 0
        began = perf_counter()
        results = scratch.put(_texts(UNCHANGED, seed=23), embedder=engine)
        wall = perf_counter() - began
    return {
        "documents": UNCHANGED,
        "embedding_calls_first": first,
        "embedding_calls_again": engine.calls,
        "unchanged": sum(result.status == "unchanged" for result in results),
        "again_s": round(wall, 2),
    }


def _memory() -> dict[str, Any]:
    """Ingest in a process of its own: what this one has grown to by now hides what it grows."""
    done = subprocess.run(  # noqa: S603 -- our own interpreter and function
        [sys.executable, "-c", _GROW],
        check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    grown, count = done.stdout.split()
    return {"megabytes": MEGABYTES, "chunks": int(count), "growth_mb": float(grown)}


def grow() -> None:
    """Ingest MEGABYTES of text without embedding and print by how many MB the process grew."""
    with _Scratch() as scratch:
        rng = np.random.default_rng(29)
        scratch.put(
            iter([DocumentInput(external_id="warm", text=words(rng, 2_000))]), embedder=None
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def texts() -> Iterator[DocumentInput]:
            for number in range(MEGABYTES * 1_000_000 // _DOCUMENT_BYTES):
                text = words(rng, _DOCUMENT_BYTES // 4)[:_DOCUMENT_BYTES]
                yield DocumentInput(external_id=f"d{number}", text=text.ljust(_DOCUMENT_BYTES, "."))

        chunks = 0
        for result in scratch.ingest(texts(), embedder=None):
            chunks += result.chunk_count
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(round(grown / 1024, 1), chunks)


class _Scratch:
    """A collection that is gone afterwards."""

    def __enter__(self) -> Self:
        self.workspace_id = workspace_ensure(slug="scratch", name="Measurements")
        self.slug = f"ingest-{secrets.token_hex(6)}"
        collections.collection_ensure(
            workspace_id=self.workspace_id, slug=self.slug, kind="scratch"
        )
        self.ref = selectors.collection_get(workspace_id=self.workspace_id, slug=self.slug)
        return self

    def __exit__(self, *_: object) -> None:
        collections.collection_delete(workspace_id=self.workspace_id, slug=self.slug)

    def ingest(self, documents: Iterator[DocumentInput], *, embedder: Any) -> Iterator[Any]:  # noqa: ANN401 -- an embedder
        return documents_ingest(
            workspace_id=self.workspace_id,
            collection=self.ref,
            documents=documents,
            load=load,
            embedder=embedder,
        )

    def put(self, documents: Iterator[DocumentInput], *, embedder: Any) -> list[Any]:  # noqa: ANN401 -- as above
        return list(self.ingest(documents, embedder=embedder))


def _texts(count: int, *, seed: int) -> Iterator[DocumentInput]:
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield DocumentInput(external_id=f"d{number}", title=f"t{number}", text=words(rng, 100))
