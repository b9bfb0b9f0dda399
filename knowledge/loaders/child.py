"""The process that converts one untrusted file and may be killed: bytes in, JSON out.

Run as `python -m knowledge.loaders.child FORMAT`. It limits its own memory and time before it looks
at a single byte.
"""

import importlib
import json
import resource
import sys
import warnings
import zipfile
from io import BytesIO

from knowledge.core.errors import DocumentRejected, DocumentTooLarge, DocumentUnreadable
from knowledge.core.preparing import MAX_TEXT_CHARS
from knowledge.core.types import LoadedText

READERS = {
    "html": ("html_page", "read"),
    "pdf": ("pdf", "read"),
    "docx": ("docx", "read"),
    "pptx": ("pptx", "read"),
    "xlsx": ("xlsx", "read"),
    "csv": ("csv_table", "read"),
    "json": ("json_values", "read"),
    "jsonl": ("json_values", "read_lines"),
}
MEMORY_BYTES = 1_500 * 1024 * 1024
CPU_S = 60
_ZIPPED = frozenset({"docx", "pptx", "xlsx"})
_MAX_UNZIPPED = 300 * 1024 * 1024
_ENCRYPTED = 1  # a bit of a member's flags
_MAX_MEMBERS = 20_000


def main() -> None:
    """Convert standard input and print the fields of a `LoadedText`, or `{"code", "error"}`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # standard error is for what ends the process
    try:
        loaded = convert(sys.argv[1], sys.stdin.buffer.read())
        answer = {"text": loaded.text, "title": loaded.title, "source_type": loaded.source_type}
    except DocumentRejected as error:
        answer = {"code": error.code, "error": str(error)}
    json.dump(answer, sys.stdout)


def convert(kind: str, content: bytes) -> LoadedText:
    """Return the text of a file of this format.

    Raises:
        DocumentRejected: It cannot be read, or only at a cost that no document is worth.
    """
    if kind in _ZIPPED:
        _check_zip(content)
    module, function = READERS[kind]
    read = getattr(importlib.import_module(f"knowledge.loaders.{module}"), function)
    try:
        loaded: LoadedText = read(content)
    except DocumentRejected:
        raise
    except MemoryError as error:
        raise DocumentTooLarge("The file takes more memory than one file may have.") from error
    except Exception as error:
        detail = " ".join(str(error).split())[:200]
        raise DocumentUnreadable(
            f"The file is damaged, or no {kind} file ({type(error).__name__}: {detail})."
        ) from error
    if len(loaded.text) > MAX_TEXT_CHARS:
        raise DocumentTooLarge(f"The file has more than {MAX_TEXT_CHARS:,} characters of text.")
    return loaded


def _check_zip(content: bytes) -> None:
    """Refuse a file that would unpack to more than anybody reads, before unpacking any of it."""
    if content.startswith(b"\xd0\xcf\x11\xe0"):  # an OLE file: encrypted, or from before 2007
        raise DocumentUnreadable(
            "The file is encrypted, or in the format from before 2007: save it without a password "
            "in the current format."
        )
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise DocumentUnreadable(f"The file is damaged, or of another format: {error}.") from error
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise DocumentUnreadable("The file is encrypted: save it without a password.")
    size = sum(member.file_size for member in members)
    if size > _MAX_UNZIPPED or len(members) > _MAX_MEMBERS:
        raise DocumentTooLarge(
            f"The file unpacks to {size / 2**20:,.0f} MiB in {len(members):,} parts: at most "
            f"{_MAX_UNZIPPED // 2**20} MiB in {_MAX_MEMBERS:,} are read."
        )


if __name__ == "__main__":
    main()
