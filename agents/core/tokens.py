"""Counting tokens, each text once."""

import json
from collections import OrderedDict
from collections.abc import Callable

from agents.core.ports import ModelRequest
from agents.core.types import Usage

CHARS_PER_TOKEN = 4
MESSAGE_TOKENS = 4  # what a chat format adds around each message


def estimate(text: str) -> int:
    """Return about how many tokens a text has: one for four letters or one wide character."""
    if text.isascii():
        return -(-len(text) // CHARS_PER_TOKEN)
    wide = sum(1 for character in text if character > "\u2e7f")
    return wide - (-(len(text) - wide) // CHARS_PER_TOKEN)


def usage_estimated(request: ModelRequest, said: str, count: Callable[[str], int]) -> Usage:
    """Return about what a call used whose endpoint did not say so.

    Args:
        request: What was sent.
        said: What came of the reply, reasoning and arguments included.
        count: Counts tokens as the model does.
    """
    prompt = sum(count(message.content) + MESSAGE_TOKENS for message in request.messages)
    prompt += sum(count(c.arguments) for message in request.messages for c in message.tool_calls)
    prompt += sum(count(t.description) + count(json.dumps(t.parameters)) for t in request.tools)
    return Usage(prompt_tokens=prompt, completion_tokens=count(said), estimated=True)


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
