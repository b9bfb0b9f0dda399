"""The agents app: one agent: who it is, how it thinks, what it may use."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Agents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("agents.checks")
        post_migrate.connect(_prepare_workspaces, sender=self)


def _prepare_workspaces(**kwargs: Any) -> None:  # noqa: ANN401 -- Django's signature
    """Show each workspace the built-in tools of this version; new ones are prepared when made."""
    state = kwargs.get("apps")
    if state is None or "tool" not in state.all_models["agents"]:
        return  # the database was emptied, or migrated back to before there were tools
    import_module("agents.wiring").workspaces_prepare()
