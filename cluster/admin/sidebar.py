"""The admin's table of contents."""

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from agents.models import Approval
from loomsite.access.admin.reach import VIEWER, reach_of

_Item = tuple[str, str, str]  # title, icon, the model's page or, after a colon, one of its own
_GROUPS: Final[tuple[tuple[str, tuple[_Item, ...]], ...]] = (
    (
        "Work",
        (
            ("Tasks", "task_alt", "cluster_task"),
            ("Approvals", "approval_delegation", "agents_approval"),
            ("Schedules", "schedule", "cluster_schedule"),
            ("Artifacts", "attach_file", "agents_artifact"),
        ),
    ),
    (
        "Agents",
        (
            ("Agents", "smart_toy", "agents_agent"),
            ("Leaderboard", "leaderboard", "agents_agent:leaderboard"),
            ("Skills", "school", "agents_skill"),
            ("Memory", "neurology", "agents_memoryentry:curate"),
            ("Tools", "build", "agents_tool"),
            ("Scenes", "policy", "agents_scene"),
            ("Endpoints", "hub", "agents_endpoint"),
            ("MCP connections", "cable", "agents_mcpconnection"),
            ("Budgets", "payments", "agents_budget"),
        ),
    ),
    (
        "Knowledge",
        (
            ("Collections", "library_books", "knowledge_collection"),
            ("Documents", "description", "knowledge_document"),
            ("Try a search", "manage_search", "knowledge_collection:search"),
        ),
    ),
    (
        "Market",
        (
            ("Nodes", "groups", "cluster_agentnode"),
            ("Blueprints", "architecture", "cluster_blueprint"),
            ("Lineage", "account_tree", "cluster_blueprint:lineage"),
            ("Domains", "category", "cluster_domain"),
            ("Auctions", "gavel", "cluster_auction"),
            ("Rewards", "trophy", "cluster_reward"),
            ("Ledger", "receipt_long", "cluster_marketentry"),
            ("Lifecycle", "cycle", "cluster_lifecycleevent"),
            ("Calibration", "tune", "cluster_calibration:reliability"),
            ("Splits", "call_split", "cluster_splitcell"),
            ("Judge", "balance", "cluster_calibrationcase:judge"),
        ),
    ),
    (
        "Journal",
        (
            ("Runs", "play_circle", "agents_run"),
            ("Usage", "monitoring", "agents_usageentry"),
            ("Sessions", "forum", "agents_session"),
            ("Violations", "gpp_bad", "agents_violation"),
            ("Events", "bolt", "cluster_event"),
            ("Workers", "dns", "cluster_worker"),
        ),
    ),
    (
        "Access",
        (
            ("Workspaces", "workspaces", "access_workspace"),
            ("Members", "badge", "access_membership"),
            ("API keys", "key", "access_apikey"),
            ("Webhooks", "webhook", "cluster_webhook"),
            ("Audit", "history", "access_auditentry"),
            ("Accounts", "person", "auth_user"),
            ("Beat", "timer", "django_celery_beat_periodictask"),
        ),
    ),
)
_FIRST: Final = {"agents_approval": "agents_approval_inbox"}  # where not to the list
_MOST_COUNTED = 99


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar: the pages that the person may open, in groups."""
    groups: list[dict[str, Any]] = []
    pages = {
        f"{model._meta.app_label}_{model._meta.model_name}": page  # noqa: SLF001 -- Django's public hook
        for model, page in admin.site._registry.items()  # noqa: SLF001 -- the only list of pages there is
    }
    for title, items in _GROUPS:
        shown = [
            {
                "title": name,
                "icon": icon,
                "link": reverse(f"admin:{_FIRST.get(page, _address(page))}"),
                "list": reverse(f"admin:{page.partition(':')[0]}_changelist"),
            }
            for name, icon, page in items
            if (model := page.partition(":")[0]) in pages
            and pages[model].has_view_permission(request)
        ]
        if shown:
            groups.append({"title": title, "separator": True, "items": shown})
    _mark(request.path, [item for group in groups for item in group["items"]])
    pulse = {"title": "Pulse", "icon": "ecg_heart", "link": reverse("admin:index")}
    first = groups[0]["items"] if groups and groups[0]["title"] == _GROUPS[0][0] else []
    waiting = questions_waiting(request)
    for item in first:
        if item["title"] == "Approvals" and waiting:
            item.update(badge=str(waiting), badge_variant="warning")
    return [{"items": [pulse, *first]}, *(groups[1:] if first else groups)]


def _mark(path: str, items: list[dict[str, Any]]) -> None:
    """Mark the item whose address says most of where the person is; of several the first."""
    said = [
        max(len(link) if path.startswith(link) else 0 for link in (item["link"], item.pop("list")))
        for item in items
    ]
    here = said.index(max(said)) if any(said) else None
    for place, item in enumerate(items):
        item["active"] = lambda _request, own=place == here: own


def _address(page: str) -> str:
    model, _, own = page.partition(":")
    return f"{model}_{own or 'changelist'}"


def questions_waiting(request: HttpRequest) -> int:
    """Return how many questions wait for a person, at most a hundred; read once a request."""
    known = getattr(request, "loom_waiting", None)
    if known is None:
        rows = Approval.objects.filter(status=Approval.Status.OPEN)
        ids = reach_of(request).workspace_ids(VIEWER)
        rows = rows if ids is None else rows.filter(workspace_id__in=ids)
        known = rows.order_by()[: _MOST_COUNTED + 1].count()
        request.loom_waiting = known  # pyright: ignore[reportAttributeAccessIssue] -- kept for this request
    return known
