"""What a question asks for besides its words: what somebody said, or when something was."""

import re
from collections.abc import Mapping

SPEAKER = TIME = 0.1  # of a fit in [0, 1]: enough to choose between two that fit about as well

_LABEL = re.compile(r"\s*([^\W\d_][\w.'\u2019-]*(?: [\w.'\u2019-]+){0,2})(?::\s|\uff1a)")
_WORD = re.compile(r"\w+")
_TITLES = frozenset({"dr", "mr", "mrs", "ms", "prof"})
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_MONTH = (  # two of them are other words, too
    r"january|february|(?-i:March)|april|(?-i:May)|june|july|august|september|october|november"
    r"|december"
)
_SPAN = (
    rf"{_DAY}|{_MONTH}|time|night|morning|afternoon|evening|week|weekend|month|year|spring|summer"
    r"|fall|autumn|winter"
)
# "When did it break?", "Do you know when it broke?", but not "What is done when it breaks?"
_WHEN = re.compile(
    r"\bwhen(?:'s|\u2019s|\s+(?:is|are|was|were|do|does|did|has|have|had|will|would|should|can"
    r"|could))\b"
    r"|\b(?:since|until|know|remember|recall|tell me|say|said|ask) when\b"
    r"|\bhow long\b|\b(?:what|which|whose) (?:date|day|week|month|year|time)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    rf"\b(?:yesterday|today|tonight|tomorrow|ago|(?:last|next|this|past|coming) (?:{_SPAN})"
    rf"|{_DAY}|{_MONTH}|days?|weeks?|weekends?|months?|years?|(?:19|20)\d\d)\b",
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
    named = _named(query.casefold(), set(labels.values()))
    when = _WHEN.search(query) is not None
    found: dict[str, float] = {}
    for key, text in texts.items():
        cue = SPEAKER if named and labels[key] == named else 0.0
        cue += TIME if when and _TIME.search(text) else 0.0
        if cue:
            found[key] = cue
    return found


def _named(query: str, labels: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the label that a question names, by most of its words; empty for none or several."""
    asked = set(_WORD.findall(query))
    counts = {label: sum(_is_in(word, query, asked) for word in label) for label in labels}
    most = max(counts.values(), default=0)
    best = [label for label, count in counts.items() if count == most]
    return best[0] if most and len(best) == 1 else ()


def _is_in(word: str, query: str, asked: set[str]) -> bool:
    # Chinese and Japanese put no space around a name.
    return word in asked or (not word.isascii() and word in query)


def _label(text: str) -> tuple[str, ...]:
    """Return the words of a name that a text begins with; none when it does not begin so."""
    match = _LABEL.match(text)
    first, *more = _WORD.findall(match.group(1)) if match else [""]
    words = [first, *(word for word in more if word[:1].isupper())]
    folded = [word.casefold() for word in words]
    return tuple(word for word in folded if len(word) > 1 and word not in _TITLES)
