"""The extractive reader: no language model, and honest about it.

It answers with sentences of the documents, word for word and cited. Asked something, it searches
the knowledge (a tool call like any other), ranks the sentences of what came back by their nearness
to the question, and takes the best that do not repeat each other.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agents.core import sentences
from agents.core.citations import passages_of
from agents.core.errors import ModelIncapable
from agents.core.ports import ModelDelta, ModelReply, ModelRequest, Passage, TextEmbedder, World
from agents.core.tokens import TokenCounter
from agents.core.transcript import unframed
from agents.core.types import Message, ModelProfile, ToolCall, Usage
from agents.providers.emulation import deltas
from agents.providers.world import system_world

MODEL = "extractive-reader"
PROFILE = ModelProfile(
    tools=True,
    json_schema=False,
    reasoning=False,
    judging=False,
    context_tokens=1_000_000,
    usd_per_million_prompt=Decimal(0),
    usd_per_million_completion=Decimal(0),
)
SEARCH = "search_knowledge"
NOTHING = (
    "I am an extractive reader, not a language model: I answer with sentences of your documents, "
    "and found none that bear on this."
)
SENTENCES, MAX_SENTENCES = 5, 20  # of one question; where a length is asked for, at most
CANDIDATES = 48  # sentences that are embedded for one question
NEAREST = 0.25  # a sentence farther from the question than this has nothing to do with it
NOVELTY = 0.3  # the weight of not repeating what is already said (maximal marginal relevance)
MIN_CHARS, MAX_CHARS = 25, 700

_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "a": 1, "single": 1}
_LENGTH = re.compile(
    r"\b(?P<n>\d{1,3}|one|two|three|four|five|six|a|single)[ -](?P<unit>sentences?|words?)\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+(?P<text>\S.+)$", re.MULTILINE)
_RESULTS = re.compile(r"^# Results of the parts\s*\n(?P<body>.*)", re.MULTILINE | re.DOTALL)
_PART = re.compile(r"^## ", re.MULTILINE)
_REJECTED = re.compile(r"^An earlier answer to this was rejected\..*", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6}\s.*$", re.MULTILINE)
_MARKER = re.compile(r"\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\]")
_WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence that may be said; `ref` is its passage's number, 0 for the context."""

    text: str
    ref: int
    place: int


class ExtractiveReader:
    """A provider without a model; nothing leaves the process but what the embedder sends.

    Args:
        embedder: Compares sentences with the question.
    """

    def __init__(self, embedder: TextEmbedder, *, world: World | None = None) -> None:
        self.model = MODEL
        self.profile = PROFILE
        self.world = world or system_world()
        self.count = TokenCounter()
        self._embedder = embedder

    async def complete(self, request: ModelRequest) -> ModelReply:
        if request.json_schema is not None:
            raise ModelIncapable(f"{MODEL!r} cannot fill in a form: it is no language model.")
        asked = max((i for i, m in enumerate(request.messages) if m.role == "user"), default=-1)
        if asked < 0:
            return _reply(Message(role="assistant", content=NOTHING))
        goal, context = unframed(request.messages[asked].content)
        results = [m.content for m in request.messages[asked + 1 :] if m.role == "tool"]
        merged = _RESULTS.search(context)
        if merged:
            return _reply(Message(role="assistant", content=_kept(merged["body"])))
        questions = _questions(goal)
        if not results and any(tool.name == SEARCH for tool in request.tools):
            return _reply(_searching(questions))
        passages = [numbered for result in results for numbered in passages_of(result)]
        sources = _of_passages(passages) + _of_context(context)
        text = await self._answer(questions, goal, sources)
        return _reply(Message(role="assistant", content=text))

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta]:
        for delta in deltas(await self.complete(request)):
            yield delta

    async def close(self) -> None:
        """Nothing to close."""

    async def _answer(
        self, questions: Sequence[str], goal: str, sources: Sequence[Sentence]
    ) -> str:
        limit, words = _length(goal)
        said: set[str] = set()
        answers: list[str] = []
        for question in questions:
            fresh = [sentence for sentence in sources if sentence.text not in said]
            chosen = await self._chosen(question, fresh, limit)
            said |= {sentence.text for sentence in chosen}
            if chosen:
                answers.append(_written(chosen, words))
            elif len(questions) > 1:
                answers.append("(Nothing in the documents bears on this.)")
        if not said:
            return NOTHING
        if len(questions) == 1:
            return answers[0]
        return "\n\n".join(
            f"{number}. {question}\n{answer}"
            for number, (question, answer) in enumerate(zip(questions, answers, strict=True), 1)
        )

    async def _chosen(
        self, question: str, sources: Sequence[Sentence], limit: int
    ) -> list[Sentence]:
        """Return the sentences nearest to the question, each new, in the order they stand."""
        candidates = _promising(question, sources)
        if not candidates:
            return []
        vectors = await self._embedder.embed([question, *(c.text for c in candidates)])
        asked, known = vectors[0], vectors[1:]
        near = [_dot(asked, vector) for vector in known]
        left = {i for i, nearness in enumerate(near) if nearness >= NEAREST}
        chosen: list[int] = []
        while left and len(chosen) < limit:
            best = max(
                left,
                key=lambda i: (
                    (1 - NOVELTY) * near[i]
                    - NOVELTY * max((_dot(known[i], known[j]) for j in chosen), default=0.0),
                    -i,
                ),
            )
            left.discard(best)
            chosen.append(best)
        return sorted((candidates[i] for i in chosen), key=lambda c: (c.ref or 10**6, c.place))


