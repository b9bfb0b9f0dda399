"""Run the whole control plane in the foreground."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from loomsite.embedded.home import Home
from loomsite.embedded.supervisor import Supervisor


class Command(BaseCommand):
    """The supervisor itself checks little: `bootstrap`, which it runs first, checks everything."""

    help = "Run services, web, worker and beat until Ctrl-C."
    requires_system_checks = []  # pyright: ignore[reportAssignmentType] -- the stubs say str

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=int, default=1, help="worker processes (default 1)")
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object when it is up"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        workers: int = options["workers"]
        if not 0 <= workers <= 64:  # noqa: PLR2004 -- far above what one machine can use
            raise CommandError("--workers must be a number from 0 to 64.", returncode=2)
        Supervisor(
            Home(root=settings.LOOM_HOME),
            os.environ,
            workers=workers,
            as_json=options["json"],
            out=sys.stdout,
            err=sys.stderr,
        ).run()
