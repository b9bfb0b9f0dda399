"""Which workspaces a person may look into and change in the admin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.http import HttpRequest

from loomsite.access.models import Membership

VIEWER: Final = Membership.Role.VIEWER
OPERATOR: Final = Membership.Role.OPERATOR
OWNER: Final = Membership.Role.OWNER
_RANKS: Final[Mapping[str, int]] = {VIEWER: 0, OPERATOR: 1, OWNER: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a person may see: `everything`, or the workspaces they have a role in."""

    everything: bool
    roles: Mapping[UUID, str]

    def allows(self, workspace_id: UUID | str | None, role: str) -> bool:
        """Say whether the person has at least `role` in a workspace; None is nobody's workspace."""
        if self.everything:
            return True
        held = self.roles.get(UUID(str(workspace_id))) if workspace_id else None
        return held is not None and _RANKS[held] >= _RANKS[role]

    def allows_somewhere(self, role: str) -> bool:
        return self.everything or any(_RANKS[held] >= _RANKS[role] for held in self.roles.values())

    def workspace_ids(self, role: str) -> list[UUID] | None:
        """Return the workspaces where the person has at least `role`; None means all."""
        if self.everything:
            return None
        return [key for key, held in self.roles.items() if _RANKS[held] >= _RANKS[role]]


def reach_of(request: HttpRequest) -> Reach:
    """Return the reach of who is signed in; one query a request, none for a superuser."""
    known = getattr(request, "loom_reach", None)
    if known is None:
        known = _read(request)
        request.loom_reach = known  # pyright: ignore[reportAttributeAccessIssue] -- kept for this request
    return known


def actor_of(request: HttpRequest) -> str:
    """Return how records name who is signed in."""
    return f"user:{request.user.get_username()}"


def _read(request: HttpRequest) -> Reach:
    user = request.user
    if not (user.is_active and user.is_staff):
        return Reach(everything=False, roles={})
    if user.is_superuser:
        return Reach(everything=True, roles={})
    rows = Membership.objects.filter(user_id=user.pk).values_list("workspace_id", "role")
    return Reach(everything=False, roles=dict(rows))
