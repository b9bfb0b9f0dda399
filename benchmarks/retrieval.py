"""Retrieval, measured: `python -m benchmarks.retrieval [--json FILE] [--chunks N …]`.

Quality: nDCG@10 of the public search on the BEIR folders under `LOOM_BENCH/retrieval` (or
`../shared/bench/retrieval`), every fusion beside our own BM25. Speed: rows of synthetic text and
synthetic vectors in a scratch collection; the embedder takes no part. Needs DATABASE_URL, or starts
the embedded services.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BENCH = Path(os.environ.get("LOOM_BENCH") or ROOT.parent / "shared" / "bench") / "retrieval"
SETS = ("cranfield", "scifact-train")
FUSIONS = ("lexical", "dense", "rrf", "convex")


def main() -> None:
    """Measure, print a line for each number, and write all of them to the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chunks", type=int, nargs="*", default=[10_000])
    parser.add_argument("--no-quality", action="store_true")
    options = parser.parse_args()
    results: dict[str, Any] = {"quality": {}, "speed": {}}
    if not options.no_quality:
        results["quality"] = {name: quality(name) for name in SETS if (BENCH / name).is_dir()}
    if options.chunks:
        results["speed"] = speed(options.chunks)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def quality(name: str) -> dict[str, Any]:
    """Return the scorer's numbers of each fusion on one set."""
    scores: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = {fusion: str(Path(folder) / f"{fusion}.trec") for fusion in FUSIONS}
        for fusion, run in runs.items():
            _run(
                ROOT / "manage.py", "retrieval_run",
                "--data", BENCH / name, "--run", run, "--fusion", fusion,
            )  # fmt: skip
        report = _run(
            BENCH / "evaluate.py", BENCH / name / "qrels.tsv", *runs.values(),
            "--baseline", runs["lexical"], "--json",
        )  # fmt: skip
        scored = json.loads(report)
        for fusion, run in runs.items():
            scores[fusion] = scored[run]
            gain = f"p={scored[run]['p']:.4f} against lexical"
            print(f"{name:14s} {fusion:8s} nDCG@10 {scored[run]['nDCG@10']:.4f}  {gain}")
    return scores


def _run(*command: object) -> str:
    return subprocess.run(  # noqa: S603 -- our own commands and the scorer
        [sys.executable, *map(str, command)], check=True, capture_output=True, text=True
    ).stdout


def speed(sizes: Sequence[int]) -> dict[str, Any]:
    """Return ingest rates, search latencies and recall at each size, in a scratch collection."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")
    from loomsite.embedded import services  # noqa: PLC0415 -- only this part needs services
    from loomsite.embedded.home import Home, default_root  # noqa: PLC0415 -- as above

    with services.held(Home(root=default_root(os.environ)), os.environ) as urls:
        os.environ.update(urls.to_environment())
        import django  # noqa: PLC0415 -- after the environment is complete

        django.setup()
        from benchmarks.retrieval_speed import measure  # noqa: PLC0415 -- needs Django

        return {str(size): measure(size) for size in sorted(sizes)}


def latencies(samples: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile, in milliseconds."""
    p50, p95 = np.percentile(np.asarray(samples) * 1000, [50, 95])
    return {"p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1)}


def timed(action: Any) -> tuple[Any, float]:  # noqa: ANN401 -- any call
    """Return what a call returns, and how long it took in seconds."""
    began = perf_counter()
    result = action()
    return result, perf_counter() - began


if __name__ == "__main__":
    main()
