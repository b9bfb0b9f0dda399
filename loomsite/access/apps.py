"""The access app: workspaces, members, keys, audit."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "loomsite.access"
    label = "access"
    verbose_name = "Access"
    default_auto_field = "django.db.models.BigAutoField"
