"""Stop everything that runs over this LOOM_HOME."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from loomsite.embedded import attach
from loomsite.embedded.home import Home


class Command(BaseCommand):
    help = "Stop the control plane and the embedded services of this LOOM_HOME."
    requires_system_checks = []  # pyright: ignore[reportAssignmentType] -- the stubs say str

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        stopped = attach.down(Home(root=settings.LOOM_HOME))
        sentence = f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running."
        print(sentence, file=sys.stderr)
        if options["json"]:
            print(json.dumps({"stopped": stopped}))
