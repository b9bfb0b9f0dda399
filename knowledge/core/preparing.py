"""From a document as it came to what the index stores of it: clean text, chunks, terms, digests."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from knowledge.core.analysis import term_counts
from knowledge.core.chunking import chunk
from knowledge.core.errors import DocumentEmpty, DocumentRejected, DocumentTooLarge
from knowledge.core.types import LoadedText, TermCounts

MAX_TEXT_CHARS = 20_000_000
MAX_EXTERNAL_ID = 500
_VERSION = "1"  # part of every digest: changing how text is cut or counted re-indexes on re-ingest
_MARKDOWN = frozenset({"markdown", "html", "docx", "pptx", "xlsx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedChunk:
    """A chunk ready for the index; `embedding_text` is what its vector is made of."""

    start: int
    end: int
    heading: str
    text: str
    embedding_text: str
    terms: TermCounts
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedDocument:
    """A document ready for the index; `digest` changes when anything indexed would."""

    external_id: str
    title: str
    text: str
    source_type: str
    metadata: Mapping[str, Any]
    tags: tuple[str, ...]
    digest: str
    chunks: tuple[PreparedChunk, ...]


def check_external_id(external_id: str) -> str:
    """Return the name of a document when it can be one.

    Raises:
        DocumentRejected: It is blank, too long, or holds a null byte.
    """
    if not external_id.strip() or len(external_id) > MAX_EXTERNAL_ID or "\x00" in external_id:
        raise DocumentRejected(
            f"external_id must have 1 to {MAX_EXTERNAL_ID} characters, and no null byte."
        )
    return external_id


def clean(text: str) -> str:
    """Return a text that Postgres can store: no null bytes, no lone surrogates, LF line ends."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return text.encode("utf-8", "replace").decode("utf-8")


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
    if not spans:
        raise DocumentEmpty("The document has no text.")
    chunks: list[PreparedChunk] = []
    for span in spans:
        text = loaded.text[span.start : span.end]
        heading = " > ".join(part for part in span.headings if part != title)[:500]
        chunks.append(
            PreparedChunk(
                start=span.start,
                end=span.end,
                heading=heading,
                text=text,
                embedding_text=embedding_text(title, heading, text),
                terms=term_counts(title, heading, text, language=language),
                digest=_digest(_VERSION, language, title, heading, text),
            )
        )
    return tuple(chunks)


def embedding_text(title: str, heading: str, text: str) -> str:
    """Return what a chunk's vector is made of."""
    return "\n".join(part for part in (title, heading, text) if part)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
