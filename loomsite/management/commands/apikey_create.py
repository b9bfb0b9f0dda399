"""Make an API key."""

from argparse import ArgumentParser
from typing import Any

from loomsite.access import services
from loomsite.access.core import scopes
from loomsite.management.door import DoorCommand


class Command(DoorCommand):
    help = "Make an API key for a user, who is made when missing; prints the key, this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workspace", required=True, metavar="SLUG")
        parser.add_argument("--user", required=True, metavar="NAME")
        parser.add_argument(
            "--scope",
            required=True,
            action="extend",
            nargs="+",
            metavar="S",
            help=f"one or more of: {' '.join(scopes.SCOPES)}",
        )
        parser.add_argument("--expires-days", type=int, metavar="N")
        parser.add_argument("--name", default="", help="what the key is for")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with self.told_to_a_person():
            key = services.apikey_create(
                workspace_slug=options["workspace"],
                user=options["user"],
                scopes=options["scope"],
                expires_days=options["expires_days"],
                name=options["name"],
            )
        if options["json"]:
            self.emit(
                {
                    "key": key,
                    "workspace": options["workspace"],
                    "user": options["user"],
                    "scopes": sorted(set(options["scope"])),
                }
            )
        else:
            self.stdout.write(key)
