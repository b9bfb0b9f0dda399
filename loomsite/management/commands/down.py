"""Stop everything that runs over this LOOM_HOME."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from loomsite.embedded import attach
from loomsite.embedded.home import Home


class Command(BaseCommand):
    help = "Stop the control plane and the embedded services of this LOOM_HOME."
    requires_system_checks = []  # pyright: ignore[reportAssignmentType] -- the stubs say str

    def handle(self, *args: Any, **options: Any) -> None:
        stopped = attach.down(Home(root=settings.LOOM_HOME))
        sentence = f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running."
        print(sentence, file=sys.stderr)
