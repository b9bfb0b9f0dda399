"""L2, working memory: the key facts of a session or task, the most important first to stay."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agents.core import sentences

MAX_FACT_CHARS = 300
# What people say when they want it kept, or when forgetting it would show.
_KEEP = re.compile(
    r"\b(?:remember|note that|keep in mind|important|never|always|must not|do not forget)\b",
    re.IGNORECASE,
)
_SELF = re.compile(
    r"\b(?:my|our) (?:\w+ ){1,3}(?:is|are|was)\b|\b(?:I|we) (?:am|are|prefer|need|want)\b"
    r"|\b(?:I|we) (?:live|work|use)\b|\bcall me\b"
    r"|\bis called\b|\bdeadline\b|\bbudget\b|\bpassword\b|\bcode\b",
    re.IGNORECASE,
)
_EXACT = re.compile(r"\d|[\"“«][^\"”»]+[\"”»]|https?://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A sentence worth keeping, in the words it was said in."""

    text: str
    importance: float


def facts_in(text: str) -> list[Fact]:
    """Return the sentences of a user's message that look worth keeping, with their importance.

    A rule of thumb that needs no model: requests to remember, statements about oneself.
    """
    found: list[Fact] = []
    for start, end in sentences.spans(text):
        said = " ".join(text[start:end].split())
        if not 8 <= len(said) <= MAX_FACT_CHARS or said.endswith("?"):  # noqa: PLR2004 -- "I am ill"
            continue
        importance = 0.9 * bool(_KEEP.search(said)) or 0.6 * bool(_SELF.search(said))
        if importance:
            exact = 0.1 * bool(_EXACT.search(said))
            found.append(Fact(text=said, importance=min(importance + exact, 1.0)))
    return found


class WorkingMemory:
    """At most `size` facts, each once; the least important and oldest go first."""

    def __init__(self, facts: Iterable[Fact] = (), *, size: int = 64) -> None:
        self._size = size
        self._facts: dict[str, Fact] = {}
        for fact in facts:
            self.add(fact)

    @property
    def facts(self) -> list[Fact]:
        """Return the facts in the order they were learned."""
        return list(self._facts.values())

    def add(self, fact: Fact) -> None:
        key = fact.text.casefold().rstrip(".! ")
        known = self._facts.pop(key, None)
        if known is not None and known.importance > fact.importance:
            fact = known
        self._facts[key] = fact  # said again, it is the latest
        if len(self._facts) > self._size:
            weakest = min(enumerate(self._facts.items()), key=lambda e: (e[1][1].importance, e[0]))
            del self._facts[weakest[1][0]]

    def text(self, *, max_tokens: int, count: Callable[[str], int]) -> str:
        """Return the most important facts that fit, in the order they were learned, one a line."""
        ranked = sorted(enumerate(self._facts.values()), key=lambda e: (-e[1].importance, -e[0]))
        kept: list[tuple[int, str]] = []
        used = 0
        for place, fact in ranked:
            line = f"- {fact.text}"
            tokens = count(line)
            if used + tokens <= max_tokens:
                kept.append((place, line))
                used += tokens
        return "\n".join(line for _, line in sorted(kept))
