"""The front page: how the cluster is doing right now."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from cluster.selectors import pulse
from loomsite.access.admin.reach import OPERATOR, VIEWER, reach_of

admin.site.index_template = "loom/admin/pulse.html"
admin.site.index_title = "Pulse"
admin.site.enable_nav_sidebar = True


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the front page's values; unfold calls it."""
    reach = reach_of(request)
    ids = reach.workspace_ids(VIEWER)
    now = timezone.now()
    return {
        **context,
        "nowhere": ids == [],
        "may_submit": reach.allows_somewhere(OPERATOR),
        "queue": pulse.pulse_queue(workspace_ids=ids),
        "today": pulse.pulse_today(workspace_ids=ids, now=now),
        "stuck": pulse.pulse_stuck(workspace_ids=ids, now=now),
        "recent": pulse.pulse_recent(workspace_ids=ids),
        "workers": pulse.pulse_workers(now=now),
        "phases": pulse.pulse_phases(workspace_ids=ids),
        "questions": pulse.pulse_people(workspace_ids=ids),
        "population": pulse.pulse_population(workspace_ids=ids),
        "now": now,
    }
