"""What commands share that answer a BEIR folder's queries and write a TREC run."""

import json
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from knowledge.management.door import KnowledgeCommand

_TAG = "loom"
_CORPUS, _QUERIES = "corpus.jsonl", "queries.jsonl"

Line = dict[str, Any]  # of a file: `_id` and `text`, and what else it has
Scored = Iterable[tuple[str, float]]  # ids of the corpus with their scores, best first


class MeasuringCommand(KnowledgeCommand):
    """A command that takes DIR/corpus.jsonl in, answers DIR/queries.jsonl and writes a run.

    Attributes:
        most: The largest depth that can be asked for.
    """

    most: int

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", required=True, type=Path, metavar="DIR")
        parser.add_argument("--run", required=True, type=Path, metavar="FILE")
        parser.add_argument("--depth", type=int, default=100, metavar="N")
        parser.add_argument(
            "--fusion", choices=["convex", "rrf", "lexical", "dense"], default="convex"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401, ARG002 -- as Django has it
        if not 1 <= options["depth"] <= self.most:
            raise self.refuse(f"--depth is {options['depth']}: use 1 to {self.most}.")
        for name in (_CORPUS, _QUERIES):
            if not (options["data"] / name).is_file():
                raise self.refuse(f"There is no {name} in {str(options['data'])!r}.")
        if not options["run"].parent.is_dir():
            raise self.refuse(f"There is no folder {str(options['run'].parent)!r} to write to.")
        with self.told_to_a_person():
            summary = {"run": str(options["run"]), **self.measure(options)}
        if options["json"]:
            self.emit(summary)
        else:
            self.stdout.write(str(options["run"]))

    @abstractmethod
    def measure(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take the corpus in, write the run, clean up, and return what is worth telling."""

    def corpus(self, options: dict[str, Any]) -> Iterator[Line]:
        """Give the lines of the corpus."""
        return self._lines(options["data"] / _CORPUS)

    def answer(self, options: dict[str, Any], found: Callable[[Line], Scored]) -> int:
        """Write the run, by what is `found` for a line of the queries; return how many those are.

        Scores fall strictly, as scorers break ties by id.
        """
        count = 0
        with options["run"].open("w", encoding="utf-8") as run:
            for count, line in enumerate(self._lines(options["data"] / _QUERIES), start=1):
                last = float("inf")
                hits = found(line) if line["text"].strip() else ()
                for rank, (name, score) in enumerate(hits, start=1):
                    last = min(score, last - 1e-6)
                    run.write(f"{line['_id']} Q0 {name} {rank} {last:.6f} {_TAG}\n")
                self.progress(count, "queries", every=100)
        return count

    def progress(self, count: int, things: str, *, every: int) -> None:
        """Say on stderr how far it is, now and then."""
        if count % every == 0:
            self.stderr.write(f"{count} {things}")

    def _lines(self, path: Path) -> Iterator[Line]:
        with path.open(encoding="utf-8", errors="replace") as file:
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
