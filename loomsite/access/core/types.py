"""The values of access."""

from dataclasses import dataclass

from loomsite.access.core import scopes
from loomsite.access.core.errors import ScopeMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling, for which workspace, and what they may do there.

    Attributes:
        actor: How records name the caller: `key:<prefix>`, `user:<name>` or `local`.
        user_id: The person behind the call; None for the local default workspace.
    """

    workspace_id: str
    workspace_slug: str
    actor: str
    scopes: frozenset[str]
    user_id: int | None = None
    key_id: str | None = None

    def allows(self, scope: str) -> bool:
        return scopes.allows(self.scopes, scope)

    def require(self, scope: str) -> None:
        """Pass when the caller holds `scope`.

        Raises:
            ScopeMissing: It does not.
        """
        if not self.allows(scope):
            raise ScopeMissing(scope=scope)
