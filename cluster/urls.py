"""Where the cluster answers, below `/api/v1/`."""

from django.urls import path

from cluster import api

urlpatterns = [
    path("schedules", api.ScheduleListView.as_view()),
    path("schedules/<uuid:schedule_id>", api.ScheduleView.as_view()),
    path("schedules/<uuid:schedule_id>/run", api.ScheduleRunView.as_view()),
    path("tasks", api.TaskListView.as_view()),
    path("tasks/<uuid:task_id>", api.TaskView.as_view()),
    path("tasks/<uuid:task_id>/cancel", api.TaskCancelView.as_view()),
    path("tasks/<uuid:task_id>/retry", api.TaskRetryView.as_view()),
    path("tasks/<uuid:task_id>/reply", api.TaskReplyView.as_view()),
    path("tasks/<uuid:task_id>/feedback", api.TaskFeedbackView.as_view()),
    path("tasks/<uuid:task_id>/events", api.TaskEventsView.as_view()),
    path("tasks/<uuid:task_id>/tree", api.TaskTreeView.as_view()),
    path("tasks/<uuid:task_id>/auction", api.TaskAuctionView.as_view()),
]
