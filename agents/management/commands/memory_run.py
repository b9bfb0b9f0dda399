"""Measure recall on a folder of conversations: `memory_run --data DIR --run FILE`."""

import json
import secrets
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from agents import wiring
from agents.services.memories import memories_erase
from knowledge.management.door import KnowledgeCommand
from loomsite.access.core.errors import InputInvalid
from loomsite.access.services import workspace_ensure

_TAG = "loom"
_MAX_DEPTH = 100


class Command(KnowledgeCommand):
    help = (
        "Remember DIR/corpus.jsonl, a scope for each conversation and its turns in order, recall "
        "for each line of DIR/queries.jsonl, and write FILE (qid Q0 docid rank score tag). A "
        "line's conversation is its _id up to the '/', its title the session's date. Cached "
        "embeddings are kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", required=True, type=Path, metavar="DIR")
        parser.add_argument("--run", required=True, type=Path, metavar="FILE")
        parser.add_argument("--depth", type=int, default=_MAX_DEPTH, metavar="N")
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
        mark = f"run-{secrets.token_hex(6)}"
        scopes: dict[str, str] = {}
        try:
            began = monotonic()
            turns, failed = self._remember(workspace_id, mark, scopes, options["data"])
            remembered_s = monotonic() - began
            began = monotonic()
            count = self._recall(workspace_id, scopes, turns, options)
            return {
                "run": str(options["run"]),
                "memories": len(turns),
                "conversations": len(scopes),
                "failed": failed,
                "queries": count,
                "remember_s": round(remembered_s, 1),
                "recall_ms": round((monotonic() - began) * 1000 / max(count, 1), 1),
            }
        finally:
            memories_erase(workspace_id=workspace_id, subject=mark)

    def _remember(
        self, workspace_id: str, mark: str, scopes: dict[str, str], folder: Path
    ) -> tuple[dict[str, str], list[dict[str, str]]]:
        turns: dict[str, str] = {}
        failed: list[dict[str, str]] = []
        for count, line in enumerate(self._lines(folder / "corpus.jsonl"), start=1):
            conversation = line["_id"].partition("/")[0]
            scope = scopes.setdefault(conversation, f"{mark}-{len(scopes) + 1}")
            try:
                memory_id = wiring.memory_remember(
                    workspace_id=workspace_id,
                    text=line["text"],
                    scope="session",
                    scope_id=scope,
                    occasion=" ".join(str(line.get("title") or "").split())[:200],
                    subject=mark,
                    provenance={"source": line["_id"]},
                )
            except InputInvalid as error:
                failed.append({"external_id": line["_id"], "error": str(error)})
                self.stderr.write(f"{line['_id']}: {error}")
            else:
                turns.setdefault(memory_id, line["_id"])
            if count % 500 == 0:
                self.stderr.write(f"{count} turns")
        return turns, failed

    def _recall(
        self,
        workspace_id: str,
        scopes: dict[str, str],
        turns: dict[str, str],
        options: dict[str, Any],
    ) -> int:
        count = 0
        with options["run"].open("w", encoding="utf-8") as run:
            for count, line in enumerate(self._lines(options["data"] / "queries.jsonl"), start=1):
                conversation = line["_id"].partition("/")[0]
                last = float("inf")
                if conversation in scopes and line["text"].strip():
                    hits = wiring.memory_recall(
                        workspace_id=workspace_id,
                        query=line["text"],
                        scope="session",
                        scope_id=scopes[conversation],
                        limit=options["depth"],
                        fusion=options["fusion"],
                    )
                    for rank, hit in enumerate(hits, start=1):
                        last = min(hit.score, last - 1e-6)  # scorers break ties by id
                        run.write(f"{line['_id']} Q0 {turns[hit.id]} {rank} {last:.6f} {_TAG}\n")
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
                except (ValueError, TypeError, KeyError, AttributeError):
                    raise self.refuse(
                        f"{path}, line {number}: not a JSON object with an _id."
                    ) from None
                yield value
