"""The knowledge app: documents in, cited passages out."""

from importlib import import_module

from django.apps import AppConfig


class KnowledgeConfig(AppConfig):
    name = "knowledge"
    verbose_name = "Knowledge"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("knowledge.checks")
