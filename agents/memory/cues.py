"""What a question asks for besides its words: what somebody said, or when something was."""

import re
from collections.abc import Mapping

SPEAKER = TIME = 0.1  # of a fit in [0, 1]: enough to choose between two that fit about as well

_LABEL = re.compile(r"\s*([^\W\d_][\w.'\u2019-]*(?: [\w.'\u2019-]+){0,2}):\s")
_WORD = re.compile(r"\w+")
_WHEN = re.compile(
    r"\b(?:when|how long|(?:what|which|whose) (?:date|day|week|month|year|time))\b", re.IGNORECASE
)
_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|ago|(?:last|next|this|past|coming) \w+"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
    r"|january|february|march|april|may|june|july|august|september|october|november|december"
    r"|(?:days?|weeks?|weekends?|months?|years?)|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)


def cues(query: str, texts: Mapping[str, str]) -> dict[str, float]:
    """Return what else speaks for entries, by id; nothing for most questions.

    An entry may begin with who said it, or with what it is: "Ada: the loom broke yesterday". A
    question that names one of these asks for the entries that begin with it; one that names two is
    about both. A question that asks when asks for entries that name a time.

    Args:
        query: The question.
        texts: Of the entries that may answer it, by id.

    Source: the two cues of docs/benchmarks.md (Retrieval), which suit conversations.
    """
    labels = {key: _label(text) for key, text in texts.items()}
    asked = {word.casefold() for word in _WORD.findall(query)}
    named = {label for label in labels.values() if label in asked}
    when = _WHEN.search(query) is not None
    found: dict[str, float] = {}
    for key, text in texts.items():
        cue = SPEAKER if len(named) == 1 and labels[key] in named else 0.0
        cue += TIME if when and _TIME.search(text) else 0.0
        if cue:
            found[key] = cue
    return found


def _label(text: str) -> str:
    """Return the first word of what a text begins with, empty when it does not begin so."""
    match = _LABEL.match(text)
    return _WORD.findall(match.group(1))[0].casefold() if match else ""
