"""From text to the terms that BM25 counts: stems of words, identifiers, pairs of CJK letters."""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from threading import local
from typing import Any, cast

import snowballstemmer  # pyright: ignore[reportMissingTypeStubs] -- it has none

from knowledge.core.types import TermCounts

LANGUAGES: tuple[str, ...] = tuple(sorted(cast("Any", snowballstemmer).algorithms()))
TERM_SPACE = 1_000_000_000  # the number of dimensions a sparsevec may have
MAX_TERMS_PER_CHUNK = 8_000  # a sparsevec holds 16,000
MAX_HIGHLIGHTS = 100  # of a passage
_MAX_WORD = 64  # longer runs are data, not words; their first letters are enough to find them

# Thai, Lao, Burmese and Khmer have no spaces either; they are read as Chinese and Japanese are.
_CJK = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u1100-\u11ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003134f"
)
# The vowels of Indic scripts, the points of Arabic and Hebrew: signs of their own, inside words.
_SIGNS = "".join(
    letter
    for letter in map(chr, range(0x300, 0x1B00))
    if unicodedata.category(letter).startswith("M") and not re.match(f"[{_CJK}]", letter)
)
_WORD = rf"(?:[^\W{_CJK}]++[{_SIGNS}]*+)++"
_RUN = re.compile(rf"[{_CJK}]+|{_WORD}(?:['\u2019.\-]{_WORD})*|[\U0001f300-\U0001faff]")
_IS_CJK = re.compile(rf"[{_CJK}]")
_SEPARATOR = re.compile(r"[_.\-'\u2019]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")

_STOP_WORDS = {
    "english": (
        "a about above after again against all am an and any are as at be because been before "
        "being below between both but by can could did do does doing don down during each few "
        "for from further had has have having he her here hers herself him himself his how i if "
        "in into is it its itself just ll me more most my myself no nor not now of off on once "
        "only or other our ours ourselves out over own re s same she should so some such t than "
        "that the their theirs them themselves then there these they this those through to too "
        "under until up ve very was we were what when where which while who whom why will with "
        "would you your yours yourself yourselves"
    ),
    "german": (
        "aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass dein dem "
        "den der des dich die dies diese dir doch du durch ein eine einem einen einer eines er "
        "es euch für hat hatte ich ihm ihn ihr im in ist ja kann mein mich mir mit nach nicht "
        "noch nun nur ob oder sein sich sie sind so über um und uns unter vom von vor war was "
        "wer wie wir wird zu zum zur"
    ),
    "french": (
        "à au aux avec ce ces cette d dans de des du elle en est et eux il ils j je l la le les "
        "leur lui m ma mais me mes moi mon n ne nos notre nous on ont ou où par pas pour qu que "
        "qui s sa se ses son sont sur t ta te tes toi ton tu un une vos votre vous y"
    ),
    "spanish": (
        "a al como con cual de del donde e el ella ellas ellos en entre era es esa ese eso esta "
        "este esto fue ha hay la las le les lo los me mi muy más ni no nos o para pero por que "
        "quien se si sin sobre son su sus también te tu un una unos y ya yo"
    ),
}
_STOPS = {language: frozenset(words.split()) for language, words in _STOP_WORDS.items()}
_threads = local()  # a stemmer keeps state while it works


def analyze(text: str, *, language: str = "english", query: bool = False) -> list[str]:
    """Return the terms of a text in order, repeats included.

    An identifier gives itself and its parts. A run of CJK letters gives its pairs; in documents its
    single letters too, so that a query of one letter finds something.
    """
    return list(_terms(unicodedata.normalize("NFKC", text), language=language, query=query))


