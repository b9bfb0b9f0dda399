"""Retrieval, measured: `python -m benchmarks.retrieval [--json FILE] [--chunks N …]`.

Quality: nDCG@10 of the public search on the BEIR folders under `LOOM_BENCH/retrieval` (or
`../shared/bench/retrieval`), and evidence recall of memory, every fusion beside our own BM25.
Speed: rows of synthetic text and vectors in a scratch collection; the embedder takes no part.
Ingest: chunks a second, beside the embedder alone, of what did not change, and in memory.
Needs DATABASE_URL, or starts the embedded services.
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
SETS = {
    "cranfield": "retrieval_run", "scifact-train": "retrieval_run", "locomo-dev": "memory_run",
}  # fmt: skip
FUSIONS = ("lexical", "dense", "rrf", "convex")


def main() -> None:
    """Measure, print a line for each number, and write all of them to the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chunks", type=int, nargs="*", default=[10_000])
    parser.add_argument("--no-quality", action="store_true")
    parser.add_argument("--ingest-chunks", type=int, default=10_000, help="0 for none")
    options = parser.parse_args()
    results: dict[str, Any] = {"quality": {}, "speed": {}, "ingest": {}}
    if not options.no_quality:
        results["quality"] = {name: quality(name) for name in SETS if (BENCH / name).is_dir()}
    if options.chunks or options.ingest_chunks:
        results |= speed_and_ingest(options.chunks, options.ingest_chunks)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def quality(name: str) -> dict[str, Any]:
    """Return the scorer's numbers of each fusion on one set."""
    scores: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = {fusion: str(Path(folder) / f"{fusion}.trec") for fusion in FUSIONS}
        for fusion, run in runs.items():
            _run(
                ROOT / "manage.py", SETS[name],
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
        if SETS[name] == "memory_run":
            for fusion, run in runs.items():
                report = _run(
                    BENCH / "locomo_recall.py", "--data", BENCH / name, "--run", run, "--json"
                )
                recalled = json.loads(report)[run]
                scores[fusion]["recall"] = recalled
                for category, numbers in recalled.items():
                    print(f"{name:14s} {fusion:8s} {category} @10 {numbers['recall@10']:.4f}")
    return scores


def _run(*command: object) -> str:
    return subprocess.run(  # noqa: S603 -- our own commands and the scorer
        [sys.executable, *map(str, command)], check=True, capture_output=True, text=True
    ).stdout


def speed_and_ingest(sizes: Sequence[int], ingest_chunks: int) -> dict[str, Any]:
    """Return search latencies and recall at each size, and the numbers of ingest."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")
    from loomsite.embedded import services  # noqa: PLC0415 -- only this part needs services
    from loomsite.embedded.home import Home, default_root  # noqa: PLC0415 -- as above

    with services.held(Home(root=default_root(os.environ)), os.environ) as urls:
        os.environ.update(urls.to_environment())
        import django  # noqa: PLC0415 -- after the environment is complete

        django.setup()
        from benchmarks import retrieval_ingest, retrieval_speed  # noqa: PLC0415 -- need Django

        results: dict[str, Any] = {}
        if ingest_chunks:
            results["ingest"] = retrieval_ingest.measure(ingest_chunks)
            for name, numbers in results["ingest"].items():
                print(f"ingest, {name}: {numbers}")
        results["speed"] = {str(size): retrieval_speed.measure(size) for size in sorted(sizes)}
        return results


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