def _reply(message: Message) -> ModelReply:
    finish = "tool_calls" if message.tool_calls else "stop"
    return ModelReply(message=message, usage=Usage(), finish_reason=finish, model=MODEL)


def _searching(questions: Sequence[str]) -> Message:
    calls: list[ToolCall] = []
    for number, question in enumerate(questions):
        arguments = json.dumps({"query": question[:400]})
        calls.append(ToolCall(id=f"search_{number}", name=SEARCH, arguments=arguments))
    return Message(role="assistant", tool_calls=tuple(calls))


def _questions(goal: str) -> list[str]:
    """Return the parts that a goal lists, or the goal as one question."""
    items = [match["text"].strip() for match in _ITEM.finditer(goal)]
    return items[:8] if len(items) > 1 else [goal.strip()]


def _length(goal: str) -> tuple[int, int]:
    """Return (sentences, words) that the goal asks for; 0 words for no limit."""
    found = _LENGTH.search(goal)
    if found is None:
        return SENTENCES, 0
    raw = found["n"].lower()
    number = int(raw) if raw.isdigit() else _NUMBERS[raw]
    if found["unit"].lower().startswith("sentence"):
        return max(1, min(number, MAX_SENTENCES)), 0
    return SENTENCES, max(1, number)


def _kept(parts: str) -> str:
    """Return the parts' answers as they are; their markers point at other runs' passages."""
    text = _REJECTED.sub("", parts)
    return _PART.sub("### ", _MARKER.sub("", text)).strip() or NOTHING


def _of_passages(passages: Sequence[tuple[int, Passage]]) -> list[Sentence]:
    found: dict[str, Sentence] = {}
    for ref, passage in passages:
        for start, end in sentences.spans(passage.text):
            text = " ".join(passage.text[start:end].split())
            if _sayable(text):
                found.setdefault(text, Sentence(text=text, ref=ref, place=passage.start + start))
    return list(found.values())


def _of_context(context: str) -> list[Sentence]:
    text = _HEADING.sub("\n", _MARKER.sub("", _REJECTED.sub("", context)))
    found: list[Sentence] = []
    for start, end in sentences.spans(text):
        said = " ".join(text[start:end].split())
        if _sayable(said):
            found.append(Sentence(text=said, ref=0, place=start))
    return found


def _sayable(text: str) -> bool:
    """Return whether it is a sentence, not a heading, a table row or code."""
    if text.startswith(("|", "```")):
        return False
    letters = sum(character.isalpha() or character.isspace() for character in text)
    wide = not text.isascii() and letters > 0
    long_enough = len(text) >= MIN_CHARS or (wide and len(text) >= MIN_CHARS // 3)
    return long_enough and len(text) <= MAX_CHARS and letters / len(text) > 0.7  # noqa: PLR2004 -- prose


def _promising(question: str, sources: Sequence[Sentence]) -> list[Sentence]:
    """Return the sentences worth embedding: those that share words, then those found first."""
    asked = {word.lower() for word in _WORD.findall(question)}
    shared = [len(asked & {word.lower() for word in _WORD.findall(s.text)}) for s in sources]
    order = sorted(range(len(sources)), key=lambda i: (-shared[i], i))
    return [sources[i] for i in sorted(order[:CANDIDATES])]


def _written(chosen: Sequence[Sentence], words: int) -> str:
    written: list[str] = []
    used = 0
    for sentence in chosen:
        used += len(sentence.text.split())
        if words and written and used > words:
            break
        written.append(f"{sentence.text} [{sentence.ref}]" if sentence.ref else sentence.text)
    return "\n".join(written)


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