def highlights(
    text: str, sought: Mapping[str, frozenset[str]], *, limit: int = MAX_HIGHLIGHTS
) -> tuple[tuple[int, int], ...]:
    """Return the spans of a text's words that have one of these terms, by language, in order.

    In a run of CJK letters the spans are those of its pairs, joined where they touch.
    """
    spans: list[tuple[int, int]] = []
    for match in _RUN.finditer(text):
        run = match.group()
        if _IS_CJK.match(run):
            wanted = frozenset[str]().union(*sought.values())
            spans.extend(_pairs_found(run, wanted, at=match.start()))
        elif any(
            not terms.isdisjoint(_run_terms(unicodedata.normalize("NFKC", run), language))
            for language, terms in sought.items()
        ):
            spans.append(match.span())
        if len(spans) >= limit:
            break
    return tuple(spans[:limit])


def term_id(term: str) -> int:
    """Return the number of a term, 1 to TERM_SPACE; two terms share one about never."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass")) % TERM_SPACE + 1


def term_counts(title: str, heading: str, text: str, *, language: str = "english") -> TermCounts:
    """Return a chunk's terms as they are indexed: the title counts twice, the headings once."""
    counts = Counter(analyze(text, language=language))
    for term in analyze(title, language=language):
        counts[term] += 2
    counts.update(analyze(heading, language=language))
    kept = counts.most_common(MAX_TERMS_PER_CHUNK)
    numbered: Counter[int] = Counter()
    for term, count in kept:
        numbered[term_id(term)] += count
    return TermCounts(counts=dict(sorted(numbered.items())), length=sum(numbered.values()))


def _terms(text: str, *, language: str, query: bool) -> Iterator[str]:
    for match in _RUN.finditer(text):
        run = match.group()
        if run.isascii() or not _IS_CJK.match(run):
            yield from _run_terms(run, language)
        else:
            yield from _pairs(run, query=query)


@lru_cache(maxsize=50_000)
def _run_terms(run: str, language: str) -> tuple[str, ...]:
    stops = _STOPS.get(language, frozenset())
    parts = _parts(run)
    whole = (run.casefold()[:_MAX_WORD],) if _is_identifier(run, parts) else ()
    words = (part.casefold()[:_MAX_WORD] for part in parts)
    return whole + tuple(_stem(word, language) for word in words if word not in stops)


def _pairs(run: str, *, query: bool) -> Iterator[str]:
    if len(run) == 1 or not query:
        yield from run
    for i in range(len(run) - 1):
        yield run[i : i + 2]


def _pairs_found(run: str, wanted: frozenset[str], *, at: int) -> Iterator[tuple[int, int]]:
    found = {i for i in range(len(run)) if run[i : i + 2] in wanted}
    letters = sorted({j for i in found for j in (i, i + 1) if j < len(run)})
    letters = letters or [i for i in range(len(run)) if run[i] in wanted]
    for i, start in enumerate(letters):
        if i and letters[i - 1] == start - 1:
            continue
        end = start
        while end + 1 in letters:
            end += 1
        yield at + start, at + end + 1


def _parts(run: str) -> list[str]:
    parts: list[str] = []
    for word in _SEPARATOR.split(run):
        if not word:
            continue
        if word.isascii() and _mixed_case(word):
            parts.extend(_CAMEL.findall(word))
        else:
            parts.append(word)
    return parts


def _mixed_case(word: str) -> bool:
    if word.islower():
        return False
    return any(a.islower() and b.isupper() for a, b in pairwise(word)) or (
        # HTTPServer: two capitals, then a small letter
        re.search(r"[A-Z]{2}[a-z]{2}", word) is not None
    )


def _is_identifier(run: str, parts: list[str]) -> bool:
    if len(parts) == 1:
        return False
    hyphenated_words = not any(c in "_." or c.isdigit() for c in run)
    return not hyphenated_words or any(_mixed_case(word) for word in _SEPARATOR.split(run))


def _stem(word: str, language: str) -> str:
    stemmers = _threads.__dict__
    if language not in stemmers:
        stemmers[language] = _stemmer(language)
    stem: str = stemmers[language].stemWord(word)
    if stem.isascii():
        return stem
    decomposed = unicodedata.normalize("NFKD", stem)
    return "".join(c for c in decomposed if not unicodedata.combining(c)) or stem


def _stemmer(language: str) -> Any:  # noqa: ANN401 -- a class of a library without types
    return cast("Any", snowballstemmer).stemmer(language)
