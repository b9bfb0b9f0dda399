"""L1, the sliding window: which of the oldest turns have to go so that the rest fits."""

from collections.abc import Callable, Sequence

from agents.core.tokens import MESSAGE_TOKENS
from agents.core.types import Message


def tokens_of(message: Message, count: Callable[[str], int]) -> int:
    """Return the tokens of a message with its calls and what a chat format puts around it."""
    calls = sum(count(call.name) + count(call.arguments) for call in message.tool_calls)
    return count(message.content) + calls + MESSAGE_TOKENS


def overflow(sizes: Sequence[int], messages: Sequence[Message], *, keep_tokens: int) -> int:
    """Return how many of the oldest messages to drop so that the rest has at most that many tokens.

    Only whole turns go: what is left begins with a user's message, so that no tool result loses its
    call. The latest turn always stays.

    Args:
        sizes: The tokens of each message.
        messages: Oldest first.
        keep_tokens: What may stay.
    """
    left = sum(sizes)
    if left <= keep_tokens:
        return 0
    starts = [index for index, message in enumerate(messages) if message.role == "user"]
    dropped = 0
    for start in starts[1:]:
        left -= sum(sizes[dropped:start])
        dropped = start
        if left <= keep_tokens:
            break
    return dropped
