"""Answer the queries of a BEIR folder through the public search and write a TREC run."""

import secrets
from time import monotonic
from typing import Any

from knowledge import wiring
from knowledge.core.types import DocumentInput
from knowledge.management.measuring import Line, MeasuringCommand, Scored
from knowledge.services.ingest import IngestResult
from loomsite.access.services import workspace_ensure


class Command(MeasuringCommand):
    help = (
        "Ingest DIR/corpus.jsonl into a scratch collection, answer each line of DIR/queries.jsonl, "
        "and write FILE (qid Q0 docid rank score tag). Cached embeddings are kept."
    )
    most = 200

    def measure(self, options: dict[str, Any]) -> dict[str, Any]:
        workspace_id = workspace_ensure(slug="scratch", name="Measurements")
        slug = f"run-{secrets.token_hex(6)}"
        wiring.collection_ensure(workspace_id=workspace_id, slug=slug, kind="scratch")

        def found(line: Line) -> Scored:
            hits = wiring.search(
                workspace_id=workspace_id,
                query=line["text"],
                collections=[slug],
                limit=options["depth"],
                group_by="document",
                fusion=options["fusion"],
            )
            return ((hit.external_id, hit.score) for hit in hits)

        try:
            began = monotonic()
            results = self._ingest(workspace_id, slug, options)
            ingested_s = monotonic() - began
            began = monotonic()
            count = self.answer(options, found)
            return {
                "documents": len(results),
                "chunks": sum(item.chunk_count for item in results),
                "queries": count,
                "ingest_s": round(ingested_s, 1),
                "search_ms": round((monotonic() - began) * 1000 / max(count, 1), 1),
            }
        finally:
            wiring.collection_delete(workspace_id=workspace_id, slug=slug)

    def _ingest(self, workspace_id: str, slug: str, options: dict[str, Any]) -> list[IngestResult]:
        seen = 0

        def report(result: IngestResult) -> None:
            nonlocal seen
            seen += 1
            if result.status == "failed":
                self.leave_out(result.external_id, result.error)
            self.progress(seen, "documents", every=500)

        def document(line: Line) -> DocumentInput:
            # Some sets hold abstracts that are missing: what is known of those is their title.
            text = line["text"] if line["text"].strip() else line["title"]
            return DocumentInput(external_id=line["_id"], title=line["title"], text=text)

        documents = (document(line) for line in self.corpus(options))
        return wiring.ingest(
            workspace_id=workspace_id, collection=slug, documents=documents, on_result=report
        )
