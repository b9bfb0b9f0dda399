"""Counting tokens, each text once."""

from collections import OrderedDict
from collections.abc import Callable

CHARS_PER_TOKEN = 4
MESSAGE_TOKENS = 4  # what a chat format adds around each message


def estimate(text: str) -> int:
    """Return about how many tokens a text has: one for four letters or one wide character."""
    if text.isascii():
        return -(-len(text) // CHARS_PER_TOKEN)
    wide = sum(1 for character in text if character > "\u2e7f")
    return wide - (-(len(text) - wide) // CHARS_PER_TOKEN)


class TokenCounter:
    """Count with a tokenizer, remembering the latest texts."""

    def __init__(self, tokenize: Callable[[str], int] = estimate, *, size: int = 4096) -> None:
        self._tokenize = tokenize
        self._size = size
        self._counts: OrderedDict[str, int] = OrderedDict()
        self.misses = 0

    def __call__(self, text: str) -> int:
        count = self._counts.get(text)
        if count is None:
            self.misses += 1
            count = self._counts[text] = self._tokenize(text)
            if len(self._counts) > self._size:
                self._counts.popitem(last=False)
        return count
