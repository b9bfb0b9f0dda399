"""Replace the embedding model behind collections, while they are searched."""

from argparse import ArgumentParser
from collections.abc import Callable
from time import sleep
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from knowledge import selectors, wiring
from knowledge.management.door import OTHER, KnowledgeCommand
from loomsite.access.selectors import DEFAULT_WORKSPACE, workspace_id_of

_ENDED = ("done", "failed", "cancelled", "gone")
_POLL_S = 1.0


class Command(KnowledgeCommand):
    help = (
        "Make vectors by another model for a collection, or for a workspace with its memories; "
        "searches use the old ones until the last is made. Killed half way, a worker goes on with "
        "it, or this command when it is started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--collection", metavar="SLUG", help="default: all, and memories")
        parser.add_argument("--model", metavar="NAME", help="default: LOOM_EMBEDDING_MODEL's")
        parser.add_argument("--workspace", default=DEFAULT_WORKSPACE, metavar="SLUG")
        parser.add_argument("--status", action="store_true", help="only say how far moves are")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with self.told_to_a_person():
            workspace_id = workspace_id_of(slug=options["workspace"])
            if options["status"]:
                rows, _ = selectors.reembedding_list(workspace_id=workspace_id)
            else:
                started = wiring.reembedding_start(
                    workspace_id=workspace_id,
                    collection=options["collection"],
                    model=options["model"],
                    actor="command line",
                    queue=False,
                )
                self._carry(started)
                rows = selectors.reembedding_views(
                    workspace_id=workspace_id, ids=[row["id"] for row in started]
                )
        self._report(rows, options)

    def _carry(self, rows: list[dict[str, Any]]) -> None:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as progress:
            for row in rows:
                bar = progress.add_task(f"{row['collection']} to {row['to_model']}", total=None)

                def report(done: int, total: int, bar: Any = bar) -> None:
                    progress.update(bar, completed=done, total=total)

                self._carry_one(row["id"], report)

    def _carry_one(self, reembedding_id: str, report: Callable[[int, int], None]) -> None:
        # A worker may be at it already: then this waits, and takes over when that one dies.
        while wiring.reembedding_run(reembedding_id, on_progress=report) not in _ENDED:
            sleep(_POLL_S)

    def _report(self, rows: list[dict[str, Any]], options: dict[str, Any]) -> None:
        if options["json"]:
            self.emit({"reembeddings": rows})
        elif not rows:
            self.stdout.write("Nothing to do: all vectors are by that model.")
        for row in [] if options["json"] else rows:
            error = f" ({row['error']['message']})" if row["error"] else ""
            self.stdout.write(
                f"{row['collection']}: {row['done']} of {row['total']} by {row['to_model']}, "
                f"{row['status']}{error}"
            )
        if not options["status"] and any(row["status"] != "done" for row in rows):
            raise SystemExit(OTHER)
