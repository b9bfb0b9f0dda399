"""An answer without what says who wrote it, for a judge that shall not know."""

import re
from collections.abc import Sequence
from typing import Final

AUTHOR: Final = "[author]"
NAME_MIN: Final = 2
_GAP: Final = re.compile(r"[-_\s]+")
# A word such as «writer» may be what an answer is about: it is taken out only where one signs.
_SIGNS: Final = (
    r"(?:(?<=\n)|\A)[ \t]*[-–—~*_][-–—~*_ \t]*",  # noqa: RUF001 -- the dashes that people sign with
    r"\b(?:regards|sincerely|cheers|yours|thanks)[,.!]?\s{1,3}(?:[-–—~][ \t]*)?",  # noqa: RUF001 -- as above
    r"\b(?:signed|author|agent|written by|answered by|prepared by|signature)[ \t]*:?[ \t]*",
    r"\b(?:I am|I'm|my name is|this is)[ \t]+",
)


def unsigned(answer: str, *, names: Sequence[str], goal: str) -> str:
    """Return an answer with its authors' names taken out, as far as that changes nothing else.

    Args:
        answer: As it was given.
        names: Names and slugs of all who may have worked on it.
        goal: A name that it contains is part of the work, and stays.
    """
    asked = goal.casefold()
    known = {" ".join(_GAP.split(name.strip())) for name in names}
    # The longest first, so that no part of a name is left over.
    for name in sorted(known, key=lambda one: (-len(one), one)):
        spelled = r"[-_ \t]+".join(re.escape(word) for word in name.split(" "))
        if len(name) < NAME_MIN or re.search(spelled, asked, re.IGNORECASE):
            continue
        whole = rf"(?<!\w){spelled}(?!\w)"
        if " " in name:
            answer = re.sub(whole, AUTHOR, answer, flags=re.IGNORECASE)
            continue
        for sign in _SIGNS:
            answer = re.sub(rf"({sign}){whole}", rf"\1{AUTHOR}", answer, flags=re.IGNORECASE)
    return answer
