"""What a key may be for, and which scopes a person's role gives."""

from collections.abc import Iterable
from typing import Final

ADMIN: Final = "admin"
SCOPES: Final = (
    "tasks:read",
    "tasks:write",
    "knowledge:read",
    "knowledge:write",
    "memory:read",
    "memory:write",
    "agents:read",
    "agents:write",
    ADMIN,
)
ROLE_SCOPES: Final = {
    "viewer": frozenset(scope for scope in SCOPES if scope.endswith(":read")),
    "operator": frozenset(scope for scope in SCOPES if scope != ADMIN),
    "owner": frozenset(SCOPES),
}


def allows(scopes: Iterable[str], scope: str) -> bool:
    """Say whether `scopes` cover `scope`; `admin` covers every one."""
    held = frozenset(scopes)
    return ADMIN in held or scope in held


def unknown(scopes: Iterable[str]) -> list[str]:
    """Return the names that are no scopes, sorted."""
    return sorted(set(scopes) - set(SCOPES))
