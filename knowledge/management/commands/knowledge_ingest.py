"""Put files and folders into a collection."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from knowledge import wiring
from knowledge.core.types import DocumentInput
from knowledge.loaders.registry import EXTENSIONS, MAX_BYTES, extension_of
from knowledge.management.door import OTHER, KnowledgeCommand
from knowledge.services.ingest import IngestResult
from loomsite.access.selectors import DEFAULT_WORKSPACE, workspace_id_of
from loomsite.access.services import workspace_ensure


class Command(KnowledgeCommand):
    help = (
        "Ingest files, and the readable files of folders, into a collection, which is made when "
        "missing. Killed half way, start it again: what is done is not done twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("collection", metavar="COLLECTION")
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--workspace", metavar="SLUG", help="default: the default workspace")
        parser.add_argument("--tag", action="append", default=[], metavar="T", dest="tags")
        parser.add_argument("--language", default="english")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        missing = [path for path in options["paths"] if not path.exists()]
        if missing:
            raise self.refuse(f"There is no file or folder {str(missing[0])!r}.")
        files = _named(list(dict.fromkeys(_files(options["paths"]))))
        with self.told_to_a_person():
            if options["workspace"]:
                workspace_id = workspace_id_of(slug=options["workspace"])
            else:
                workspace_id = workspace_ensure(slug=DEFAULT_WORKSPACE, name="Default")
            wiring.collection_ensure(
                workspace_id=workspace_id,
                slug=options["collection"],
                language=options["language"],
            )
            results = self._ingest(workspace_id, files, options)
            wiring.collection_index(
                workspace_id=workspace_id,
                slug=options["collection"],
                on_begin=lambda: self.stderr.write("Building the index of its vectors."),
            )
        self._report(results, options)

    def _ingest(
        self, workspace_id: str, files: list[tuple[Path, str]], options: dict[str, Any]
    ) -> list[IngestResult]:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as progress:
            bar = progress.add_task(f"Ingesting into {options['collection']}", total=len(files))

            def report(result: IngestResult) -> None:
                progress.advance(bar)
                if result.status == "failed":
                    progress.console.print(f"{result.external_id}: {result.error}", markup=False)

            return wiring.ingest(
                workspace_id=workspace_id,
                collection=options["collection"],
                documents=(_document(path, name, options["tags"]) for path, name in files),
                on_result=report,
            )

    def _report(self, results: list[IngestResult], options: dict[str, Any]) -> None:
        counts = Counter(result.status for result in results)
        failed = [result for result in results if result.status == "failed"]
        summary = {
            "collection": options["collection"],
            "documents": len(results),
            "ready": counts["ready"],
            "unchanged": counts["unchanged"],
            "failed": counts["failed"],
            "chunks": sum(result.chunk_count for result in results),
            "errors": [
                {"external_id": item.external_id, "code": item.error_code, "message": item.error}
                for item in failed
            ],
        }
        if options["json"]:
            self.emit(summary)
        else:
            self.stdout.write(
                f"{options['collection']}: {counts['ready']} ingested, "
                f"{counts['unchanged']} unchanged, {counts['failed']} failed."
            )
        if failed and len(failed) == len(results):
            raise SystemExit(OTHER)


def _files(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Give each file and the name it is known by: its path below the folder that was named."""
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                relative = file.relative_to(path)
                hidden = any(part.startswith(".") for part in relative.parts)
                known = extension_of(file) in EXTENSIONS
                if file.is_file() and known and not hidden:
                    yield file, relative.as_posix()
        else:
            yield path, path.name


def _named(files: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Return the files, those of one name by their paths: none replaces another."""
    counts = Counter(name for _, name in files)
    return [(path, name if counts[name] == 1 else path.as_posix()) for path, name in files]


def _document(path: Path, name: str, tags: list[str]) -> DocumentInput:
    content, size, problem = b"", 0, ""
    try:
        if not path.is_file():
            problem = "It is no regular file."
        elif (size := path.stat().st_size) <= MAX_BYTES:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        problem = f"The file cannot be opened: {error.strerror}."
    return DocumentInput(
        external_id=name,
        content=content,
        file_name=path.name,
        tags=tags,
        byte_count=size,
        problem=problem,
    )
