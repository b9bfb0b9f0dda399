"""Make a workspace."""

from argparse import ArgumentParser
from typing import Any

from loomsite.access import services
from loomsite.management.door import DoorCommand


class Command(DoorCommand):
    help = "Make a workspace; prints its slug."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="1 to 63 of a to z, 0 to 9 and hyphen")
        parser.add_argument("--name", default="", help="what people call it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        slug: str = options["slug"]
        with self.told_to_a_person():
            workspace_id = services.workspace_create(slug=slug, name=options["name"])
        if options["json"]:
            self.emit({"id": workspace_id, "slug": slug})
        else:
            self.stdout.write(slug)
