"""Where the cluster answers, below `/api/v1/`."""

from collections.abc import Mapping

from django.urls import URLPattern, path

from cluster.api import blueprints, nodes, rewards, schedules, tasks, webhooks
from loomsite.access.rest.views import ApiView


def _actions(row: str, views: Mapping[str, type[ApiView]]) -> list[URLPattern]:
    return [path(f"{row}/{name}", view.as_view()) for name, view in views.items()]


urlpatterns = [
    path("blueprints", blueprints.BlueprintListView.as_view()),
    path("blueprints/import", blueprints.BlueprintImportView.as_view()),
    path("blueprints/lineage", blueprints.BlueprintLineageView.as_view()),
    path("blueprints/<uuid:blueprint_id>", blueprints.BlueprintView.as_view()),
    path("blueprints/<uuid:blueprint_id>/versions", blueprints.BlueprintVersionsView.as_view()),
    path("blueprints/<uuid:blueprint_id>/diff", blueprints.BlueprintDiffView.as_view()),
    path("blueprints/<uuid:blueprint_id>/export", blueprints.BlueprintExportView.as_view()),
    path("blueprints/<uuid:blueprint_id>/revise", blueprints.BlueprintReviseView.as_view()),
    *_actions("blueprints/<uuid:blueprint_id>", blueprints.ACTIONS),
    path("nodes", nodes.NodeListView.as_view()),
    path("nodes/<uuid:node_id>", nodes.NodeView.as_view()),
    path("nodes/<uuid:node_id>/lifecycle", nodes.NodeLifecycleView.as_view()),
    *_actions("nodes/<uuid:node_id>", nodes.ACTIONS),
    path("rewards", rewards.RewardListView.as_view()),
    path("rewards/judge", rewards.JudgeView.as_view()),
    path("rewards/reliability", rewards.ReliabilityView.as_view()),
    path("rewards/lift", rewards.LiftView.as_view()),
    path("rewards/splits", rewards.SplitsView.as_view()),
    path("calibration-cases", rewards.CaseListView.as_view()),
    path("calibration-cases/<uuid:case_id>", rewards.CaseView.as_view()),
    path("judge-audits", rewards.AuditListView.as_view()),
    path("judge-audits/<uuid:audit_id>", rewards.AuditView.as_view()),
    path("schedules", schedules.ScheduleListView.as_view()),
    path("schedules/<uuid:schedule_id>", schedules.ScheduleView.as_view()),
    path("schedules/<uuid:schedule_id>/run", schedules.ScheduleRunView.as_view()),
    path("tasks", tasks.TaskListView.as_view()),
    path("tasks/<uuid:task_id>", tasks.TaskView.as_view()),
    *_actions("tasks/<uuid:task_id>", tasks.ACTIONS),
    path("tasks/<uuid:task_id>/events", tasks.TaskEventsView.as_view()),
    path("tasks/<uuid:task_id>/tree", tasks.TaskTreeView.as_view()),
    path("tasks/<uuid:task_id>/auction", tasks.TaskAuctionView.as_view()),
    path("webhooks", webhooks.WebhookListView.as_view()),
    path("webhooks/<uuid:webhook_id>", webhooks.WebhookView.as_view()),
    path("webhooks/<uuid:webhook_id>/rotate", webhooks.WebhookRotateView.as_view()),
    path("webhooks/<uuid:webhook_id>/test", webhooks.WebhookTestView.as_view()),
    path("webhooks/<uuid:webhook_id>/deliveries", webhooks.DeliveryListView.as_view()),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>", webhooks.DeliveryView.as_view()
    ),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/redeliver",
        webhooks.DeliveryRedeliverView.as_view(),
    ),
]
