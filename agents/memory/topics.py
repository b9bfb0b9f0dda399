"""Which one thing a fact settles, so that a newer fact can close an older one."""

import re

MAX_TOPIC = 200
_MAX_FACT = 200

_THING = r"(?:the|my|our|his|her|their|your|its|[\w.-]+['\u2019]s)\s+[\w'\u2019 -]{1,80}?"
_PERSON = r"(?:[A-Z][\w.'\u2019-]*(?: [A-Z][\w.'\u2019-]*)*|I|he|she|they|we|you)"
# Names, numbers and dates replace one another; "noisy" does not replace "large".
_VALUE = r"\s+(?:[A-Z\d$\u20ac\u00a3#+-]|https?:)[^?!\n]*"
_IS = re.compile(
    rf"(?P<about>{_THING})\s+(?:is|are)(?:\s+now|\s+currently)?"
    rf"(?P<how>(?:\s+(?:in|at|on|by|from|due|called|named))*){_VALUE}",
)
_DOES = re.compile(
    rf"(?P<about>{_PERSON}|{_THING})(?:\s+now|\s+currently)?"
    rf"\s+(?P<how>lives?\s+in|works?\s+(?:at|for)|(?:is|am|are)\s+married\s+to){_VALUE}",
)


def topic_of(text: str) -> str:
    """Return the one thing a short fact settles, empty when it is not plain which.

    Two facts of one topic cannot both hold: "The office is in Berlin." and "The office is in Bonn."
    What may well hold together has no topic: "The office is noisy."
    """
    fact = " ".join(text.split())
    if len(fact) > _MAX_FACT:
        return ""
    fact = fact.rstrip(".")
    if ". " in fact:
        return ""
    opening = fact[:1].lower() + fact[1:] if _opens_with_article(fact) else fact
    match = _DOES.fullmatch(opening) or _IS.fullmatch(opening)
    if match is None:
        return ""
    words = f"{match['about']} {' '.join(match['how'].split())}"
    return " ".join(words.casefold().split())[:MAX_TOPIC]


def _opens_with_article(fact: str) -> bool:
    first = fact.partition(" ")[0]
    return first in {"The", "My", "Our", "His", "Her", "Their", "Your", "Its", "He", "She", "They",
                     "We", "You"}  # fmt: skip
