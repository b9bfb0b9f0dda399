"""Speed of ingest and search at a size: text by a Zipf law, vectors in clusters, no embedder."""

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from django.core.management import call_command

from benchmarks.retrieval import latencies, timed
from knowledge import selectors
from knowledge.core.lists import Space
from knowledge.core.retrieval import search
from knowledge.core.types import DocumentInput, Filters, Fusion, SearchQuery
from knowledge.loaders.registry import load
from knowledge.models import ChunkVector
from knowledge.services import collections, embeddings
from knowledge.services.ingest import documents_ingest
from knowledge.store.rows import rows
from knowledge.store.searching import DatabaseIndex
from knowledge.store.vectors import EXACT_LIMIT
from loomsite.access.services import workspace_ensure

DIM = 384
QUERIES = 60
_WORDS = 100  # a chunk
_VOCABULARY = 60_000
_CLUSTERS = 400


class ClusteredVectors:
    """An embedder that costs nothing: a vector near one of some centres, the same for a text."""

    model_id = "benchmark-clusters"
    dim = DIM

    def __init__(self) -> None:
        self._centres = np.random.default_rng(7).normal(size=(_CLUSTERS, DIM))

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        rng = np.random.default_rng(seed)
        vector = self._centres[rng.integers(_CLUSTERS)] + rng.normal(size=DIM)
        return (vector / np.linalg.norm(vector)).tolist()


