"""The tokenizers of models, read from data that is already on this machine."""

import hashlib
import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from agents.core.tokens import estimate

logger = logging.getLogger(__name__)
_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_NEWER = ("gpt-4o", "gpt-4.1", "gpt-5", "o1", "o3", "o4", "chatgpt")


def tokenizer_for(model: str) -> Callable[[str], int]:
    """Return a function that counts tokens as the model does.

    OpenAI's models get their own encoding, others `cl100k_base`, which is within a few per cent on
    ordinary text. Without token data on this machine (`TIKTOKEN_CACHE_DIR`), four letters are one
    token: counting never waits for a network.
    """
    name = "o200k_base" if model.lower().startswith(_NEWER) else "cl100k_base"

    def count(text: str) -> int:
        return _counter(name)(text)

    return count


@cache
def _counter(encoding_name: str) -> Callable[[str], int]:
    # tiktoken itself reads this variable, and goes to the network for what is not there, which it
    # would look for under the hash of the address.
    folder = os.environ.get("TIKTOKEN_CACHE_DIR")
    file = hashlib.sha1(_ADDRESS.format(encoding_name).encode(), usedforsecurity=False).hexdigest()
    if not folder or not (Path(folder) / file).is_file():
        return estimate
    import tiktoken  # noqa: PLC0415 -- its data take 50 MB: only when somebody counts

    try:
        encoding = tiktoken.get_encoding(encoding_name)
    except (OSError, ValueError):
        logger.warning("no token data for %s: token counts are estimates", encoding_name)
        return estimate
    return lambda text: len(encoding.encode_ordinary(text))
