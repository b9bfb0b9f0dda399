"""From an answer to the passages it stands on."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from agents.core import sentences
from agents.core.ports import Passage
from agents.core.types import Citation, Json

_MARKER = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_QUOTED = re.compile(r"[\"“«]([^\"”»]{12,600})[\"”»]")
_QUOTED_FROM = re.compile(_QUOTED.pattern + r"[.,;:!?]?\s*(?=\[\d)")
_LEFT_OUT = re.compile(r"\s*(?:\[\s*)?(?:\.\.\.|\u2026)(?:\s*\])?\s*")
_WORD = re.compile(r"\w+")
_SHORTEST = 12  # a span shorter than this says nothing about where it came from


@dataclass(slots=True)
class PassageBook:
    """The passages a run has seen, each under the number the model cites it by."""

    passages: list[Passage] = field(default_factory=list[Passage])
    _numbers: dict[str, int] = field(default_factory=dict[str, int])

    def cite(self, passage: Passage) -> int:
        """Return the number of a passage, a new one when it has none."""
        key = passage.chunk_id or f"{passage.document_id}:{passage.start}:{passage.end}"
        number = self._numbers.get(key)
        if number is None:
            self.passages.append(passage)
            number = self._numbers[key] = len(self.passages)
        return number

    def read(self, result: str) -> None:
        """Take in the passages of a journaled tool result, under the numbers they had."""
        for number, passage in passages_of(result):
            while len(self.passages) < number:
                self.passages.append(passage)
            self.passages[number - 1] = passage
            self._numbers[passage.chunk_id] = number


def passages_text(numbered: Sequence[tuple[int, Passage]]) -> str:
    """Return passages as a tool result that the model cites and `passages_of` reads."""
    return json.dumps(
        {
            "passages": [
                {
                    "ref": number,
                    "title": passage.title,
                    "text": passage.text,
                    "document_id": passage.document_id,
                    "chunk_id": passage.chunk_id,
                    "start": passage.start,
                    "end": passage.end,
                }
                for number, passage in numbered
            ],
            "cite": "Put [ref] behind each statement taken from a passage.",
        },
        ensure_ascii=False,
    )


def passages_of(result: str) -> list[tuple[int, Passage]]:
    """Return the numbered passages in a tool result; none when it is something else."""
    if not result.startswith('{"passages":'):
        return []
    try:
        # What stands behind the object, such as an interceptor's mark, is not the tool's.
        found: list[Json] = json.JSONDecoder().raw_decode(result)[0]["passages"]
        return [
            (
                int(item["ref"]),
                Passage(
                    document_id=str(item["document_id"]),
                    chunk_id=str(item["chunk_id"]),
                    title=str(item["title"]),
                    text=str(item["text"]),
                    start=int(item["start"]),
                    end=int(item["end"]),
                    score=0.0,
                ),
            )
            for item in found
            if int(item["ref"]) > 0
        ]
    except (ValueError, KeyError, TypeError):
        return []


def resolve(
    answer: str, passages: Sequence[Passage], given: Sequence[Citation] = ()
) -> tuple[Citation, ...]:
    """Return what the answer rests on, in the order of the answer, each span once.

    A `[n]` marker cites the sentence of passage n that is closest to the words before the marker;
    a quotation or a sentence that stands word for word in a passage cites itself. Of the given
    citations those count whose quote the answer repeats.
    """
    found: list[tuple[int, Citation]] = []
    for start, end in _candidates(answer):
        span = answer[start:end]
        found += [
            (start, citation) for passage in passages if (citation := _verbatim(span, passage))
        ]
    for match in _MARKER.finditer(answer):
        found += [(match.start(), citation) for citation in _marked(match, passages)]
    found += [
        (place, citation)
        for citation in given
        if citation.quote and (place := answer.find(citation.quote)) >= 0
    ]
    found.sort(key=lambda item: item[0])
    unique: dict[tuple[str, int, int], Citation] = {}
    for _, citation in found:
        unique.setdefault((citation.document_id, citation.start, citation.end), citation)
    return tuple(unique.values())


def numbered(answer: str, passages: Sequence[Passage], cited: Sequence[Citation]) -> str:
    """Return the answer with its markers counted over its citations: `[k]` is the k-th of them.

    The model counts passages; whoever reads the answer has the citations.
    """
    places = {(c.document_id, c.start, c.end): at for at, c in enumerate(cited, start=1)}

    def recount(match: re.Match[str]) -> str:
        own = {places[c.document_id, c.start, c.end] for c in _marked(match, passages)}
        return f"[{', '.join(map(str, sorted(own)))}]" if own else match.group()

    return _MARKER.sub(recount, answer)


def misquoted(answer: str, texts: Iterable[str]) -> list[str]:
    """Return the quotations with a marker behind them that stand in none of these texts.

    Space, the shape of quotation marks, letters' case and the punctuation at the end do not matter,
    and words may be left out where an ellipsis says so.
    """
    quoted = dict.fromkeys(match.group(1) for match in _QUOTED_FROM.finditer(answer))
    said = [text.lower() for text in texts] if quoted else []
    return [quote for quote in quoted if not any(_stands(quote.lower(), text) for text in said)]


def _stands(quote: str, text: str) -> bool:
    parts = (part.strip(" \t\n.,;:!?") for part in _LEFT_OUT.split(quote))
    return all(sentences.find(part, text) for part in parts if part)


def _marked(match: re.Match[str], passages: Sequence[Passage]) -> list[Citation]:
    """Return what a marker cites: of each passage it names, the sentence closest to the words."""
    before = match.string[: match.start()].rstrip(" .!?。\n")[-600:]
    named = (int(number) - 1 for number in match.group(1).split(","))
    return [_closest(before, passages[at]) for at in named if 0 <= at < len(passages)]


def _candidates(answer: str) -> Iterator[tuple[int, int]]:
    for match in _QUOTED.finditer(answer):
        yield match.span(1)
    bare = _MARKER.sub(lambda match: " " * len(match.group()), answer)
    yield from sentences.spans(bare)


def _verbatim(span: str, passage: Passage) -> Citation | None:
    text = span.strip()
    place = sentences.find(text, passage.text) if len(text) >= _SHORTEST else None
    return _citation(passage, *place) if place else None


def _closest(before: str, passage: Passage) -> Citation:
    parts = list(sentences.spans(before))
    said = _words(before[slice(*parts[-1])] if parts else before)
    best, best_score = (0, len(passage.text)), 0.0
    for start, end in sentences.spans(passage.text):
        words = _words(passage.text[start:end])
        shared = len(said & words)
        score = shared / (len(said | words) or 1)
        if shared and score > best_score:
            best, best_score = (start, end), score
    return _citation(passage, *best)


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def _citation(passage: Passage, start: int, end: int) -> Citation:
    return Citation(
        document_id=passage.document_id,
        chunk_id=passage.chunk_id,
        start=passage.start + start,
        end=passage.start + end,
        quote=passage.text[start:end],
    )
