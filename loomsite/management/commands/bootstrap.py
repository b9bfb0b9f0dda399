"""Make a database ready for first use: tables, the default workspace, an admin, a key."""

import json
import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from loomsite.access import services
from loomsite.access.core.scopes import SCOPES
from loomsite.management.migrating import migrate_once

WORKSPACE = "default"
ADMIN = "admin"


class Command(BaseCommand):
    """Called by `up` and the container image; safe to repeat."""

    help = "Migrate, and on first use make a workspace, an admin and an API key (printed as JSON)."

    def handle(self, *args: Any, **options: Any) -> None:
        migrate_once()
        services.workspace_ensure(slug=WORKSPACE, name="Default")
        print(json.dumps(_first_use()))


def _first_use() -> dict[str, str | None]:
    """Make the admin and a key; both None when somebody administers this database already."""
    people = get_user_model().objects
    if people.filter(is_superuser=True).exists():
        return {"admin_password": None, "api_key": None}
    password = secrets.token_urlsafe(12)
    people.create_superuser(username=ADMIN, email="", password=password)
    key = services.apikey_create(
        workspace_slug=WORKSPACE, user=ADMIN, scopes=SCOPES, name="first start", actor="setup"
    )
    return {"admin_password": password, "api_key": key}
