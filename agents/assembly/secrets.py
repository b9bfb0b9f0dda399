"""Secrets at rest: sealed under one key, or references to variables of the environment."""

from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken

from agents.core.errors import EndpointUnusable
from loomsite.access.core.errors import InputInvalid

_SEALED, _REFERENCE = "sealed:", "env:"
_PREFIX = "LOOM_SECRET_"
_LONGEST = 8_000


class SecretBox:
    """Seals what may be stored and opens it again; neither its key nor what it opens is shown.

    Args:
        key: 32 random bytes in URL-safe base64.
        references: The variables that stored references may name, and their values.
    """

    def __init__(self, key: str, references: Mapping[str, str]) -> None:
        self._fernet = Fernet(key)
        self._references = references

    def __repr__(self) -> str:
        return "<SecretBox>"

    def seal(self, secret: str) -> str:
        """Return what may be stored of a secret, or of a reference `env:LOOM_SECRET_…`.

        Raises:
            InputInvalid: The reference names another variable, or the secret cannot be one.
        """
        secret = secret.strip()
        if secret.startswith(_REFERENCE):
            name = secret.removeprefix(_REFERENCE)
            if not (name.startswith(_PREFIX) and name.isascii() and name.isidentifier()):
                raise _refused(f"A reference names a variable that begins with {_PREFIX}.")
            return secret
        if not (secret.isascii() and secret.isprintable()) or len(secret) > _LONGEST:
            raise _refused("A secret is one line of printable ASCII characters.")
        return _SEALED + self._fernet.encrypt(secret.encode()).decode()

    def open(self, stored: str) -> str:
        """Return the secret behind what was stored; empty for none.

        Raises:
            EndpointUnusable: It was sealed under another key, or its variable is not set.
        """
        if not stored:
            return ""
        if stored.startswith(_REFERENCE):
            name = stored.removeprefix(_REFERENCE)
            value = self._references.get(name, "") if name.startswith(_PREFIX) else ""
            if not value:
                raise EndpointUnusable(f"The secret refers to {name}, which is not set here.")
            return value
        try:
            return self._fernet.decrypt(stored.removeprefix(_SEALED).encode()).decode()
        except InvalidToken:
            raise EndpointUnusable(
                "The secret was sealed under another LOOM_SECRETS_KEY: give it again."
            ) from None


def _refused(message: str) -> InputInvalid:
    return InputInvalid.of("secret", message)
