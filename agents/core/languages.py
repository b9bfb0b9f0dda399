"""Which language a text is plainly in, by its script and its commonest words."""

import re
import unicodedata
from collections import Counter

_WORD = re.compile(r"[^\W\d_]+")
_LEAST_WORDS = 4  # common words of a language, below which nothing is plain
_CLEAR = 2.0  # so many times more of them than of any other language
_LEAST_LETTERS = 12
_MAX_CHARS = 4_000

_COMMON = {
    "de": "der die das und ist nicht ein eine zu den mit sich auf für von dem im sie wird auch als",
    "en": "the and is of to in that it with for as are this be not was on by from or an which have",
    "es": "el los las y es que en por con para una del se no como más su al lo pero son está",
    "fr": "le les et est que dans pour une des du pas sur au avec ce qui il elle sont ne plus par",
    "it": "il gli e è che di per una con non sono della nel si come più anche ma del alla questo",
    "nl": "de het een en is van niet dat op te zijn voor met die aan er ook als maar bij wordt",
    "pt": "o os as e é que em para uma com não por do da no na se como mais dos foi são ao",
}
_WORDS = {name: frozenset(words.split()) for name, words in _COMMON.items()}
# Scripts that a handful of languages share; the commonest of them stands for the script.
_SCRIPTS = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "zh", "CYRILLIC": "ru",
    "ARABIC": "ar", "HEBREW": "he", "GREEK": "el", "DEVANAGARI": "hi", "THAI": "th",
}  # fmt: skip
KNOWN = frozenset(_WORDS) | frozenset(_SCRIPTS.values())


def language_of(text: str) -> str:
    """Return the code of the language a text is plainly in; empty when that is not plain.

    Short texts, code, numbers and names are in no language.
    """
    letters = Counter(_script(character) for character in text[:_MAX_CHARS] if character.isalpha())
    total = letters.total()
    if total < _LEAST_LETTERS:
        return ""
    if letters["ja"] > total * 0.1:
        return "ja"  # it is written with Chinese characters too
    script, count = letters.most_common(1)[0]
    if script:
        return script if count > total / 2 else ""
    words = [word.lower() for word in _WORD.findall(text[:_MAX_CHARS])]
    found = Counter({name: sum(w in common for w in words) for name, common in _WORDS.items()})
    (best, most), (_, second) = found.most_common(2)
    return best if most >= _LEAST_WORDS and most >= _CLEAR * second else ""


def _script(character: str) -> str:
    """Return the language that stands for a letter's script; empty for Latin and rare ones."""
    if character.isascii():
        return ""
    return _SCRIPTS.get(unicodedata.name(character, "").split(" ", 1)[0], "")