def measure(size: int) -> dict[str, Any]:
    """Return the rates, latencies and recall of a collection of `size` chunks."""
    call_command("migrate", verbosity=0, interactive=False)
    workspace_id = workspace_ensure(slug="scratch", name="Measurements")
    slug = f"speed-{secrets.token_hex(6)}"
    collections.collection_ensure(workspace_id=workspace_id, slug=slug, kind="scratch")
    ref = selectors.collection_get(workspace_id=workspace_id, slug=slug)
    embedder = ClusteredVectors()
    try:
        began, cpu_began = perf_counter(), cpu_s()
        for _ in documents_ingest(
            workspace_id=workspace_id,
            collection=ref,
            documents=_documents(size),
            load=load,
            embedder=embedder,
        ):
            pass
        result: dict[str, Any] = {
            "load_average": round(os.getloadavg()[0], 1),
            "ingest_chunks_per_s": round(size / (perf_counter() - began)),
            "ingest_chunks_per_cpu_s": round(size / (cpu_s() - cpu_began)),
        }
        queries = _queries()

        def searched(filters: Filters | None = None) -> DatabaseIndex:
            # A new one each time, as each search has: it remembers which HNSW indexes there are.
            return DatabaseIndex(
                workspace_id=workspace_id,
                collection_ids=[ref.id],
                model_id=embeddings.embedding_model_ensure(embedder=embedder),
                filters=filters or Filters(),
            )

        percent = Filters(tags=("one percent",))
        index, rare = searched(), searched(percent)
        exact, exact_rare = (_dense(where, embedder, queries) for where in (index, rare))
        result["before_index"] = _searches(index, embedder, queries)
        print(f"{size:7d} chunks, no index yet: {result}", flush=True)
        if size > EXACT_LIMIT:
            _, index_s = timed(lambda: embeddings.vectors_index(collection_id=ref.id))
            result["index_build_s"] = round(index_s, 1)
            index, rare = searched(), searched(percent)
            result["with_index"] = _searches(index, embedder, queries)
            result["recall_at_10"] = _recall(exact, _dense(index, embedder, queries))
            result["recall_at_10_of_a_filtered_percent"] = _recall(
                exact_rare, _dense(rare, embedder, queries)
            )
            print(f"{size:7d} chunks, indexed: {result}", flush=True)
            result["tenant"] = _tenant(size // 100, embedder, queries)
        print(f"{size:7d} chunks: {result}")
        return result
    finally:
        collections.collection_delete(workspace_id=workspace_id, slug=slug)


def _tenant(size: int, embedder: ClusteredVectors, queries: Sequence[str]) -> dict[str, Any]:
    """Return latency and recall of another workspace's collection beside the large one."""
    workspace_id = workspace_ensure(slug="scratch-tenant", name="Measurements of a tenant")
    slug = f"tenant-{secrets.token_hex(6)}"
    collections.collection_ensure(workspace_id=workspace_id, slug=slug, kind="scratch")
    ref = selectors.collection_get(workspace_id=workspace_id, slug=slug)
    documents = [
        DocumentInput(external_id=item.external_id, text=f"tenant {item.text}")
        for item in _documents(size)
    ]
    try:
        ingested = documents_ingest(
            workspace_id=workspace_id,
            collection=ref,
            documents=documents,
            load=load,
            embedder=embedder,
        )
        assert all(result.status == "ready" for result in ingested)
        index = DatabaseIndex(
            workspace_id=workspace_id,
            collection_ids=[ref.id],
            model_id=embeddings.embedding_model_ensure(embedder=embedder),
        )
        stored = dict(
            ChunkVector.objects.filter(collection_id=ref.id).values_list("chunk_id", "vector")
        )
        ids, matrix = list(stored), np.array(list(stored.values()))
        exact = [
            [ids[i] for i in np.argsort(-(matrix @ np.array(vector)), kind="stable")[:10]]
            for vector in embedder.embed(queries)
        ]
        return {
            "rows": size,
            "recall_at_10": _recall(exact, _dense(index, embedder, queries)),
            **_searches(index, embedder, queries)["hybrid"],
        }
    finally:
        collections.collection_delete(workspace_id=workspace_id, slug=slug)


def _recall(exact: Sequence[Sequence[int]], found: Sequence[Sequence[int]]) -> float:
    shared = [len(set(a) & set(b)) / len(a) for a, b in zip(exact, found, strict=True)]
    return round(float(np.mean(shared)), 4)


def _searches(
    index: DatabaseIndex, embedder: ClusteredVectors, queries: Sequence[str]
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    ways: tuple[tuple[str, Fusion, bool], ...] = (
        ("hybrid", "convex", True),
        ("hybrid_without_feedback", "convex", False),
        ("lexical", "lexical", False),
        ("dense", "dense", False),
    )
    for name, fusion, feedback in ways:
        cpu_began = cpu_s()
        asked = [SearchQuery(text=text, fusion=fusion, feedback=feedback) for text in queries]
        samples = [
            timed(
                lambda query=query: search(
                    query, index=index, spaces=[Space(embedder=embedder, index=index)]
                )
            )[1]
            for query in asked
        ]
        cpu_ms = round((cpu_s() - cpu_began) * 1000 / len(queries), 1)
        out[name] = {**latencies(samples[5:]), "cpu_ms": cpu_ms}
    return out


def cpu_s() -> float:
    """Return the CPU seconds of this process and, where it runs here, of its Postgres backend.

    Wall time says little on a machine that others use; this says what the work costs.
    """
    backend = Path(f"/proc/{rows('SELECT pg_backend_pid()', {})[0][0]}/stat")
    if not backend.exists() or "postgres" not in backend.read_text():
        return process_time()
    fields = backend.read_text().rpartition(")")[2].split()
    return process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _dense(
    index: DatabaseIndex, embedder: ClusteredVectors, queries: Sequence[str]
) -> list[list[int]]:
    vectors = embedder.embed(queries)
    return [[item.chunk_id for item in index.dense(v, limit=200)[:10]] for v in vectors]


def words(rng: np.random.Generator, count: int) -> str:
    """Return words by a Zipf law."""
    numbers = np.minimum(rng.zipf(1.2, size=count), _VOCABULARY)
    return " ".join(f"w{number}" for number in numbers)


def _documents(size: int) -> Iterator[DocumentInput]:
    rng = np.random.default_rng(11)
    for i in range(size):
        yield DocumentInput(
            external_id=f"d{i}",
            title=f"t{i}",
            text=words(rng, _WORDS),
            tags=["one percent"] if i % 100 == 0 else [],
        )


def _queries() -> list[str]:
    rng = np.random.default_rng(13)
    return [words(rng, 12) for _ in range(QUERIES)]
