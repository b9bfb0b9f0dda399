"""The site as an app: its commands, and the Celery app that every process must have imported."""

from django.apps import AppConfig

from loomsite.celery import app as celery_app

__all__ = ["LoomsiteConfig", "celery_app"]


class LoomsiteConfig(AppConfig):
    name = "loomsite"
    verbose_name = "Loom"
