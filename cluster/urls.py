"""Where the cluster answers, below `/api/v1/`."""

from django.urls import path

from cluster.api import schedules, tasks, webhooks

urlpatterns = [
    path("schedules", schedules.ScheduleListView.as_view()),
    path("schedules/<uuid:schedule_id>", schedules.ScheduleView.as_view()),
    path("schedules/<uuid:schedule_id>/run", schedules.ScheduleRunView.as_view()),
    path("tasks", tasks.TaskListView.as_view()),
    path("tasks/<uuid:task_id>", tasks.TaskView.as_view()),
    path("tasks/<uuid:task_id>/cancel", tasks.TaskCancelView.as_view()),
    path("tasks/<uuid:task_id>/retry", tasks.TaskRetryView.as_view()),
    path("tasks/<uuid:task_id>/reply", tasks.TaskReplyView.as_view()),
    path("tasks/<uuid:task_id>/feedback", tasks.TaskFeedbackView.as_view()),
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
