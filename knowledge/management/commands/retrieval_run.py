"""Answer the queries of a BEIR folder through the public search and write a TREC run."""

import json
import secrets
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from knowledge import wiring
from knowledge.core.types import DocumentInput, Hit
from knowledge.management.door import KnowledgeCommand
from knowledge.services.ingest import IngestResult
from loomsite.access.services import workspace_ensure

_TAG = "loom"
_MAX_DEPTH = 200


class Command(KnowledgeCommand):
    help = (
        "Ingest DIR/corpus.jsonl into a scratch collection, answer each line of DIR/queries.jsonl, "
        "and write FILE (qid Q0 docid rank score tag). Cached embeddings are kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", required=True, type=Path, metavar="DIR")
        parser.add_argument("--run", required=True, type=Path, metavar="FILE")
        parser.add_argument("--depth", type=int, default=100, metavar="N")
        parser.add_argument(
            "--fusion", choices=["convex", "rrf", "lexical", "dense"], default="convex"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["depth"] <= _MAX_DEPTH:
            raise self.refuse(f"--depth is {options['depth']}: use 1 to {_MAX_DEPTH}.")
        for name in ("corpus.jsonl", "queries.jsonl"):
            if not (options["data"] / name).is_file():
                raise self.refuse(f"There is no {name} in {str(options['data'])!r}.")
        if not options["run"].parent.is_dir():
            raise self.refuse(f"There is no folder {str(options['run'].parent)!r} to write to.")
        with self.told_to_a_person():
            summary = self._measure(options)
        if options["json"]:
            self.emit(summary)
        else:
            self.stdout.write(str(options["run"]))

    def _measure(self, options: dict[str, Any]) -> dict[str, Any]:
        workspace_id = workspace_ensure(slug="scratch", name="Measurements")
        slug = f"run-{secrets.token_hex(6)}"
        wiring.collection_ensure(workspace_id=workspace_id, slug=slug, kind="scratch")
        try:
            began = monotonic()
            results = self._ingest(workspace_id, slug, options["data"])
            ingested_s = monotonic() - began
            began = monotonic()
            count = self._answer(workspace_id, slug, options)
            return {
                "run": str(options["run"]),
                "documents": len(results),
                "failed": [
                    {"external_id": item.external_id, "error": item.error}
                    for item in results
                    if item.status == "failed"
                ],
                "chunks": sum(item.chunk_count for item in results),
                "queries": count,
                "ingest_s": round(ingested_s, 1),
                "search_ms": round((monotonic() - began) * 1000 / max(count, 1), 1),
            }
        finally:
            wiring.collection_delete(workspace_id=workspace_id, slug=slug)

    def _ingest(self, workspace_id: str, slug: str, folder: Path) -> list[IngestResult]:
        seen = 0

        def report(result: IngestResult) -> None:
            nonlocal seen
            seen += 1
            if result.status == "failed":
                self.stderr.write(f"{result.external_id}: {result.error}")
            if seen % 500 == 0:
                self.stderr.write(f"{seen} documents")

        documents = (
            DocumentInput(
                external_id=line["_id"], title=line.get("title", ""), text=line.get("text", "")
            )
            for line in self._lines(folder / "corpus.jsonl")
        )
        return wiring.ingest(
            workspace_id=workspace_id, collection=slug, documents=documents, on_result=report
        )

    def _answer(self, workspace_id: str, slug: str, options: dict[str, Any]) -> int:
        count = 0
        with options["run"].open("w", encoding="utf-8") as run:
            for count, line in enumerate(self._lines(options["data"] / "queries.jsonl"), start=1):
                hits: list[Hit] = []
                if line["text"].strip():
                    hits = wiring.search(
                        workspace_id=workspace_id,
                        query=line["text"],
                        collections=[slug],
                        limit=options["depth"],
                        group_by="document",
                        fusion=options["fusion"],
                    )
                run.writelines(_run_lines(line["_id"], hits))
                if count % 100 == 0:
                    self.stderr.write(f"{count} queries")
        return count

    def _lines(self, path: Path) -> Iterator[dict[str, Any]]:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                    value["_id"], value["text"] = str(value["_id"]), str(value.get("text") or "")
                except (ValueError, TypeError, KeyError):
                    raise self.refuse(
                        f"{path}, line {number}: not a JSON object with an _id."
                    ) from None
                yield value


def _run_lines(query_id: str, hits: list[Hit]) -> Iterator[str]:
    """Give the lines of a query; scores fall strictly, as scorers break ties by id."""
    last = float("inf")
    for rank, hit in enumerate(hits, start=1):
        last = min(hit.score, last - 1e-6)
        yield f"{query_id} Q0 {hit.external_id} {rank} {last:.6f} {_TAG}\n"
