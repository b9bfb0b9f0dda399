"""From a document as it came to what the index stores of it: clean text, chunks, terms, digests.

A document may have megabytes: whatever is made of its text is made when it is asked for, a chunk or
a slice at a time.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from knowledge.core.analysis import term_counts
from knowledge.core.chunking import chunk
from knowledge.core.errors import DocumentEmpty, DocumentRejected, DocumentTooLarge
from knowledge.core.types import ChunkSpan, LoadedText, SourceType, TermCounts

MAX_TEXT_CHARS = 20_000_000
MAX_EXTERNAL_ID = 500
_VERSION = "2"  # part of every digest: changing how text is cut or counted re-indexes on re-ingest
_SLICE = 1_000_000  # characters
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKDOWN = frozenset({"markdown", "html", "docx", "pptx", "xlsx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    text: str
    title: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedChunk:
    """A chunk ready for the index: its place in its document, and a digest of all it depends on."""

    start: int
    end: int
    heading: str
    digest: str
    source: _Source

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def embedding_text(self) -> str:
        """Return what the chunk's vector is made of."""
        return embedding_text(self.source.title, self.heading, self.text)

    def terms(self) -> TermCounts:
        """Count the chunk's terms, anew each time: kept for all chunks they outweigh the text."""
        source = self.source
        return term_counts(source.title, self.heading, self.text, language=source.language)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedDocument:
    """A document ready for the index; `digest` changes when anything indexed would."""

    external_id: str
    title: str
    text: str
    source_type: SourceType
    metadata: Mapping[str, Any]
    tags: tuple[str, ...]
    digest: str
    chunks: tuple[PreparedChunk, ...]


def check_external_id(external_id: str) -> str:
    """Return the name of a document when it can be one.

    Raises:
        DocumentRejected: It is blank, too long, or nothing that Postgres can store.
    """
    if not is_external_id(external_id):
        raise DocumentRejected(
            f"external_id must have 1 to {MAX_EXTERNAL_ID} characters, no null byte among them and "
            "no half of a surrogate pair."
        )
    return external_id


def is_external_id(external_id: str) -> bool:
    """Return whether a document can have this name."""
    storable = "\x00" not in external_id and not _SURROGATE.search(external_id)
    return storable and bool(external_id.strip()) and len(external_id) <= MAX_EXTERNAL_ID


def clean(text: str) -> str:
    """Return a text that Postgres can store: no null bytes, no lone surrogates, LF line ends."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return text if text.isascii() else _SURROGATE.sub("?", text)


def clean_values(value: Any) -> Any:  # noqa: ANN401 -- whatever JSON holds
    """Return a JSON value whose texts, keys too, are clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {clean(str(key)): clean_values(item) for key, item in items}
    if isinstance(value, list | tuple):
        return [clean_values(item) for item in cast("Sequence[object]", value)]
    return value


def clean_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document's metadata with clean texts.

    Raises:
        DocumentRejected: It is not JSON: it holds another type, an infinity, or is nested too deep.
    """
    try:
        values = clean_values(metadata)
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise DocumentRejected(
            "metadata must hold what JSON can: texts, numbers, lists and objects."
        ) from None
    return values


def digest_of(loaded: LoadedText, *, title: str, language: str) -> str:
    """Return the digest of all that decides what is indexed of a document."""
    parts = (_VERSION, loaded.source_type, language, title, loaded.text)
    return _digest(*parts)


def cut(loaded: LoadedText, *, title: str, language: str) -> tuple[PreparedChunk, ...]:
    """Return the chunks of a clean text.

    Raises:
        DocumentEmpty: There is nothing but white space.
        DocumentTooLarge: More text than one document may have.
    """
    if len(loaded.text) > MAX_TEXT_CHARS:
        raise DocumentTooLarge(
            f"The document has {len(loaded.text):,} characters of text: split it into documents of "
            f"at most {MAX_TEXT_CHARS:,}."
        )
    spans = chunk(loaded.text, markdown=loaded.source_type in _MARKDOWN)
    if not any(letter.isprintable() and letter != " " for letter in loaded.text):
        raise DocumentEmpty("The document has no text.")
    source = _Source(text=loaded.text, title=title, language=language)
    return tuple(_chunk(span, source) for span in spans)


def _chunk(span: ChunkSpan, source: _Source) -> PreparedChunk:
    heading = " > ".join(part for part in span.headings if part != source.title)[:500]
    text = source.text[span.start : span.end]
    return PreparedChunk(
        start=span.start,
        end=span.end,
        heading=heading,
        digest=_digest(_VERSION, source.language, source.title, heading, text),
        source=source,
    )


def embedding_text(title: str, heading: str, text: str) -> str:
    """Return what a chunk's vector is made of."""
    return "\n".join(part for part in (title, heading, text) if part)


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for number, part in enumerate(parts):
        digest.update(b"\x00" if number else b"")
        for piece in slices(part):
            digest.update(piece.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def slices(text: str) -> Iterator[str]:
    """Give a text in parts of a size that costs nothing to copy."""
    for start in range(0, len(text), _SLICE):
        yield text[start : start + _SLICE]
