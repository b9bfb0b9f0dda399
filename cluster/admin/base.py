"""What the pages of the cluster share: which errors are refusals of a service."""

from agents.core.errors import CatalogueError
from cluster.core.errors import ClusterError
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.forms import ServiceForm
from loomsite.access.core.errors import AccessError

REFUSALS = (AccessError, CatalogueError, ClusterError)
STATUS = {
    "queued": "",
    "running": "info",
    "waiting": "",
    "input_required": "warning",
    "succeeded": "success",
    "failed": "danger",
    "cancelled": "",
}


class ClusterForm(ServiceForm):
    refusals = REFUSALS


class ClusterAdmin(LoomAdmin):
    refusals = REFUSALS
