"""Measure recall on a folder of conversations: `memory_run --data DIR --run FILE`."""

import secrets
from time import monotonic
from typing import Any

from agents import wiring
from agents.services.memories import memories_erase
from knowledge.management.measuring import Line, MeasuringCommand, Scored
from loomsite.access.core.errors import InputInvalid
from loomsite.access.services import workspace_ensure


class Command(MeasuringCommand):
    help = (
        "Remember DIR/corpus.jsonl, a scope for each conversation and its turns in order, recall "
        "for each line of DIR/queries.jsonl, and write FILE (qid Q0 docid rank score tag). A "
        "line's conversation is its _id up to the '/' (those without one are of one conversation), "
        "its title the session's date. Cached embeddings are kept."
    )
    most = 100

    def measure(self, options: dict[str, Any]) -> dict[str, Any]:
        workspace_id = workspace_ensure(slug="scratch", name="Measurements")
        mark = f"run-{secrets.token_hex(6)}"
        scopes: dict[str, str] = {}
        turns: dict[str, list[str]] = {}  # a text that was said twice is one memory

        def found(line: Line) -> Scored:
            scope = scopes.get(_conversation(line))
            if scope is None:
                return ()
            hits = wiring.memory_recall(
                workspace_id=workspace_id,
                query=line["text"],
                scope="session",
                scope_id=scope,
                limit=options["depth"],
                fusion=options["fusion"],
            )
            said = [(turn, hit.score) for hit in hits for turn in turns[hit.id]]
            return said[: options["depth"]]

        try:
            began = monotonic()
            for count, line in enumerate(self.corpus(options), start=1):
                scope = scopes.setdefault(_conversation(line), f"{mark}-{len(scopes) + 1}")
                try:
                    memory_id = _remember(workspace_id, mark, scope, line)
                except InputInvalid as error:
                    self.leave_out(line["_id"], str(error))
                else:
                    turns.setdefault(memory_id, []).append(line["_id"])
                self.progress(count, "turns", every=500)
            remembered_s = monotonic() - began
            began = monotonic()
            count = self.answer(options, found)
            return {
                "memories": len(turns),
                "conversations": len(scopes),
                "queries": count,
                "remember_s": round(remembered_s, 1),
                "recall_ms": round((monotonic() - began) * 1000 / max(count, 1), 1),
            }
        finally:
            memories_erase(workspace_id=workspace_id, subject=mark, keep_embeddings=True)


def _remember(workspace_id: str, mark: str, scope: str, line: Line) -> str:
    return wiring.memory_remember(
        workspace_id=workspace_id,
        text=line["text"],
        scope="session",
        scope_id=scope,
        occasion=" ".join(line["title"].split())[:200],
        subject=mark,
        provenance={"source": line["_id"]},
    )


def _conversation(line: Line) -> str:
    """Return the conversation of a line; those whose ids name none are of one together."""
    name, slash, _ = line["_id"].partition("/")
    return name if slash else ""
