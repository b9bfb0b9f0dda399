"""The Celery app: queues and beat."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")

app = Celery("loom")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["agents", "cluster", "knowledge"])
# A job that nobody took in time is dropped: the next one does the same.
app.conf.beat_schedule = {
    "fire schedules": {
        "task": "cluster.tasks.schedules_fire_job",
        "schedule": 1.0,
        "options": {"expires": 10},
    },
    "requeue documents": {
        "task": "knowledge.tasks.documents_requeue_job",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "expire reservations": {
        "task": "agents.tasks.reservations_expire_job",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
}
