"""Whether a citation holds: the quoted words stand where it says they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A quoted span: `text[start:end] == quote` in the stored text of the document."""

    document_id: str
    start: int
    end: int
    quote: str
    chunk_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationProblem:
    """What is wrong with the citation at this position of the list."""

    position: int
    code: Literal["document_missing", "span_invalid", "quote_differs"]
    message: str


def check_citations(
    citations: Sequence[Citation], texts: Mapping[str, str]
) -> list[CitationProblem]:
    """Return the problems of these citations, in order.

    `texts` are stored texts by document id, of the documents that the asker may see.
    """
    problems: list[CitationProblem] = []
    for position, citation in enumerate(citations):
        text = texts.get(citation.document_id)
        if text is None:
            problem = CitationProblem(
                position=position,
                code="document_missing",
                message=f"There is no document {citation.document_id!r}.",
            )
        elif not 0 <= citation.start < citation.end <= len(text):
            problem = CitationProblem(
                position=position,
                code="span_invalid",
                message=f"{citation.start} to {citation.end} is no span of a text of {len(text)}.",
            )
        elif text[citation.start : citation.end] != citation.quote:
            problem = CitationProblem(
                position=position,
                code="quote_differs",
                message="The document says something else there.",
            )
        else:
            continue
        problems.append(problem)
    return problems
