"""What the pages of agents share: which errors are refusals of a service."""

from typing import Any

from agents.core.errors import CatalogueError
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.forms import ServiceForm
from loomsite.access.core.errors import AccessError

REFUSALS = (AccessError, CatalogueError)


class AgentsForm(ServiceForm):
    refusals = REFUSALS


class AgentsAdmin(LoomAdmin):
    refusals = REFUSALS

    def home(self, row: Any) -> str:
        """Return the id of a row's workspace, as services take it."""
        return str(self.workspace_id_of(row))
