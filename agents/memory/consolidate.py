"""From a finished session to what is worth keeping for good."""

import re
from collections.abc import Sequence

from agents.core.types import Message
from agents.memory.working import Fact, facts_in

MAX_FACTS = 20
SAME_WORDS = 0.8
_WORD = re.compile(r"\w+")


def consolidate(messages: Sequence[Message], *, known: Sequence[str] = ()) -> list[Fact]:
    """Return the facts of a session that the store does not hold yet, most important first.

    Args:
        messages: The session's turns; only what users said counts.
        known: Texts the store holds already; a fact of nearly the same words is not new.
    """
    seen = [_words(text) for text in known]
    found: list[Fact] = []
    for message in messages:
        if message.role != "user":
            continue
        for fact in facts_in(message.content):
            words = _words(fact.text)
            if not any(_same(words, other) for other in seen):
                seen.append(words)
                found.append(fact)
    return sorted(found, key=lambda fact: (-fact.importance, fact.text))[:MAX_FACTS]


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    both = one | other
    return bool(both) and len(one & other) / len(both) >= SAME_WORDS
