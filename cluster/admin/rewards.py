"""Pages of rewards, and of how far forecasts and the judge can be believed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin
from cluster.models import Calibration, Reward
from cluster.selectors.reliability import reliability
from loomsite.access.admin.display import EMPTY, ago, number, row, short, task_link
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.workspaces import chosen_workspace, workspaces_of


@admin.register(Reward)
class RewardAdmin(ClusterAdmin):
    workspace_path = "task__workspace"
    list_display = (
        "of", "cycle", "evaluation", row("node__agent", "agent"), number("score"), "verified",
        "outcome", short("source"), ago("at"),
    )  # fmt: skip
    list_display_links = ("evaluation",)
    list_select_related = ("node__agent",)
    list_filter = ("outcome", "verified")
    id_fields = ("task_id", "node_id")
    defer = ("components",)
    change_form_template = "loom/admin/reward.html"
    detail_fields = (
        "task", "cycle", "evaluation", "node", "score", "verified", "outcome", "source", "comment",
        "at",
    )  # fmt: skip
    empty = "Each evaluation of an answer: by checks, a judge, or a person."

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("node__agent")

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        parts = obj.components if isinstance(obj.components, list) else []
        return {
            **super().extra_context(request, obj),
            "parts": [part for part in parts if isinstance(part, dict)],
        }

    @display(description="task")
    def of(self, reward: Reward) -> SafeString | str:
        return task_link(reward.task_id)


@admin.register(Calibration)
class CalibrationAdmin(ClusterAdmin):
    list_display = (row("domain"), "forecast", "came_true", "n")
    list_display_links = ("forecast",)
    list_select_related = ("domain",)
    ordering = ("domain", "bin")
    list_pages = (
        ExtraPage(name="reliability", label="Reliability", icon="monitoring",
                  view="reliability_view"),
    )  # fmt: skip
    empty = "How often forecasts come true, by domain and forecast."

    def reliability_view(self, request: HttpRequest) -> HttpResponse:
        """Show how forecasts of success came true, by tenths and by domain."""
        home = chosen_workspace(request)
        report = reliability(workspace_id=str(home.pk)) if home else None
        return self.page(
            request,
            "reliability",
            "How forecasts came true",
            home=home,
            workspaces=workspaces_of(request),
            report=report,
        )

    @display(description="forecast")
    def forecast(self, line: Calibration) -> str:
        return (
            f"{line.forecast_sum / line.n:.2f}" if line.n else f"about {line.bin / 10 + 0.05:.2f}"
        )

    @display(description="came true")
    def came_true(self, line: Calibration) -> str:
        return f"{line.score_sum / line.n:.2f}" if line.n else EMPTY
