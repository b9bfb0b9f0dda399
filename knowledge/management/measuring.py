"""What commands share that answer a BEIR folder's queries and write a TREC run."""

import json
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from knowledge.core.errors import SearchInvalid
from knowledge.core.preparing import clean
from knowledge.management.door import KnowledgeCommand
from loomsite.access.core.errors import InputInvalid
from loomsite.access.core.untrusted import fault

_TAG = "loom"
_MILLION = 1_000_000  # scores are written to six places
_CORPUS, _QUERIES = "corpus.jsonl", "queries.jsonl"

Line = dict[str, Any]  # of a file: `_id` and `text`, and what else it has
Scored = Iterable[tuple[str, float]]  # ids of the corpus with their scores, best first


class MeasuringCommand(KnowledgeCommand):
    """A command that takes DIR/corpus.jsonl in, answers DIR/queries.jsonl and writes a run.

    A line that cannot be used is left out, told on stderr, and the others go on.

    Attributes:
        most: The largest depth that can be asked for.
        failed: What was left out, and why.
    """

    most: int
    failed: list[dict[str, str]]

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
        if options["run"].is_dir():
            raise self.refuse(f"{str(options['run'])!r} is a folder: name a file to write.")
        self.failed = []
        with self.told_to_a_person():
            summary = {"run": str(options["run"]), **self.measure(options), "failed": self.failed}
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
        """Write the run, by what is `found` for a query's line; return how many those are."""
        answered: set[str] = set()
        with options["run"].open("w", encoding="utf-8") as run:
            for line in self._lines(options["data"] / _QUERIES):
                name = line["_id"]
                if name in answered:
                    self.leave_out(name, "There is a query of that _id already.")
                    continue
                answered.add(name)
                try:
                    hits = found(line) if line["text"].strip() else ()
                except (SearchInvalid, InputInvalid) as error:
                    self.leave_out(name, str(error))
                    continue
                run.writelines(ranking(name, hits))
                self.progress(len(answered), "queries", every=100)
        return len(answered)

    def leave_out(self, name: str, reason: str) -> None:
        """Note, and say on stderr, that a line takes no part."""
        self.failed.append({"external_id": name, "error": reason})
        self.stderr.write(f"{name}: {reason}")

    def progress(self, count: int, things: str, *, every: int) -> None:
        """Say on stderr how far it is, now and then."""
        if count % every == 0:
            self.stderr.write(f"{count} {things}")

    def _lines(self, path: Path) -> Iterator[Line]:
        # A byte order mark is no part of the first line's JSON.
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    yield _read(line)
                except ValueError as error:
                    self.leave_out(f"{path.name}, line {number}", str(error))


def _read(line: str) -> Line:
    """Return a line with its `_id` and `text` as texts.

    Raises:
        ValueError: It cannot be used; the message says why.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError("This is no JSON object.")  # noqa: TRY004 -- of what a file holds
    fields: Line = dict(cast("dict[str, Any]", value))
    name = fields.get("_id")
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise ValueError("It has no _id that is a text or a number.")  # noqa: TRY004 -- as above
    fields["_id"] = str(name)
    if fields["_id"].split() != [fields["_id"]] or fault(fields["_id"]):
        raise ValueError(
            f"The _id {fields['_id'][:100]!r} cannot stand in a run, whose columns are parted by "
            "white space: use one without any."
        )
    for key in ("title", "text"):
        text = fields.get(key)
        if isinstance(text, dict | list):
            raise ValueError(f"Its {key} is no text.")  # noqa: TRY004 -- of what a file holds
        fields[key] = "" if text is None else clean(str(text))
    return fields


def ranking(query: str, hits: Scored) -> Iterator[str]:
    """Give the lines of a query, each document once, by its best score; scores fall strictly."""
    seen: set[str] = set()
    last: int | None = None  # scorers break ties by id
    for name, score in hits:
        if name in seen:
            continue
        seen.add(name)
        millionths = round(score * _MILLION)
        last = millionths if last is None else min(millionths, last - 1)
        yield f"{query} Q0 {name} {len(seen)} {last / _MILLION:.6f} {_TAG}\n"
