"""The form of an API key: `lk_<prefix>_<secret>`; the prefix finds it, the secret proves it."""

import hashlib
import hmac
import re
from dataclasses import dataclass

PREFIX_BYTES = 6
SECRET_BYTES = 32  # 256 bits: a plain SHA-256 at rest is enough, there is nothing to guess
_FORM = re.compile(r"lk_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """A key taken apart; never log `secret`."""

    prefix: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyParts(prefix={self.prefix!r}, secret=…)"


def write(*, prefix: bytes, secret: bytes) -> str:
    """Return the key made of `PREFIX_BYTES` and `SECRET_BYTES` random bytes."""
    return f"lk_{prefix.hex()}_{secret.hex()}"


def read(raw: str) -> KeyParts | None:
    """Return the parts of `raw`, or None when it has not the form of a key."""
    match = _FORM.fullmatch(raw)
    return KeyParts(prefix=match[1], secret=match[2]) if match else None


def digest(secret: str) -> str:
    """Return what is stored in the secret's place."""
    return hashlib.sha256(secret.encode()).hexdigest()


def proves(secret: str, stored: str) -> bool:
    """Say whether `secret` is the one behind `stored`, in the same time for any answer."""
    return hmac.compare_digest(digest(secret), stored)
