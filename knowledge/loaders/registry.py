"""Which loader reads which file, by its extension."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath

from knowledge.core.errors import (
    DocumentEmpty,
    DocumentTooLarge,
    DocumentUnreadable,
    FormatUnsupported,
)
from knowledge.core.types import DocumentInput, LoadedText, SourceType
from knowledge.loaders import csv_table, json_values
from knowledge.loaders.converting import convert
from knowledge.loaders.text import decode

MAX_BYTES = 64 * 1024 * 1024
_SOMETHING = re.compile(rb"[^ \t\r\n\x00]")
_FIRST_HEADING = re.compile(r"^# +(\S.*)$", re.MULTILINE)
_FENCED = re.compile(r"^(```|~~~).*?(?:^\1|\Z)", re.MULTILINE | re.DOTALL)
_MARKDOWN_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)

_TEXT_FORMATS: dict[str, SourceType] = {
    **dict.fromkeys(("txt", "text", "log", "rst", "adoc", "org", "tex"), "text"),
    **dict.fromkeys(("md", "markdown", "mdx"), "markdown"),
    **dict.fromkeys(
        (
            "py", "pyi", "js", "jsx", "mjs", "ts", "tsx", "java", "kt", "go", "rs", "c", "h", "cc",
            "cpp", "hpp", "cs", "rb", "php", "swift", "scala", "sh", "bash", "zsh", "ps1", "sql",
            "r", "jl", "lua", "pl", "ex", "exs", "erl", "hs", "clj", "dart", "vue", "svelte", "css",
            "scss", "toml", "yaml", "yml", "ini", "cfg", "conf", "env", "proto", "graphql", "tf",
            "gradle", "cmake", "dockerfile", "makefile",
        ),
        "code",
    ),
}  # fmt: skip

_CONVERTED = frozenset({"html", "htm", "xhtml", "pdf", "docx", "pptx", "xlsx"})
_PARSED: dict[str, Callable[[bytes], LoadedText]] = {
    "csv": csv_table.read,
    "tsv": csv_table.read,
    "json": json_values.read,
    "jsonl": json_values.read_lines,
    "ndjson": json_values.read_lines,
}
_ALIASES = {"htm": "html", "xhtml": "html", "tsv": "csv", "ndjson": "jsonl"}
_SMALL = 1_000_000  # bytes; values parsed from more may take a hundred times the room of the file

EXTENSIONS = frozenset({*_TEXT_FORMATS, *_CONVERTED, *_PARSED})


def load(document: DocumentInput) -> LoadedText:
    """Return the text of a document, converted from its file's format.

    Raises:
        DocumentRejected: It is empty, too large, unreadable, or of a format nobody here reads.
    """
    if document.problem:
        raise DocumentUnreadable(document.problem)
    if document.text is not None:
        kind: SourceType = "markdown" if _MARKDOWN_HEADING.search(document.text) else "text"
        return LoadedText(text=document.text, source_type=kind)
    content = document.content or b""
    size = max(len(content), document.byte_count)
    if size > MAX_BYTES:
        raise DocumentTooLarge(
            f"The file has {size / 2**20:,.0f} MiB: at most {MAX_BYTES // 2**20} are read."
        )
    if not _SOMETHING.search(content):
        raise DocumentEmpty("The document is empty.")
    name = PurePath(document.file_name.replace("\\", "/"))
    extension = extension_of(name)
    if extension in _TEXT_FORMATS:
        return _titled(
            LoadedText(text=decode(content), source_type=_TEXT_FORMATS[extension]), name.stem
        )
    if extension in _PARSED and len(content) <= _SMALL:
        return _titled(_PARSED[extension](content), name.stem)
    if extension in _CONVERTED or extension in _PARSED:
        return _titled(convert(_ALIASES.get(extension, extension), content), name.stem)
    raise FormatUnsupported(
        f"Files of type {extension[:20]!r} are not read here: use one of "
        f"{', '.join(sorted(EXTENSIONS))}."
    )


def extension_of(name: PurePath) -> str:
    """Return what a file's format is known by: its extension, or all of a name that has none."""
    return (name.suffix or name.name).lstrip(".").lower()


def _titled(loaded: LoadedText, stem: str) -> LoadedText:
    """Return the text with a title: its own, else its first heading, else the file's name."""
    title = loaded.title.strip()
    if not title and loaded.source_type not in ("text", "code", "csv", "json"):
        heading = _FIRST_HEADING.search(_FENCED.sub("", loaded.text[:2_000]))
        title = heading.group(1).rstrip(" #") if heading else ""
    return replace(loaded, title=title or stem)
