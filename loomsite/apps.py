"""The site as an app: its commands, and the Celery app that every process must have imported."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from loomsite.celery import app as celery_app

__all__ = ["LoomsiteConfig", "celery_app"]


class LoomsiteConfig(AppConfig):
    name = "loomsite"
    verbose_name = "Loom"

    def ready(self) -> None:
        """Register the pages of those apps whose admin is a package: its `__init__` is empty."""
        autodiscover_modules("admin.pages")
