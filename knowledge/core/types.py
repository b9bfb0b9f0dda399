"""The values that travel between a document and a hit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Fusion = Literal["convex", "rrf", "lexical", "dense"]
GroupBy = Literal["document"]
SourceType = Literal[
    "text", "markdown", "html", "pdf", "docx", "pptx", "xlsx", "csv", "json", "code"
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedText:
    """What a loader made of a file: plain text or Markdown, and the title it found, if any."""

    text: str
    title: str = ""
    source_type: SourceType = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInput:
    """A document to ingest: either `text`, or `content` with a file name that tells its format.

    Attributes:
        external_id: The caller's name for it, unique in the collection; the same again replaces it.
        metadata: Arbitrary JSON values to filter by.
        byte_count: Of a file too large to be read at all, whose `content` was left out.
        problem: Why its file could not be opened, in a sentence.
    """

    external_id: str
    title: str = ""
    text: str | None = None
    content: bytes | None = None
    file_name: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tags: Sequence[str] = ()
    byte_count: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkSpan:
    """A piece of a text: `text[start:end]`, under the headings of its section, outermost first."""

    start: int
    end: int
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TermCounts:
    """The terms of a chunk and how often each occurs; `length` is their sum."""

    counts: Mapping[int, int]
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStatistics:
    """What BM25 needs to know of the collections searched; `dfs` of the query's terms only."""

    chunk_count: int
    total_length: int
    dfs: Mapping[int, int]

    @property
    def average_length(self) -> float:
        return self.total_length / self.chunk_count if self.chunk_count else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A chunk and its score in one list."""

    chunk_id: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A chunk as it is cited: `text` is the document's stored text from `start` to `end`."""

    chunk_id: int
    document_id: str
    external_id: str
    title: str
    text: str
    start: int
    end: int
    heading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTerms:
    """Why a hit ranks where it does: each list's score, and the BM25 share of each query word.

    Attributes:
        bm25: The sum of `words`; None when the words did not find it.
        parts: What `words` and `meaning` add to `fused`.
        fused: The score of both lists together, before any reranking.
        rerank: What the reranker said; None when it was not asked.
        expanded: The words that were added to the query.
        notes: What was left out of this search, and why.
    """

    bm25: float | None
    dense: float | None
    words: Mapping[str, float]
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    fused: float | None = None
    rerank: float | None = None
    expanded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A cited passage, `score` in [0, 1], comparable within one answer only.

    `highlights` are the spans of `text` that hold the query's words.
    """

    document_id: str
    external_id: str
    chunk_id: str
    title: str
    text: str
    score: float
    start: int
    end: int
    highlights: tuple[tuple[int, int], ...] = ()
    terms: ScoreTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which documents may be found; all given conditions must hold.

    Attributes:
        tags: Each must be on the document.
        metadata: Must be contained in the document's metadata.
        external_ids: The document must be one of these.
        source_types: The document must have come from one of these formats.
        created_after: Of the document, inclusive.
        created_before: Of the document, exclusive.
    """

    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    external_ids: tuple[str, ...] = ()
    source_types: tuple[str, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """One question to the index.

    Attributes:
        languages: Of the collections searched: each word is looked up by its stem in all of them.
        limit: At most this many hits, 1 to 200.
        group_by: `document` gives the best chunk of each document only.
        explain: Attach the terms of each score.
        feedback: Search the vectors a second time with what the first three hits are about.
        expand: Search the words a second time with those that mark the first three hits.
    """

    text: str
    languages: tuple[str, ...] = ("english",)
    limit: int = 8
    group_by: GroupBy | None = None
    explain: bool = False
    fusion: Fusion = "convex"
    feedback: bool = True
    expand: bool = False
