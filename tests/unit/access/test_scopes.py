"""What a scope covers."""

import pytest

from loomsite.access.core import scopes
from loomsite.access.core.errors import ScopeMissing
from loomsite.access.core.types import Principal


@pytest.mark.parametrize("scope", scopes.SCOPES)
def test_admin_covers_every_scope(scope):
    assert scopes.allows(["admin"], scope)


def test_a_scope_covers_itself_alone():
    covered = [scope for scope in scopes.SCOPES if scopes.allows(["tasks:read"], scope)]

    assert covered == ["tasks:read"]


def test_a_viewer_may_read_and_nothing_else():
    assert all(scope.endswith(":read") for scope in scopes.ROLE_SCOPES["viewer"])


def test_require_without_the_scope_names_it():
    principal = Principal(
        workspace_id="w", workspace_slug="w", actor="key:1", scopes=frozenset({"tasks:read"})
    )

    with pytest.raises(ScopeMissing, match="tasks:write"):
        principal.require("tasks:write")
